"""SQL statements as tests look at them."""

from __future__ import annotations

import re

# How MariaDB is told for one statement how long to wait for a lock.
FOR_ONE_STATEMENT = re.compile(r"^SET STATEMENT .+? FOR ")


def verb_of(sql: str | None) -> str:
    """Return what a statement does, ``UPDATE``, whatever it is told before; "" of none."""
    words = FOR_ONE_STATEMENT.sub("", sql or "").split()
    return words[0] if words else ""
