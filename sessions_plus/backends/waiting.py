"""Not waiting long for rows that others hold locked, on PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from django.db import connections
from django.db.utils import OperationalError

SHORT_WAIT = timedelta(milliseconds=10)
LOCK_NOT_AVAILABLE = "55P03"  # PostgreSQL's documentation, appendix A


@contextmanager
def waiting_at_most(longest: timedelta, *, using: str) -> Iterator[None]:
    """
    Let a statement wait that long for a lock; inside a transaction, and for it alone.

    Raises:
        OperationalError: a lock was not to be had (see ``is_lock_timeout``).
    """
    with connections[using].cursor() as cursor:
        cursor.execute("SELECT current_setting('lock_timeout')")
        (before,) = cursor.fetchone()
        milliseconds = longest // timedelta(milliseconds=1)
        cursor.execute("SELECT set_config('lock_timeout', %s, true)", [f"{milliseconds}ms"])
        yield
        # Of use where the caller's transaction goes on; an error undoes the change itself.
        cursor.execute("SELECT set_config('lock_timeout', %s, true)", [before])


def is_lock_timeout(error: OperationalError) -> bool:
    """Whether a statement failed as it would have waited too long for a lock."""
    cause = error.__cause__
    # psycopg's name for the code, and that of psycopg2.
    code = getattr(cause, "sqlstate", None) or getattr(cause, "pgcode", None)
    return code == LOCK_NOT_AVAILABLE
