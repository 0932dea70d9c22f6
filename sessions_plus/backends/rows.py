"""
The session's row, read and written without a model instance.

The SQL of each shape of statement is composed once and kept; values go through the
model's own fields, so every database gets what it expects. An ORM ``.get()`` of the
same row costs several times as much, and this stands on every request's path.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from functools import lru_cache
from typing import Any
from uuid import UUID

from django.db import connections, router, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Field

from sessions_plus.backends.user_state import living_user, why_gone
from sessions_plus.models.session import Session


@dataclass(slots=True, repr=False)
class Row:
    """
    One row's facts, named as the model's columns; ``payload`` is the opened ``data``.

    ``payload`` is None until ``data`` was opened.
    """

    public_id: UUID
    kind: str
    user_id: Any
    device_id: int | None
    key_hash: str
    previous_key_hash: str
    rotated_at: datetime | None
    sealed_successor: bytes | None
    successor_seen: bool
    successor_told_at: datetime | None
    data: bytes
    version: int
    created_at: datetime
    authenticated_at: datetime | None
    reauthenticated_at: datetime | None
    auth_methods: str
    reauth_methods: str
    client_changed_at: datetime | None
    must_reauthenticate: bool
    last_activity: datetime
    expire_date: datetime
    ip_address: str | None
    user_agent: str
    browser: str
    system: str
    revoked_at: datetime | None
    payload: bytes | None = None

    @property
    def started_at(self) -> datetime:
        """Where the absolute lifetime is counted from."""
        return self.authenticated_at or self.created_at

    @classmethod
    def of(cls, values: Mapping[str, Any], *, payload: bytes) -> Row:
        """Return the row that an INSERT of ``values`` made."""
        return cls(**{name: values[name] for name in ATTRIBUTES}, payload=payload)

    def take(self, changes: Mapping[str, Any]) -> None:
        """Write to this copy what was written to the row."""
        for name in changes.keys() & _KNOWN:
            setattr(self, name, changes[name])

    def facts(self) -> dict[str, Any]:
        """Every column known here, by name."""
        return {name: getattr(self, name) for name in ATTRIBUTES}


ATTRIBUTES = tuple(field.name for field in fields(Row) if field.name != "payload")
_KNOWN = frozenset(ATTRIBUTES)

Converter = Callable[[Any, Any, BaseDatabaseWrapper], Any]


def database() -> str:
    """
    The alias that holds the sessions: always the one that is written to.

    A replica may lag, and would sign people out or let a revoked session in.
    """
    return router.db_for_write(Session)


def in_transaction() -> bool:
    """Say whether what is written now waits for somebody's commit."""
    return connections[database()].in_atomic_block


def _field(attribute: str) -> Field[Any, Any]:
    name = attribute.removesuffix("_id") if attribute != "public_id" else attribute
    return Session._meta.get_field(name)  # type: ignore[return-value]  # none is a relation's far side


def _columns(connection: BaseDatabaseWrapper, attributes: tuple[str, ...]) -> list[str]:
    return [connection.ops.quote_name(str(_field(name).column)) for name in attributes]


@lru_cache(maxsize=64)
def _select(alias: str, vendor: str) -> tuple[str, tuple[tuple[int, tuple[Converter, ...]], ...]]:
    connection = connections[alias]
    quote = connection.ops.quote_name
    sql = (
        f"SELECT {', '.join(_columns(connection, ATTRIBUTES))} "  # noqa: S608 - names, no values
        f"FROM {quote(Session._meta.db_table)} WHERE {quote('public_id')} = %s"
    )
    converters = []
    for position, attribute in enumerate(ATTRIBUTES):
        field = _field(attribute)
        expression = field.get_col(Session._meta.db_table)
        # The expression's own: a foreign key's values are converted as its target's are.
        found = connection.ops.get_db_converters(expression) + list(
            expression.get_db_converters(connection)
        )
        if found:
            converters.append((position, tuple(found)))
    return sql, tuple(converters)


@lru_cache(maxsize=256)
def _update(alias: str, vendor: str, changed: tuple[str, ...], guards: tuple[str, ...]) -> str:
    connection = connections[alias]
    table = connection.ops.quote_name(Session._meta.db_table)
    setting = ", ".join(f"{column} = %s" for column in _columns(connection, changed))
    where = " AND ".join(f"{column} = %s" for column in _columns(connection, guards))
    alive = f"{connection.ops.quote_name('revoked_at')} IS NULL"
    return f"UPDATE {table} SET {setting} WHERE {where} AND {alive}"  # noqa: S608


