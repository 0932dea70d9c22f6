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

from sessions_plus.named_types import Params
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


class Written(NamedTuple):
    """The device's key, whether the session was written, and the key of each event."""

    device_id: int | None
    has_session: bool
    event_ids: Sequence[int]


class _Form(NamedTuple):
    """
    What one part looks like: its attributes, and the WHERE of a row that is there.

    ``values`` are SQL: a parameter's place, or what most rows have there. A new row has many of
    these, and psycopg reads a statement anew each time that has more than fifty parameters.
    """

    table: Names
    attributes: tuple[str, ...]
    values: tuple[str, ...]
    shape: Shape | None = None


class _LaidOut(NamedTuple):
    """A part as it is written, and the values that the statement is given for it."""

    form: _Form
    values: Mapping[str, object]


def _lay_out(
    table: Names, values: Mapping[str, object], where: Mapping[str, object] | None = None
) -> _LaidOut:
    """See ``_Form``. What is given is what is not already in the SQL."""
    in_sql: list[str] = []
    given: dict[str, object] = {}
    for name, value in values.items():
        if value is None:
            in_sql.append("NULL")
        elif value is True or value is False:
            in_sql.append("true" if value else "false")
        elif isinstance(value, str) and not value:
            in_sql.append("''")
        else:
            in_sql.append("%s")
            given[name] = value
    shape = None if where is None else shape_of(where, None)
    return _LaidOut(_Form(table, tuple(values), tuple(in_sql), shape), given)


def execute(
    connection: BaseDatabaseWrapper, session: Part, device: DevicePart | None, events: EventPart
) -> Written:
    """
    Write them; return what was written.

    A new device is written only where the session is; a known one may be alone.
    """
    has_device = device is not None
    own = _lay_out(SESSIONS, _without_device(session.values, has_device), session.where)
    used = _lay_out(device.table, device.values, device.where) if device is not None else None
    told = [_lay_out(events.table, _without_device(row, has_device)) for row in events.rows]
    sql = _compose(
        connection.alias, own.form, used and used.form, tuple(event.form for event in told)
    )
    params: Params = []
    if device is not None and used is not None:
        if _must_lock(session, device):
            params += SESSIONS.params(connection, session.where or {}, but_none=True)
        params += device.table.params(connection, used.values)
        params += device.table.params(connection, device.where or {}, but_none=True)
    params += SESSIONS.params(connection, own.values)
    params += SESSIONS.params(connection, session.where or {}, but_none=True)
    for event in told:
        params += events.table.params(connection, event.values)
    device_id, *others = returned(connection, sql, params)[0]
    if session.where is not None:
        return Written(device_id, bool(others[0]), others[1:])
    # A new session is wherever its device is, and need not be asked for.
    return Written(device_id, device is None or device_id is not None, others)


def is_of(table: Table[models.Model], error: IntegrityError) -> bool:
    """Say whether it is a row of that table that a constraint refused."""
    told = getattr(error.__cause__, "diag", None)
    name: str | None = getattr(told, "table_name", None)
    return name == str(table.model._meta.db_table)


def _without_device(values: Mapping[str, object], has_device: bool) -> Mapping[str, object]:
    if not has_device:
        return values
    return {name: value for name, value in values.items() if name != DEVICE_ID}


def _must_lock(session: Part, device: Part) -> bool:
    """Say whether the session's row comes first, as a new device is not to be left without it."""
    return session.where is not None and device.where is None


@lru_cache(maxsize=256)
def _compose(alias: str, session: _Form, device: _Form | None, events: tuple[_Form, ...]) -> str:
    connection = connections[alias]
    parts: list[str] = []
    if device is not None:
        if session.shape is not None and device.shape is None:
            parts.append(f"own AS ({_locked(connection, session, session.shape)})")
        parts.append(f"device AS ({_of_device(connection, device, bool(parts))})")
    has_device = device is not None
    parts.append(f"written AS ({_of_session(connection, session, has_device)})")
    # What the events rest on. A new session is wherever its device is: to look for both would
    # be planned as a join for each event.
    sources = ["written"] if session.shape is not None else []
    if has_device:
        sources.append("device")
    names = [f"event_{number}" for number in range(len(events))]
    parts += [
        f"{name} AS ({_of_event(connection, event, sources)})"
        for name, event in zip(names, events, strict=True)
    ]
    told = [
        "(SELECT id FROM device)" if has_device else "NULL",
        *(["(SELECT count(*) FROM written)"] if session.shape is not None else []),
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
        return f"{_insert(connection, session, more)}{source}"
    setting = _setting(connection, session)
    verb = f"UPDATE {session.table.name(connection)} SET {setting}"  # noqa: S608
    if has_device:
        verb += f", {session.table.column(connection, DEVICE_ID)} = device.id FROM device"
    wait = LockWait.BOUNDED
    changed = statements.changing(verb, session.table, connection, session.shape, wait)
    return f"{changed} RETURNING 1"


def _of_event(connection: BaseDatabaseWrapper, event: _Form, sources: Sequence[str]) -> str:
    more = [(DEVICE_ID, "device.id")] if "device" in sources else []
    source = f" FROM {', '.join(sources)}" if sources else ""
    key = f"{connection.ops.quote_name(str(event.table.model._meta.pk.column))} AS id"
    return f"{_insert(connection, event, more)}{source} RETURNING {key}"


def _insert(
    connection: BaseDatabaseWrapper, form: _Form, more: Sequence[tuple[str, str]] = ()
) -> str:
    names = [*form.attributes, *(name for name, _ in more)]
    columns = ", ".join(form.table.column(connection, name) for name in names)
    values = ", ".join([*form.values, *(value for _, value in more)])
    return f"INSERT INTO {form.table.name(connection)} ({columns}) SELECT {values}"


def _setting(connection: BaseDatabaseWrapper, form: _Form) -> str:
    return ", ".join(
        f"{form.table.column(connection, name)} = {value}"
        for name, value in zip(form.attributes, form.values, strict=True)
    )
