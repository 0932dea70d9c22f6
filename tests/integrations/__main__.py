"""
Run the tests against the real packages of others, in an environment of their own.

``python -m tests.integrations [ARGUMENT OF PYTEST ...]``.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.support.environments import ROOT, python_beside

HERE = Path(__file__).resolve().parent

# Warnings are errors here, too; these are of django-user-sessions, about itself, and of what
# social-auth imports.
QUIET = [
    *("-W", "ignore:pkg_resources is deprecated:UserWarning"),
    *("-W", "ignore:defusedxml.cElementTree is deprecated:DeprecationWarning"),
]
# More than there are cores, as many of them wait for a process or a clock; a module's servers once.
WORKERS = ["-n", "3", "--dist", "loadfile"]

OPTIONS = ["--ds=tests.integrations.settings", *QUIET, *WORKERS]


def main(arguments: list[str]) -> int:
    words = [str(python_beside()), "-m", "pytest", "-q", *OPTIONS, *(arguments or [str(HERE)])]
    return subprocess.run(words, cwd=ROOT, check=False).returncode


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
