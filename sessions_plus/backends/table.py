"""
Plain statements on one model's table, for what stands on the path of a request.

The SQL of each shape of statement is composed once and kept; values go through the
model's own fields, so every database gets what it expects. An ORM query of the same
row costs several times as much.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Generic, NamedTuple, TypeVar

from django.db import connections, models, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

M = TypeVar("M", bound=models.Model)

Converter = Callable[[Any, Any, BaseDatabaseWrapper], Any]
Prepare = Callable[[Any, BaseDatabaseWrapper], Any]


class _Select(NamedTuple):
    """A SELECT, and what makes Python values of which columns."""

    sql: str
    converters: tuple[tuple[int, tuple[Converter, ...]], ...]


class Table(Generic[M]):
    """
    The table of ``model``. Columns are named as the attributes: ``user_id``, not ``user``.

    A condition ``where`` is a mapping of attributes to values that all have to be equal;
    None stands for NULL. No signal is sent, and nothing cascades.
    """

    def __init__(self, model: type[M]) -> None:
        self.model = model
        self._attributes = tuple(field.attname for field in model._meta.concrete_fields)
        self._prepares: dict[str, Prepare] = {}

    def find(
        self, alias: str, attributes: tuple[str, ...], where: Mapping[str, Any]
    ) -> list[Sequence[Any]]:
        """Return these attributes of every row that ``where`` holds for, in no order."""
        connection = connections[alias]
        sql, converters = _compose_select(self, alias, connection.vendor, attributes, _shape(where))
        with connection.cursor() as cursor:
            cursor.execute(sql, self._values(connection, where, but_none=True))
            found: list[Any] = cursor.fetchall()
        if not converters:
            return found
        return [_converted(row, converters, connection) for row in found]

    def find_instances(self, alias: str, where: Mapping[str, Any]) -> list[M]:
        """Return every row that ``where`` holds for, as model instances, in no order."""
        found = self.find(alias, self._attributes, where)
        return [self.model.from_db(alias, self._attributes, values) for values in found]

    def insert(self, alias: str, values: Mapping[str, Any]) -> Any:
        """
        Store a new row, and return its primary key. One statement, no savepoint.

        Raises:
            IntegrityError: a constraint refuses it.
        """
        connection = connections[alias]
        sql = _compose_insert(self, alias, connection.vendor, tuple(values))
        with transaction.mark_for_rollback_on_error(using=alias), connection.cursor() as cursor:
            cursor.execute(sql, self._values(connection, values))
            if connection.features.can_return_columns_from_insert:
                return cursor.fetchone()[0]
            key = self.model._meta.pk
            return connection.ops.last_insert_id(cursor, self.model._meta.db_table, str(key.column))

    def update(
        self,
        alias: str,
        values: Mapping[str, Any],
        where: Mapping[str, Any],
        *,
        condition: str | None = None,
    ) -> int:
        """
        Change every row that ``where`` and the SQL ``condition`` hold for; return how many.

        One statement. This is what makes every write safe: nothing is read first, so
        nothing can come between.
        """
        connection = connections[alias]
        sql = _compose_update(self, alias, connection.vendor, tuple(values), _shape(where))
        if condition:
            sql += f" AND {condition}"
        params = self._values(connection, values)
        params += self._values(connection, where, but_none=True)
        with transaction.mark_for_rollback_on_error(using=alias), connection.cursor() as cursor:
            cursor.execute(sql, params)
            return int(cursor.rowcount)

    def delete(self, alias: str, where: Mapping[str, Any]) -> int:
        """Remove every row that ``where`` holds for; return how many."""
        connection = connections[alias]
        sql = _compose_delete(self, alias, connection.vendor, _shape(where))
        with transaction.mark_for_rollback_on_error(using=alias), connection.cursor() as cursor:
            cursor.execute(sql, self._values(connection, where, but_none=True))
            return int(cursor.rowcount)

    def field(self, attribute: str) -> models.Field[Any, Any]:
        """Return the field that an attribute is of."""
        for field in self.model._meta.concrete_fields:
            if field.attname == attribute:
                return field
        raise LookupError(f"{self.model.__name__} has no attribute {attribute!r}")

    def column(self, connection: BaseDatabaseWrapper, attribute: str) -> str:
        """Return the quoted name of an attribute's column."""
        return connection.ops.quote_name(str(self.field(attribute).column))

    def name(self, connection: BaseDatabaseWrapper) -> str:
        """Return the quoted name of the table."""
        return connection.ops.quote_name(self.model._meta.db_table)

    def _values(
        self, connection: BaseDatabaseWrapper, values: Mapping[str, Any], *, but_none: bool = False
    ) -> list[Any]:
        return [
            self._prepare(name)(value, connection)
            for name, value in values.items()
            if value is not None or not but_none
        ]

    def _prepare(self, attribute: str) -> Prepare:
        found = self._prepares.get(attribute)
        if found is None:
            found = self._prepares[attribute] = self.field(attribute).get_db_prep_save
        return found


