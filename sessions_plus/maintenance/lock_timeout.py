"""Not waiting long for rows that others hold locked, on PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from django.db import connections
from django.db.backends.utils import CursorWrapper
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
    connection = connections[using]
    milliseconds = longest // timedelta(milliseconds=1)
    # The outermost transaction takes the change with it, as does an error; in someone
    # else's it must be undone.
    is_outermost = not connection.savepoint_ids
    with connection.cursor() as cursor:
        before = None if is_outermost else _current(cursor)
        cursor.execute("SELECT set_config('lock_timeout', %s, true)", [f"{milliseconds}ms"])
        yield
        if before is not None:
            cursor.execute("SELECT set_config('lock_timeout', %s, true)", [before])


def _current(cursor: CursorWrapper) -> str:
    cursor.execute("SELECT current_setting('lock_timeout')")
    return str(cursor.fetchone()[0])


def is_lock_timeout(error: OperationalError) -> bool:
    """Whether a statement failed as it would have waited too long for a lock."""
    cause = error.__cause__
    # psycopg's name for the code, and that of psycopg2.
    code = getattr(cause, "sqlstate", None) or getattr(cause, "pgcode", None)
    return code == LOCK_NOT_AVAILABLE
