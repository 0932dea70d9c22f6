"""Rows that somebody else holds locked, and who waits for them."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any

from django.db import connection

from sessions_plus.models import Session
from tests.support.services.process import wait_until

WAITING = {
    "postgresql": "SELECT count(*) FROM pg_stat_activity "
    "WHERE datname = current_database() AND wait_event_type = 'Lock'",
    # The tables of locks are refreshed only where nobody looks for a while.
    "mysql": "SELECT variable_value FROM information_schema.global_status "
    "WHERE variable_name = 'INNODB_ROW_LOCK_CURRENT_WAITS'",
}


@contextmanager
def locked_rows(table: str = Session._meta.db_table, *, where: str = "1 = 1") -> Iterator[None]:
    """Hold those rows of a table locked, or the whole database where it locks no rows."""
    holder: Any = connection.copy()
    is_sqlite = connection.vendor == "sqlite"
    select = f"SELECT * FROM {table} WHERE {where} FOR UPDATE"  # noqa: S608 - a test's
    try:
        if not is_sqlite:
            holder.set_autocommit(False)
        with holder.cursor() as cursor:
            cursor.execute("BEGIN IMMEDIATE" if is_sqlite else select)
        yield
        holder.connection.rollback()  # which is waited for, as closing is not
    finally:
        holder.close()


def wait_until_somebody_waits(running: Future[Any] | None = None) -> None:
    """Return once a statement waits for a lock, or once ``running`` ended and did not wait."""
    watcher: Any = connection.copy()  # in a transaction a server shows what it did at first

    def is_waited_for() -> bool:
        if running is not None and running.done():
            return True
        with watcher.cursor() as cursor:
            cursor.execute(WAITING[connection.vendor])
            return bool(int(cursor.fetchone()[0]))

    try:
        wait_until(is_waited_for, what="somebody who waits for a lock")
    finally:
        watcher.close()