Shape = tuple[tuple[str, bool], ...]
"""The attributes of a condition, each with whether it has to be NULL."""


def _shape(where: Mapping[str, Any]) -> Shape:
    return tuple((name, value is None) for name, value in where.items())


def _condition(table: Table[Any], connection: BaseDatabaseWrapper, shape: Shape) -> str:
    return " AND ".join(
        table.column(connection, name) + (" IS NULL" if is_null else " = %s")
        for name, is_null in shape
    )


@lru_cache(maxsize=64)
def _compose_select(
    table: Table[Any], alias: str, vendor: str, attributes: tuple[str, ...], shape: Shape
) -> _Select:
    connection = connections[alias]
    columns = ", ".join(table.column(connection, name) for name in attributes)
    sql = f"SELECT {columns} FROM {table.name(connection)}"  # noqa: S608 - names, no values
    converters = []
    for position, attribute in enumerate(attributes):
        expression = table.field(attribute).get_col(table.model._meta.db_table)
        # The expression's own: a foreign key's values are converted as its target's are.
        found = connection.ops.get_db_converters(expression) + list(
            expression.get_db_converters(connection)
        )
        if found:
            converters.append((position, tuple(found)))
    return _Select(f"{sql} WHERE {_condition(table, connection, shape)}", tuple(converters))


@lru_cache(maxsize=256)
def _compose_update(
    table: Table[Any], alias: str, vendor: str, changed: tuple[str, ...], shape: Shape
) -> str:
    connection = connections[alias]
    setting = ", ".join(f"{table.column(connection, name)} = %s" for name in changed)
    where = _condition(table, connection, shape)
    return f"UPDATE {table.name(connection)} SET {setting} WHERE {where}"  # noqa: S608


@lru_cache(maxsize=32)
def _compose_insert(table: Table[Any], alias: str, vendor: str, attributes: tuple[str, ...]) -> str:
    connection = connections[alias]
    columns = ", ".join(table.column(connection, name) for name in attributes)
    marks = ", ".join(["%s"] * len(attributes))
    sql = f"INSERT INTO {table.name(connection)} ({columns}) VALUES ({marks})"  # noqa: S608
    if connection.features.can_return_columns_from_insert:
        sql += f" RETURNING {connection.ops.quote_name(str(table.model._meta.pk.column))}"
    return sql


@lru_cache(maxsize=16)
def _compose_delete(table: Table[Any], alias: str, vendor: str, shape: Shape) -> str:
    connection = connections[alias]
    where = _condition(table, connection, shape)
    return f"DELETE FROM {table.name(connection)} WHERE {where}"  # noqa: S608


def _converted(
    row: Sequence[Any],
    converters: tuple[tuple[int, tuple[Converter, ...]], ...],
    connection: BaseDatabaseWrapper,
) -> list[Any]:
    values = list(row)
    for position, functions in converters:
        for convert in functions:
            values[position] = convert(values[position], None, connection)
    return values
