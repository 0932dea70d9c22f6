"""
Plain statements on one model's table, for what stands on the path of a request.

The SQL of each shape of statement is composed once and kept; values go through the
model's own fields, so every database gets what it expects. An ORM query of the same
row costs several times as much.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from functools import partial
from types import MappingProxyType
from typing import Generic, TypeVar

from django.db import connections, models, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.utils import CursorWrapper
from django.db.utils import DatabaseError

from sessions_plus.models.text import FittedCharField
from sessions_plus.named_types import AnyField, Found, Params
from sessions_plus.rows import statements
from sessions_plus.rows.kept_cursor import give_back, take_cursor
from sessions_plus.rows.lock_wait import LockWait, in_sql, waiting
from sessions_plus.rows.statements import shape_of
from sessions_plus.rows.write_faults import Fault, fault_of

M_co = TypeVar("M_co", bound=models.Model, covariant=True)
T = TypeVar("T")

# At REPEATABLE READ and SERIALIZABLE, a statement that meets another's change fails.
CONFLICT_ATTEMPTS = 3

NOTHING: Mapping[str, object] = MappingProxyType({})

Prepare = Callable[[object, BaseDatabaseWrapper], object]


# Fields of which every database takes the Python values that we write.
TAKEN_AS_THEY_ARE = (
    models.CharField,
    models.BooleanField,
    models.PositiveIntegerField,
    models.PositiveBigIntegerField,
)


def _as_it_is(value: object, connection: BaseDatabaseWrapper) -> object:
    return value


def _prepare_of(field: AnyField) -> Prepare:
    if isinstance(field, FittedCharField):
        return field.fit
    if type(field) is models.DateTimeField:
        # What we write is a moment as the site has them: there is no text to read first.
        return partial(field.get_db_prep_value, prepared=True)
    return _as_it_is if type(field) in TAKEN_AS_THEY_ARE else field.get_db_prep_save


class Table(Generic[M_co]):
    """
    The table of ``model``. Columns are named as the attributes: ``user_id``, not ``user``.

    A condition ``where`` is a mapping of attributes to values that all have to be equal;
    None stands for NULL. ``condition`` is SQL without parameters that has to hold, too. No
    signal is sent, and nothing cascades.
    """

    def __init__(self, model: type[M_co]) -> None:
        self.model = model
        self._attributes = tuple(field.attname for field in model._meta.concrete_fields)
        self._prepares: dict[str, Prepare] = {}

    def find(
        self,
        alias: str,
        attributes: tuple[str, ...],
        where: Mapping[str, object],
        *,
        condition: str | None = None,
        other_than: Mapping[str, object] = NOTHING,
    ) -> list[Found]:
        """
        Return these attributes of every row that ``where`` holds for, in no order.

        Not of one with a value of ``other_than``.
        """
        connection = connections[alias]
        shape = shape_of(where, condition, other_than)
        sql = statements.compose_select(self, alias, connection.vendor, attributes, shape)
        params = self.params(connection, where, but_none=True)
        params += self.params(connection, other_than)

        found = fetched(connection, sql, params)
        return self._python_values(connection, attributes, found)

    def find_instances(
        self,
        alias: str,
        where: Mapping[str, object],
        *,
        condition: str | None = None,
        other_than: Mapping[str, object] = NOTHING,
    ) -> list[M_co]:
        """Return them as model instances. See find()."""
        found = self.find(
            alias, self._attributes, where, condition=condition, other_than=other_than
        )
        return [self.model.from_db(alias, self._attributes, values) for values in found]

    def insert(self, alias: str, values: Mapping[str, object]) -> int:
        """
        Store a new row, and return its primary key. One statement, no savepoint.

        Raises:
            IntegrityError: a constraint refuses it.
        """
        connection = connections[alias]
        sql = statements.compose_insert(self, alias, connection.vendor, tuple(values))
        params = self.params(connection, values)

        def write() -> int:
            with _writing(connection, sql, params) as cursor:
                if connection.features.can_return_columns_from_insert:
                    made: int = cursor.fetchone()[0]
                    return made
                key, name = self.model._meta.pk, self.model._meta.db_table
                return connection.ops.last_insert_id(cursor, name, str(key.column))

        return retried(connection, write)

    def insert_many(self, alias: str, rows: Sequence[Mapping[str, object]]) -> list[int]:
        """
        Store new rows of the same attributes, and return their primary keys in order.

        One statement for as many as the database takes parameters for. See insert().
        """
        connection = connections[alias]
        if len(rows) < 2 or not connection.features.can_return_rows_from_bulk_insert:
            return [self.insert(alias, values) for values in rows]
        attributes = tuple(rows[0])
        fields = [self.field(name) for name in attributes]
        at_once = connection.ops.bulk_batch_size(fields, rows)
        keys: list[int] = []
        for start in range(0, len(rows), at_once):
            part = rows[start : start + at_once]
            sql = statements.insert_of(self, connection, attributes, len(part))
            params = [value for values in part for value in self.params(connection, values)]
            keys += [key for (key,) in returned(connection, sql, params)]
        return keys

    def update(
        self,
        alias: str,
        values: Mapping[str, object],
        where: Mapping[str, object],
        *,
        condition: str | None = None,
        wait: LockWait = LockWait.AS_SET,
    ) -> int:
        """
        Change every row that ``where`` holds for; return how many.

        One statement. This is what makes every write safe: nothing is read first, so
        nothing can come between. With ``LockWait.NONE`` it is for one row.
        """
        sql, params = self._update(alias, values, where, condition, wait)
        return _count_changed(connections[alias], sql, params, wait)

    def _update(
        self,
        alias: str,
        values: Mapping[str, object],
        where: Mapping[str, object],
        condition: str | None,
        wait: LockWait = LockWait.AS_SET,
    ) -> tuple[str, Params]:
        connection = connections[alias]
        shape, wait = shape_of(where, condition), in_sql(connection, wait)
        sql = statements.compose_update(self, alias, connection.vendor, tuple(values), shape, wait)
        params = self.params(connection, values)
        return sql, params + self.params(connection, where, but_none=True)

    def delete(
        self, alias: str, where: Mapping[str, object], *, wait: LockWait = LockWait.AS_SET
    ) -> int:
        """Remove every row that ``where`` holds for; return how many. See update()."""
        connection = connections[alias]
        shape, as_composed = shape_of(where, None), in_sql(connection, wait)
        sql = statements.compose_delete(self, alias, connection.vendor, shape, as_composed)
        params = self.params(connection, where, but_none=True)
        return _count_changed(connection, sql, params, wait)

    def field(self, attribute: str) -> AnyField:
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

    def _python_values(
        self, connection: BaseDatabaseWrapper, attributes: tuple[str, ...], found: list[Found]
    ) -> list[Found]:
        converters = statements.converters_of(self, connection.alias, connection.vendor, attributes)
        if not converters:
            return found
        return [statements.converted(row, converters, connection) for row in found]

    def params(
        self,
        connection: BaseDatabaseWrapper,
        values: Mapping[str, object],
        *,
        but_none: bool = False,
    ) -> Params:
        """Return what to execute a statement with, as the database takes it."""
        return [
            self._prepare(name)(value, connection)
            for name, value in values.items()
            if value is not None or not but_none
        ]

    def _prepare(self, attribute: str) -> Prepare:
        found = self._prepares.get(attribute)
        if found is None:
            field = self.field(attribute)
            found = _prepare_of(field)
            self._prepares[attribute] = found
        return found


def _count_changed(
    connection: BaseDatabaseWrapper, sql: str, params: Params, wait: LockWait
) -> int:
    """Execute a statement that changes rows; return how many, none where it would not wait."""

    def write() -> int:
        writing = _writing(connection, sql, params, wait, on_kept_cursor=True)
        with waiting(connection, wait), writing as cursor:
            return int(cursor.rowcount)

    try:
        return retried(connection, write)
    except DatabaseError as error:
        if wait is LockWait.NONE and fault_of(error) is Fault.LOCKED:
            return 0
        raise


def fetched(connection: BaseDatabaseWrapper, sql: str, params: Params) -> list[Found]:
    """
    Execute a statement that reads; return what it found, as the database has it.

    Of types that come from a kept cursor as from Django's: no JSON.
    """

    def read() -> list[Found]:
        kept = take_cursor(connection)
        if kept is not None:
            kept.execute(sql, params)
            rows: list[Found] = kept.fetchall()
            give_back(connection, kept)
            return rows
        with connection.cursor() as cursor:
            cursor.execute(sql, params)
            found: list[Found] = cursor.fetchall()
            return found

    return retried(connection, read)


def returned(connection: BaseDatabaseWrapper, sql: str, params: Params) -> list[Found]:
    """Execute a statement that writes; return the rows that it tells of."""

    def write() -> list[Found]:
        with _writing(connection, sql, params) as cursor:
            found: list[Found] = cursor.fetchall()
            return found

    return retried(connection, write)


def retried(connection: BaseDatabaseWrapper, act: Callable[[], T]) -> T:
    """
    Return what one statement, or one short transaction, does; tried again where another won.

    It did nothing then; and as it is conditional, trying again says how things are now. In
    somebody's transaction all of that has to be tried again, by them.
    """
    for _ in range(CONFLICT_ATTEMPTS - 1):
        try:
            return act()
        except DatabaseError as error:
            if connection.in_atomic_block or fault_of(error) is not Fault.CONFLICT:
                raise
    return act()


@contextmanager
def _writing(
    connection: BaseDatabaseWrapper,
    sql: str,
    params: Params,
    wait: LockWait = LockWait.AS_SET,
    *,
    on_kept_cursor: bool = False,
) -> Iterator[CursorWrapper]:
    """Execute a statement that writes; a transaction around it knows if it failed."""
    # Not where a row is only left alone: but for PostgreSQL, which says so without an error,
    # databases take back the statement and nothing else.
    is_to_tell = wait is not LockWait.NONE or connection.vendor == "postgresql"
    guard = transaction.mark_for_rollback_on_error(using=connection.alias)
    with guard if is_to_tell and connection.in_atomic_block else nullcontext():
        kept = take_cursor(connection) if on_kept_cursor else None
        with connection.cursor() if kept is None else nullcontext(kept) as cursor:
            cursor.execute(sql, params)
            yield cursor
    if kept is not None:
        give_back(connection, kept)
