"""
What becomes of a request whose write the database refused: see ``rows.write_faults``.

A request that can do without goes on; any other is told so calmly, and may try again.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

from django.db import DatabaseError, transaction

from sessions_plus.exceptions import SessionNotStored
from sessions_plus.models.session import Session
from sessions_plus.rows.session_row import database, in_transaction
from sessions_plus.rows.write_faults import Fault, fault_of
from sessions_plus.signals import database_unwritable

logger = logging.getLogger("sessions_plus")

SECONDS_BETWEEN_WARNINGS = 60.0


class _Warning:
    """When this process warned last; one for all its threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._next_at = 0.0

    def is_due(self) -> bool:
        """Return True to one caller a minute."""
        now = time.monotonic()
        with self._lock:
            if now < self._next_at:
                return False
            self._next_at = now + SECONDS_BETWEEN_WARNINGS
            return True

    def reset(self) -> None:
        self._next_at = 0.0


warning = _Warning()


@contextmanager
def doing_without() -> Iterator[None]:
    """
    Let a write fail that the request can do without. Of the rest of the block nothing is done.

    In somebody's transaction it leaves that as it was.
    """
    try:
        with apart():
            yield
    except SessionNotStored:
        pass  # whoever raised it has told of it
    except DatabaseError as error:
        _note(error)


@contextmanager
def telling_of_refusal() -> Iterator[None]:
    """
    Let whoever asked for a write be told calmly where it is refused.

    Raises:
        SessionNotStored: the database takes no writes, or somebody holds the row.
    """
    try:
        yield
    except DatabaseError as error:
        refusal = not_stored(error)
        if refusal is error:
            raise
        raise refusal from error


def apart() -> AbstractContextManager[object]:
    """Return a block that takes what failed in it with it, and no transaction around it."""
    return transaction.atomic(using=database()) if in_transaction() else nullcontext()


def not_stored(error: DatabaseError) -> DatabaseError:
    """Return what to raise where a request had something to store."""
    if isinstance(error, SessionNotStored) or fault_of(error) is None:
        return error
    if fault_of(error) is not Fault.LOCKED:
        _note(error)
    return SessionNotStored()


def _note(error: DatabaseError) -> None:
    """
    Tell of a database that refused a write, once a minute.

    Raises:
        DatabaseError: it was for another reason.
    """
    if fault_of(error) is None:
        raise error
    if warning.is_due():
        logger.warning(
            "The database %r refused to write a session (%s: %s). Sessions are read all the same; "
            "nothing new is recorded.",
            database(),
            type(error).__name__,
            str(error).strip(),
        )
        database_unwritable.send_robust(sender=Session, alias=database(), error=error)
