"""The SQL of a table's plain statements: each shape is composed once, and kept."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Any, NamedTuple, Protocol

from django.db import connections, models
from django.db.backends.base.base import BaseDatabaseWrapper

from sessions_plus.named_types import AnyField, Found
from sessions_plus.rows import lock_wait
from sessions_plus.rows.lock_wait import LockWait

# From what a driver gives to what Python has; beside them an expression, which is None here.
Converter = Callable[[Any, None, BaseDatabaseWrapper], Any]


class Names(Protocol):
    """What a statement has to know of a table."""

    def __hash__(self) -> int:
        """A key of what is kept."""

    @property
    def model(self) -> type[models.Model]: ...

    def name(self, connection: BaseDatabaseWrapper) -> str:
        """Return the quoted name of the table."""

    def column(self, connection: BaseDatabaseWrapper, attribute: str) -> str:
        """Return the quoted name of an attribute's column."""

    def field(self, attribute: str) -> AnyField:
        """Return the field that an attribute is of."""


class Shape(NamedTuple):
    """
    What a WHERE looks like: attributes, each with whether it has to be NULL, and SQL.

    ``others`` are attributes whose value has to be another.
    """

    attributes: tuple[tuple[str, bool], ...]
    condition: str | None
    others: tuple[str, ...] = ()


def shape_of(
    where: Mapping[str, object], condition: str | None, other_than: Iterable[str] = ()
) -> Shape:
    attributes = tuple((name, value is None) for name, value in where.items())
    return Shape(attributes, condition, tuple(other_than))


def where_clause(table: Names, connection: BaseDatabaseWrapper, shape: Shape) -> str:
    parts = [
        table.column(connection, name) + (" IS NULL" if is_null else " = %s")
        for name, is_null in shape.attributes
    ]
    parts += [table.column(connection, name) + " <> %s" for name in shape.others]
    return "WHERE " + " AND ".join([*parts, *([shape.condition] if shape.condition else [])])


def changing(
    verb: str, table: Names, connection: BaseDatabaseWrapper, shape: Shape, wait: LockWait
) -> str:
    """Return a statement that does ``verb`` to the rows, waiting so long for locked ones."""
    own = lock_wait.condition(connection, wait)
    if own is not None:
        shape = shape._replace(condition=" AND ".join(filter(None, (shape.condition, own))))
    where = where_clause(table, connection, shape)
    if lock_wait.skips(connection, wait):
        where = _unlocked(table, connection, where)
    return lock_wait.prefix(connection, wait) + f"{verb} {where}"


def _unlocked(table: Names, connection: BaseDatabaseWrapper, where: str) -> str:
    """Return a WHERE for the row that one holds for, unless somebody has locked it."""
    key = connection.ops.quote_name(str(table.model._meta.pk.column))
    # On PostgreSQL a weaker lock does, which no foreign key to the row waits for.
    lock = "FOR NO KEY UPDATE" if connection.features.has_select_for_no_key_update else "FOR UPDATE"
    found = f"SELECT {key} FROM {table.name(connection)} {where} {lock} SKIP LOCKED"  # noqa: S608
    if connection.vendor == "mysql":
        found = f"SELECT {key} FROM ({found}) AS unlocked"  # noqa: S608 - it reads no table twice
    return f"WHERE {key} = ({found})"


@lru_cache(maxsize=64)
def columns_of(table: Names, alias: str, vendor: str, attributes: tuple[str, ...]) -> str:
    connection = connections[alias]
    return ", ".join(table.column(connection, name) for name in attributes)


Converters = tuple[tuple[int, tuple[Converter, ...]], ...]
"""What makes Python values of which columns."""


@lru_cache(maxsize=64)
def converters_of(table: Names, alias: str, vendor: str, attributes: tuple[str, ...]) -> Converters:
    connection = connections[alias]
    converters = []
    for position, attribute in enumerate(attributes):
        expression = table.field(attribute).get_col(table.model._meta.db_table)
        # The expression's own: a foreign key's values are converted as its target's are.
        found = connection.ops.get_db_converters(expression) + list(
            expression.get_db_converters(connection)
        )
        if found:
            converters.append((position, tuple(found)))
    return tuple(converters)


@lru_cache(maxsize=64)
def compose_select(
    table: Names, alias: str, vendor: str, attributes: tuple[str, ...], shape: Shape
) -> str:
    connection = connections[alias]
    columns = columns_of(table, alias, vendor, attributes)
    where = where_clause(table, connection, shape)
    return f"SELECT {columns} FROM {table.name(connection)} {where}"  # noqa: S608 - names


@lru_cache(maxsize=256)
def compose_update(
    table: Names,
    alias: str,
    vendor: str,
    changed: tuple[str, ...],
    shape: Shape,
    wait: LockWait = LockWait.AS_SET,
) -> str:
    connection = connections[alias]
    setting = ", ".join(f"{table.column(connection, name)} = %s" for name in changed)
    verb = f"UPDATE {table.name(connection)} SET {setting}"  # noqa: S608
    return changing(verb, table, connection, shape, wait)


@lru_cache(maxsize=32)
def compose_insert(table: Names, alias: str, vendor: str, attributes: tuple[str, ...]) -> str:
    return insert_of(table, connections[alias], attributes, 1)


def insert_of(
    table: Names, connection: BaseDatabaseWrapper, attributes: tuple[str, ...], count: int
) -> str:
    """Return an INSERT of ``count`` rows. It returns their keys where the database can."""
    columns = ", ".join(table.column(connection, name) for name in attributes)
    marks = ", ".join(["%s"] * len(attributes))
    values = ", ".join([f"({marks})"] * count)
    sql = f"INSERT INTO {table.name(connection)} ({columns}) VALUES {values}"  # noqa: S608
    if connection.features.can_return_columns_from_insert:
        sql += f" RETURNING {connection.ops.quote_name(str(table.model._meta.pk.column))}"
    return sql


@lru_cache(maxsize=16)
def compose_delete(
    table: Names, alias: str, vendor: str, shape: Shape, wait: LockWait = LockWait.AS_SET
) -> str:
    connection = connections[alias]
    verb = f"DELETE FROM {table.name(connection)}"  # noqa: S608
    return changing(verb, table, connection, shape, wait)


def converted(row: Found, converters: Converters, connection: BaseDatabaseWrapper) -> Found:
    values = list(row)
    for position, functions in converters:
        for convert in functions:
            values[position] = convert(values[position], None, connection)
    return values
