"""How long a statement waits for a row that somebody else has locked."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import timedelta
from enum import Enum, auto
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper

LONGEST_WAIT = timedelta(seconds=3)
MOMENT = timedelta(milliseconds=50)


class LockWait(Enum):
    """
    As long as the database was set to; what nobody waits for is of this kind.

    PostgreSQL waits for ever unless a site sets ``lock_timeout``, MariaDB for 50 seconds, and
    SQLite, which has no locks of rows, for the ``timeout`` of the connection.
    """

    AS_SET = auto()
    BOUNDED = auto()
    """Somebody waits for the answer: ``LONGEST_WAIT`` at most, or as set where that is less."""
    NONE = auto()
    """The request can do without: a locked row is left alone, as if it was another."""


def in_sql(connection: BaseDatabaseWrapper, wait: LockWait) -> LockWait:
    """Return how a statement is to be composed; ``waiting`` does the rest."""
    if (
        wait is LockWait.BOUNDED
        and connection.vendor == "postgresql"
        and connection.in_atomic_block
    ):
        return LockWait.AS_SET  # what ``condition`` sets would hold for all that follows there
    return wait


def prefix(connection: Any, wait: LockWait) -> str:  # mysql_is_mariadb: MySQL's alone
    """Return what stands before a statement that waits so long."""
    if connection.vendor != "mysql" or not connection.mysql_is_mariadb:
        return ""
    if wait is LockWait.NONE:
        return "SET STATEMENT innodb_lock_wait_timeout=0 FOR "
    if wait is LockWait.BOUNDED:
        seconds = f"LEAST(@@innodb_lock_wait_timeout, {LONGEST_WAIT.seconds})"
        return f"SET STATEMENT innodb_lock_wait_timeout={seconds} FOR "
    return ""


def condition(connection: BaseDatabaseWrapper, wait: LockWait) -> str | None:
    """
    Return SQL that holds for every row, and sets the time to wait for the one that is next.

    PostgreSQL asks for it when the statement comes to wait. As it is set for the transaction,
    it is gone with a statement that is one by itself; and it costs no trip of its own.
    """
    if wait is not LockWait.BOUNDED or connection.vendor != "postgresql":
        return None
    setting = f"set_config('lock_timeout', '{_milliseconds(LONGEST_WAIT)}ms', true)"
    return f"(current_setting('lock_timeout') <> '0' OR {setting} IS NOT NULL)"


def skips(connection: BaseDatabaseWrapper, wait: LockWait) -> bool:
    """Say whether the rows are to be looked up with SKIP LOCKED first, in the same statement."""
    return wait is LockWait.NONE and bool(connection.features.has_select_for_update_skip_locked)


def waiting(connection: BaseDatabaseWrapper, wait: LockWait) -> AbstractContextManager[None]:
    """Return a context to execute a statement in, for what its SQL cannot say."""
    if wait is LockWait.NONE and connection.vendor == "sqlite":
        return _busy_timeout(connection, MOMENT)
    if in_sql(connection, wait) is not wait:
        return _lock_timeout(connection, LONGEST_WAIT)
    return nullcontext()


@contextmanager
def _busy_timeout(connection: BaseDatabaseWrapper, longest: timedelta) -> Iterator[None]:
    connection.ensure_connection()
    execute = connection.connection.execute  # past Django: it is nothing that the file is asked
    before = int(execute("PRAGMA busy_timeout").fetchone()[0])
    execute(f"PRAGMA busy_timeout = {min(before, _milliseconds(longest))}")
    try:
        yield
    finally:
        execute(f"PRAGMA busy_timeout = {before}")


@contextmanager
def _lock_timeout(connection: BaseDatabaseWrapper, longest: timedelta) -> Iterator[None]:
    """Set it for one statement of somebody's transaction, unless a site has."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('lock_timeout')")
        is_set = cursor.fetchone()[0] != "0"
        if not is_set:
            cursor.execute(f"SET LOCAL lock_timeout = {_milliseconds(longest)}")
        yield
        if not is_set:  # an error takes it back, with all else
            cursor.execute("SET LOCAL lock_timeout = 0")


def _milliseconds(duration: timedelta) -> int:
    return duration // timedelta(milliseconds=1)