@lru_cache(maxsize=16)
def _insert(alias: str, vendor: str, attributes: tuple[str, ...]) -> str:
    connection = connections[alias]
    table = connection.ops.quote_name(Session._meta.db_table)
    columns = ", ".join(_columns(connection, attributes))
    marks = ", ".join(["%s"] * len(attributes))
    return f"INSERT INTO {table} ({columns}) VALUES ({marks})"  # noqa: S608


@lru_cache(maxsize=64)
def _prepared_field(attribute: str) -> Field[Any, Any]:
    return _field(attribute)


def _values(connection: BaseDatabaseWrapper, values: Mapping[str, Any]) -> list[Any]:
    return [
        _prepared_field(name).get_db_prep_save(value, connection) for name, value in values.items()
    ]


def fetch(public_id: UUID) -> Row | None:
    """Return the row of that name, ended or not, or None. One statement."""
    alias = database()
    connection = connections[alias]
    sql, converters = _select(alias, connection.vendor)
    with connection.cursor() as cursor:
        cursor.execute(sql, _values(connection, {"public_id": public_id}))
        found = cursor.fetchone()
    if found is None:
        return None
    values = list(found)
    for position, functions in converters:
        for convert in functions:
            values[position] = convert(values[position], None, connection)
    return Row(*values)


def insert(values: Mapping[str, Any]) -> None:
    """
    Store a new row. One statement, no savepoint.

    Raises:
        IntegrityError: the public id exists already.
    """
    alias = database()
    connection = connections[alias]
    sql = _insert(alias, connection.vendor, tuple(values))
    with transaction.mark_for_rollback_on_error(using=alias), connection.cursor() as cursor:
        cursor.execute(sql, _values(connection, values))


def update(public_id: UUID, values: Mapping[str, Any], **guards: Any) -> bool:
    """
    Change a row that has not ended, if it still has the values in ``guards``.

    One statement; return whether the row was there to change. This is what makes
    every write safe: nothing is read first, so nothing can come between.
    """
    alias = database()
    connection = connections[alias]
    guards["public_id"] = public_id
    sql = _update(alias, connection.vendor, tuple(values), tuple(guards))
    params = _values(connection, values) + _values(connection, guards)
    with transaction.mark_for_rollback_on_error(using=alias), connection.cursor() as cursor:
        cursor.execute(sql, params)
        return bool(cursor.rowcount)


def touch(row: Row, values: Mapping[str, Any], **guards: Any) -> bool:
    """
    Change a row that lives: it has not ended, its key is the one that was read, and its
    user, if it has one, may still sign in. See update().

    One statement, and one more where the users are in another database.
    """
    alias = database()
    connection = connections[alias]
    condition = living_user(alias)
    if condition is None and row.user_id is not None and why_gone(row.user_id):
        return False
    guards |= {"key_hash": row.key_hash, "public_id": row.public_id}
    sql = _update(alias, connection.vendor, tuple(values), tuple(guards))
    sql += f" AND {condition}" if condition else ""
    params = _values(connection, values) + _values(connection, guards)
    with transaction.mark_for_rollback_on_error(using=alias), connection.cursor() as cursor:
        cursor.execute(sql, params)
        return bool(cursor.rowcount)


def remove(public_id: UUID, **guards: Any) -> bool:
    """
    Delete a row that nobody is signed in to, if it still has the values in ``guards``.

    Return whether there was one.
    """
    alias = database()
    connection = connections[alias]
    quote = connection.ops.quote_name
    guards["public_id"] = public_id
    where = " AND ".join(f"{column} = %s" for column in _columns(connection, tuple(guards)))
    sql = (
        f"DELETE FROM {quote(Session._meta.db_table)} "  # noqa: S608
        f"WHERE {where} AND {quote('user_id')} IS NULL"
    )
    with transaction.mark_for_rollback_on_error(using=alias), connection.cursor() as cursor:
        cursor.execute(sql, _values(connection, guards))
        return bool(cursor.rowcount)


def end(
    public_id: UUID, *, reason: str, now: datetime, actor_id: Any = None, **guards: Any
) -> bool:
    """
    End a session for good and wipe its data. Return False if it had ended already.

    The single statement through which every session ends.
    """
    return update(
        public_id,
        {
            "revoked_at": now,
            "revoked_reason": reason,
            "revoked_by_id": actor_id,
            "data": b"",
            "sealed_successor": None,
        },
        **guards,
    )
