"""
A session's row and what goes with it, its device and its events: all of it is written, or nothing.

By one statement on PostgreSQL, elsewhere in one transaction. Where the events have a database
of their own they are written before the session is there, so that whoever is killed in between
leaves at most an event too many.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, NamedTuple

from django.db import IntegrityError, connections, models, transaction

from sessions_plus.rows import one_statement
from sessions_plus.rows.lock_wait import LockWait
from sessions_plus.rows.session_row import SESSIONS, database
from sessions_plus.rows.table import Table, retried


class SessionPart(NamedTuple):
    """A new row's values; or, with ``where``, what changes in the row that this holds for."""

    values: Mapping[str, object]
    where: Mapping[str, object] | None = None


class DevicePart(NamedTuple):
    """
    What is written of the session's device: see ``SessionPart``.

    ``is_certainly_new``: nobody else can be storing one of the same token.
    """

    table: Table[models.Model]
    values: Mapping[str, object]
    where: Mapping[str, object] | None = None
    is_certainly_new: bool = False


class EventPart(NamedTuple):
    """Rows of the same attributes, and where they are kept. They are of the device, if any."""

    table: Table[models.Model]
    alias: str
    rows: Sequence[Mapping[str, object]]


class Outcome(NamedTuple):
    """
    What became of it. ``device_id`` and ``event_ids`` are of what is stored now.

    ``is_device_there`` False: another request stored one of that token, or the known one is gone.
    """

    is_written: bool
    is_device_there: bool = True
    device_id: int | None = None
    event_ids: Sequence[int] = ()


class _Undone(Exception):
    """Leaves the transaction, so that nothing of it stays."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__()
        self.outcome = outcome


def write(session: SessionPart, device: DevicePart | None, events: EventPart) -> Outcome:
    """
    Write all of it, or nothing. In somebody's transaction a device may stay that was written.

    Raises:
        IntegrityError: there is a session of that name already.
    """
    alias = database()
    connection = connections[alias]
    if connection.in_atomic_block:
        return _write_each(alias, session, device, events)
    if connection.vendor == "postgresql" and events.alias == alias:
        return retried(connection, lambda: _write_at_once(alias, session, device, events))
    return retried(connection, lambda: _write_in_transaction(alias, session, device, events))


def _write_at_once(
    alias: str, session: SessionPart, device: DevicePart | None, events: EventPart
) -> Outcome:
    try:
        device_id, has_session, event_ids = one_statement.execute(
            connections[alias], session, device, events
        )
    except IntegrityError as error:
        if device is None or not one_statement.is_of(device.table, error):
            raise
        return Outcome(is_written=False, is_device_there=False)
    if has_session:
        return Outcome(True, True, device_id, event_ids)
    is_gone = device is not None and device.where is not None and device_id is None
    return Outcome(is_written=False, is_device_there=not is_gone)


def _write_in_transaction(
    alias: str, session: SessionPart, device: DevicePart | None, events: EventPart
) -> Outcome:
    try:
        with transaction.atomic(using=alias, savepoint=False):
            outcome = _write_each(alias, session, device, events)
            if not outcome.is_written:
                raise _Undone(outcome)
            return outcome
    except _Undone as undone:
        return Outcome(is_written=False, is_device_there=undone.outcome.is_device_there)


def _write_each(
    alias: str, session: SessionPart, device: DevicePart | None, events: EventPart
) -> Outcome:
    device_id = None
    if device is not None:
        device_id = _write_device(alias, device)
        if device_id is None:
            return Outcome(is_written=False, is_device_there=False)
        session = session._replace(values={**session.values, "device_id": device_id})
        events = events._replace(rows=[{**row, "device_id": device_id} for row in events.rows])
    if events.alias != alias:
        event_ids = _write_events(events)
        return Outcome(_write_session(alias, session), True, device_id, event_ids)
    if not _write_session(alias, session):
        return Outcome(is_written=False, device_id=device_id)
    return Outcome(True, True, device_id, _write_events(events))


def _write_device(alias: str, device: DevicePart) -> Any:  # an int: where[…] does not say so
    """Return its primary key; None where it cannot be, or is no more."""
    table, where = device.table, device.where
    if where is not None:
        changed = table.update(alias, device.values, where, wait=LockWait.BOUNDED)
        return where[str(table.model._meta.pk.attname)] if changed else None
    try:
        with _apart(alias, device):
            return table.insert(alias, device.values)
    except IntegrityError:
        return None


def _apart(alias: str, device: DevicePart) -> AbstractContextManager[object]:
    # A savepoint keeps a refused INSERT from spoiling the rest of the transaction.
    return nullcontext() if device.is_certainly_new else transaction.atomic(using=alias)


def _write_session(alias: str, session: SessionPart) -> bool:
    if session.where is None:
        SESSIONS.insert(alias, session.values)
        return True
    wait = LockWait.BOUNDED
    return bool(SESSIONS.update(alias, session.values, session.where, wait=wait))


def _write_events(events: EventPart) -> list[int]:
    return events.table.insert_many(events.alias, events.rows)
