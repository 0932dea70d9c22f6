"""
PostgreSQL's way to write several rows at once: one statement whose parts depend on each other.

Each part sees the database as it was before the statement, so what a part may rest on is what
another one returns, and nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple, Protocol

from django.db import IntegrityError, connections, models
from django.db.backends.base.base import BaseDatabaseWrapper

from sessions_plus.named_types import Found, Params
from sessions_plus.rows import statements
from sessions_plus.rows.lock_wait import LockWait
from sessions_plus.rows.session_row import SESSIONS
from sessions_plus.rows.statements import Names, Shape, shape_of
from sessions_plus.rows.table import Table, returned

DEVICE_ID = "device_id"


class Part(Protocol):
    """What is written to one table; ``where`` None: a new row."""

    @property
    def values(self) -> Mapping[str, object]: ...

    @property
    def where(self) -> Mapping[str, object] | None: ...


class DevicePart(Part, Protocol):
    @property
    def table(self) -> Table[models.Model]: ...


class EventPart(Protocol):
    @property
    def table(self) -> Table[models.Model]: ...

    @property
    def rows(self) -> Sequence[Mapping[str, object]]: ...


class _Form(NamedTuple):
    """What one part looks like: its attributes, and the WHERE of a row that is there."""

    table: Names
    attributes: tuple[str, ...]
    shape: Shape | None = None


def execute(
    connection: BaseDatabaseWrapper, session: Part, device: DevicePart | None, events: EventPart
) -> Found:
    """
    Write them; return the device's key, how many sessions, and the key of each event.

    A new device is written only where the session is; a known one may be alone.
    """
    has_device = device is not None
    session_values = _without_device(session.values, has_device)
    rows = [_without_device(row, has_device) for row in events.rows]
    sql = _compose(
        connection.alias,
        _Form(SESSIONS, tuple(session_values), _shape(session.where)),
        _Form(device.table, tuple(device.values), _shape(device.where)) if device else None,
        _Form(events.table, tuple(rows[0]) if rows else ()),
        len(rows),
    )
    params: Params = []
    if device is not None:
        if _must_lock(session, device):
            params += SESSIONS.params(connection, session.where or {}, but_none=True)
        params += device.table.params(connection, device.values)
        params += device.table.params(connection, device.where or {}, but_none=True)
    params += SESSIONS.params(connection, session_values)
    params += SESSIONS.params(connection, session.where or {}, but_none=True)
    for row in rows:
        params += events.table.params(connection, row)
    return returned(connection, sql, params)[0]


def is_of(table: Table[models.Model], error: IntegrityError) -> bool:
    """Say whether it is a row of that table that a constraint refused."""
    told = getattr(error.__cause__, "diag", None)
    name: str | None = getattr(told, "table_name", None)
    return name == str(table.model._meta.db_table)


def _without_device(values: Mapping[str, object], has_device: bool) -> Mapping[str, object]:
    if not has_device:
        return values
    return {name: value for name, value in values.items() if name != DEVICE_ID}


def _shape(where: Mapping[str, object] | None) -> Shape | None:
    return None if where is None else shape_of(where, None)


def _must_lock(session: Part, device: Part) -> bool:
    """Say whether the session's row comes first, as a new device is not to be left without it."""
    return session.where is not None and device.where is None


@lru_cache(maxsize=64)
def _compose(alias: str, session: _Form, device: _Form | None, events: _Form, count: int) -> str:
    connection = connections[alias]
    parts: list[str] = []
    if device is not None:
        if session.shape is not None and device.shape is None:
            parts.append(f"own AS ({_locked(connection, session, session.shape)})")
        parts.append(f"device AS ({_of_device(connection, device, bool(parts))})")
    has_device = device is not None
    parts.append(f"written AS ({_of_session(connection, session, has_device)})")
    names = [f"event_{number}" for number in range(count)]
    parts += [f"{name} AS ({_of_event(connection, events, has_device)})" for name in names]
    told = [
        "(SELECT id FROM device)" if has_device else "NULL",
        "(SELECT count(*) FROM written)",
        *(f"(SELECT id FROM {name})" for name in names),  # noqa: S608 - names, no values
    ]
    return f"WITH {', '.join(parts)} SELECT {', '.join(told)}"


def _locked(connection: BaseDatabaseWrapper, session: _Form, shape: Shape) -> str:
    verb = f"SELECT 1 FROM {session.table.name(connection)}"  # noqa: S608
    found = statements.changing(verb, session.table, connection, shape, LockWait.BOUNDED)
    # The weaker lock, which no foreign key to the row waits for.
    return f"{found} FOR NO KEY UPDATE"


def _of_device(connection: BaseDatabaseWrapper, device: _Form, is_after_lock: bool) -> str:
    key = f"{connection.ops.quote_name(str(device.table.model._meta.pk.column))} AS id"
    if device.shape is None:
        source = " FROM own" if is_after_lock else ""
        return f"{_insert(connection, device)}{source} RETURNING {key}"
    verb = f"UPDATE {device.table.name(connection)} SET {_setting(connection, device)}"  # noqa: S608
    changed = statements.changing(verb, device.table, connection, device.shape, LockWait.BOUNDED)
    return f"{changed} RETURNING {key}"


def _of_session(connection: BaseDatabaseWrapper, session: _Form, has_device: bool) -> str:
    if session.shape is None:
        more = [(DEVICE_ID, "device.id")] if has_device else []
        source = " FROM device" if has_device else ""
        return f"{_insert(connection, session, more)}{source} RETURNING 1"
    setting = _setting(connection, session)
    verb = f"UPDATE {session.table.name(connection)} SET {setting}"  # noqa: S608
    if has_device:
        verb += f", {session.table.column(connection, DEVICE_ID)} = device.id FROM device"
    wait = LockWait.BOUNDED
    changed = statements.changing(verb, session.table, connection, session.shape, wait)
    return f"{changed} RETURNING 1"


def _of_event(connection: BaseDatabaseWrapper, event: _Form, has_device: bool) -> str:
    more = [(DEVICE_ID, "device.id")] if has_device else []
    source = "written, device" if has_device else "written"
    key = f"{connection.ops.quote_name(str(event.table.model._meta.pk.column))} AS id"
    return f"{_insert(connection, event, more)} FROM {source} RETURNING {key}"


def _insert(
    connection: BaseDatabaseWrapper, form: _Form, more: Sequence[tuple[str, str]] = ()
) -> str:
    names = [*form.attributes, *(name for name, _ in more)]
    columns = ", ".join(form.table.column(connection, name) for name in names)
    values = ", ".join([*["%s"] * len(form.attributes), *(value for _, value in more)])
    return f"INSERT INTO {form.table.name(connection)} ({columns}) SELECT {values}"


def _setting(connection: BaseDatabaseWrapper, form: _Form) -> str:
    return ", ".join(f"{form.table.column(connection, name)} = %s" for name in form.attributes)
