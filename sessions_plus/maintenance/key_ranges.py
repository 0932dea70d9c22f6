"""Ways through a table, one range after the other: along its keys, or along its pages."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, Self

from django.db import connections, models
from django.db.models import BooleanField
from django.db.models.expressions import RawSQL

from sessions_plus.rows.prepared import Blank

KEYS, MOST_KEYS = 2_000, 10_000
"""How many keys the first range has, and the widest."""
PAGES, MOST_PAGES = 64, 512
"""The same in pages of 8 KB, which hold about 15 sessions each."""


class Path(Protocol):
    """
    Positions of rows, from ``first`` to ``last``, in ranges of ``width`` to ``widest``.

    What is stored later than the path was begun may lie outside.
    """

    @property
    def first(self) -> int: ...

    @property
    def last(self) -> int: ...

    @property
    def width(self) -> int: ...

    @property
    def widest(self) -> int: ...

    def within(
        self, rows: models.QuerySet[models.Model], lower: int, upper: int
    ) -> models.QuerySet[models.Model]:
        """Return those rows whose position is in the range, both ends included."""

    def after(self, upper: int) -> int | None:
        """Return where to go on behind a range; None: nowhere."""


@dataclass(frozen=True)
class KeyPath:
    """Along the primary key, on any database."""

    first: int
    last: int
    keys: models.QuerySet[models.Model, int]

    @classmethod
    def through(cls, table: models.QuerySet[models.Model]) -> Self | None:
        """Return the way through the table; None where it is empty."""
        keys = table.order_by("pk").values_list("pk", flat=True)
        first, last = keys.first(), keys.last()
        return None if first is None or last is None else cls(first, last, keys)

    @property
    def width(self) -> int:
        return KEYS

    @property
    def widest(self) -> int:
        return MOST_KEYS

    def within(
        self, rows: models.QuerySet[models.Model], lower: int, upper: int
    ) -> models.QuerySet[models.Model]:
        return rows.filter(pk__gte=lower, pk__lte=upper)

    def after(self, upper: int) -> int | None:
        return self.keys.filter(pk__gt=upper).first()


@dataclass(frozen=True)
class PagePath:
    """
    Along the table's pages, as PostgreSQL (14 or later) reads them.

    Each page is read once, whatever the order of the keys in it. A row that is updated
    meanwhile may move behind a range that is done: it is left for the next time. Of a table
    with partitions, a range has these pages of all of them.
    """

    last: int
    first: int = 0

    @classmethod
    def through(cls, table: models.QuerySet[models.Model]) -> Self | None:
        """Return the way through the table; None where it is empty."""
        connection = connections[table.db]
        name = connection.ops.quote_name(table.model._meta.db_table)
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT coalesce(max(pg_relation_size(relid)), pg_relation_size(%s::regclass)) "
                "/ current_setting('block_size')::bigint "
                "FROM pg_partition_tree(%s::regclass) WHERE isleaf",
                [name, name],
            )
            (pages,) = cursor.fetchone()
        return cls(pages - 1) if pages else None

    @property
    def width(self) -> int:
        return PAGES

    @property
    def widest(self) -> int:
        return MOST_PAGES

    def within(
        self, rows: models.QuerySet[models.Model], lower: int, upper: int
    ) -> models.QuerySet[models.Model]:
        return self._between(rows, **self.ends(lower, upper))

    def within_blanks(self, rows: models.QuerySet[models.Model]) -> models.QuerySet[models.Model]:
        """Return the same for a statement that is told the ``ends()`` when it is run."""
        return self._between(rows, lower=Blank("lower"), upper=Blank("upper"))

    def ends(self, lower: int, upper: int) -> dict[str, str]:
        return {"lower": f"({lower},0)", "upper": f"({upper + 1},0)"}

    def _between(
        self, rows: models.QuerySet[models.Model], *, lower: object, upper: object
    ) -> models.QuerySet[models.Model]:
        condition = f"({place(rows)} >= %s::tid AND {place(rows)} < %s::tid)"
        ends = (lower, upper)
        return rows.filter(
            RawSQL(condition, ends, output_field=BooleanField())  # noqa: S611 - no value in it
        )

    def after(self, upper: int) -> int | None:
        return upper + 1


def is_divided(rows: models.QuerySet[models.Model]) -> bool:
    """Say whether the table has partitions on PostgreSQL: then a place is of one row in each."""
    connection = connections[rows.db]
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT relkind = 'p' FROM pg_class WHERE oid = %s::regclass",
            [connection.ops.quote_name(rows.model._meta.db_table)],
        )
        return bool(cursor.fetchone()[0])


def place(rows: models.QuerySet[models.Model]) -> str:
    """Name the column in which PostgreSQL tells where a row lies."""
    return f"{connections[rows.db].ops.quote_name(rows.model._meta.db_table)}.ctid"
