"""Statements over many rows that are built once, and run for one range after the other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

from django.db import connections, models
from django.db.models.sql import DeleteQuery, UpdateQuery


@dataclass(frozen=True, slots=True)
class Prepared:
    """
    A DELETE or an UPDATE; building one takes the ORM longer than many a run of it.

    Neither signals nor a cascade, and nothing is read first for the cache tier.
    """

    sql: str
    params: tuple[Any, ...]  # see named_types.Params
    using: str

    @classmethod
    def of(cls, rows: models.QuerySet[models.Model], changes: dict[str, object] | None) -> Self:
        """Return the statement that removes the rows, or changes them."""
        query: Any  # one of two kinds, of which the stubs know little
        if changes is None:
            query = rows.query.chain(DeleteQuery)
        else:
            query = rows.query.chain(UpdateQuery)
            query.add_update_values(changes)
        sql, params = query.get_compiler(rows.db).as_sql()
        return cls(sql, tuple(params), rows.db)

    def run(self, **instead: Any) -> int:  # of the types of params
        """Put values in the places of ``Blank`` parameters; return how many rows there were."""
        params = [
            instead[value.name] if isinstance(value, Blank) else value for value in self.params
        ]
        with connections[self.using].cursor() as cursor:
            cursor.execute(self.sql, params)
            return int(cursor.rowcount)


@dataclass(frozen=True, slots=True)
class Blank:
    """A parameter, for use in ``RawSQL``, whose value is told at each run."""

    name: str
