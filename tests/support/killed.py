"""
Signs somebody in, and is killed in the middle of it.

``python -m tests.support.killed NAME STEP``: NAME of the database; STEP is a function of
``rows.together`` before which the process kills itself; empty: it waits to be killed.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import Any

import django
from django.db import connection


def main(name: str, step: str) -> None:
    django.setup()
    connection.settings_dict["NAME"] = name
    from django.contrib.auth.models import User

    from sessions_plus.rows import together
    from tests.support.stores import signed_in

    def die(*_: Any) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    if step:
        setattr(together, step, die)
    signed_in(User.objects.get())


if __name__ == "__main__":
    main(*sys.argv[1:])
