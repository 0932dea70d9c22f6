"""Many touches at once: each proves its row as one by itself does, and none waits for a lock."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from functools import lru_cache
from typing import NamedTuple
from uuid import UUID

from django.db import connections, transaction

from sessions_plus.models.session import Session
from sessions_plus.named_types import Values
from sessions_plus.rows import session_row
from sessions_plus.rows.session_row import SESSIONS, Row, database
from sessions_plus.rows.table import retried, returned
from sessions_plus.rows.user_state import living_user

AS_READ = ("public_id", "key_hash", "version", "last_activity")
CHANGED = ("last_activity", "expire_date")


class RowTouch(NamedTuple):
    """A row as it was read, and what is to be written where it still is so."""

    row: Row
    columns: Values

    @property
    def is_later(self) -> bool:
        """Whether it is of after the last activity that the row tells of."""
        latest: datetime = self.columns["last_activity"]
        return latest > self.row.last_activity


def touch_many(touches: Sequence[RowTouch]) -> set[UUID]:
    """
    Touch rows, each as ``session_row.touch`` does; return the names of those that it changed.

    Only a row whose version and last activity are those that were read. On PostgreSQL one
    statement does it for all that differ in nothing but their moments; else one each, in one
    transaction.
    """
    alias = database()
    together, alone = _divided(alias, touches)
    changed = _touch_together(alias, together) if together else set()
    return changed | (_touch_each(alias, alone) if alone else set())


def _divided(
    alias: str, touches: Sequence[RowTouch]
) -> tuple[Sequence[RowTouch], Sequence[RowTouch]]:
    if connections[alias].vendor != "postgresql" or living_user(alias) is None:
        return (), touches
    together = [touch for touch in touches if _is_plain(touch)]
    return together, [touch for touch in touches if not _is_plain(touch)]


def _is_plain(touch: RowTouch) -> bool:
    """Say whether its moments are all that it writes, and one statement can prove its row."""
    return touch.row.actor_id is None and touch.columns.keys() == set(CHANGED)


def _touch_each(alias: str, touches: Sequence[RowTouch]) -> set[UUID]:
    if len(touches) == 1:
        return {touch.row.public_id for touch in touches if _touch(touch)}

    def act() -> set[UUID]:
        # Nothing in it waits for a row, so what it holds keeps nobody waiting for long.
        with transaction.atomic(using=alias):
            return {touch.row.public_id for touch in touches if _touch(touch)}

    return retried(connections[alias], act)


def _touch(touch: RowTouch) -> bool:
    row = touch.row
    as_read = {"version": row.version, "last_activity": row.last_activity}
    return session_row.touch(row, touch.columns, **as_read)


def _touch_together(alias: str, touches: Sequence[RowTouch]) -> set[UUID]:
    connection = connections[alias]
    rows = [
        SESSIONS.params(connection, {name: getattr(touch.row, name) for name in AS_READ})
        + SESSIONS.params(connection, {name: touch.columns[name] for name in CHANGED})
        for touch in touches
    ]
    params = [list(column) for column in zip(*rows, strict=True)]
    sql = _compose(alias, living_user(alias) or "")
    return {public_id for (public_id,) in returned(connection, sql, params)}


@lru_cache(maxsize=8)
def _compose(alias: str, condition: str) -> str:
    """
    Return the statement: the same text for any number of rows.

    What is locked is left alone: the rows are found first, and only those that are free.
    """
    connection = connections[alias]
    table = SESSIONS.name(connection)
    key = connection.ops.quote_name(str(Session._meta.pk.column))
    asked = [*(f"asked_{name}" for name in AS_READ), *(f"new_{name}" for name in CHANGED)]
    types = [SESSIONS.field(name).db_type(connection) for name in (*AS_READ, *CHANGED)]
    lists = ", ".join(f"%s::{kind}[]" for kind in types)
    same = " AND ".join(
        f"{table}.{SESSIONS.column(connection, name)} = asked_{name}" for name in AS_READ
    )
    setting = ", ".join(
        f"{SESSIONS.column(connection, name)} = free.new_{name}" for name in CHANGED
    )
    news = ", ".join(f"new_{name}" for name in CHANGED)
    ended = SESSIONS.column(connection, "revoked_at")
    public_id = SESSIONS.column(connection, "public_id")
    return (
        f"WITH free AS (SELECT {table}.{key} AS id, {news} FROM {table} "  # noqa: S608
        f"JOIN unnest({lists}) AS asked ({', '.join(asked)}) ON {same} "
        f"WHERE {table}.{ended} IS NULL AND {condition} "
        f"FOR NO KEY UPDATE OF {table} SKIP LOCKED) "
        f"UPDATE {table} SET {setting} FROM free WHERE {table}.{key} = free.id "
        f"RETURNING {table}.{public_id}"
    )


def alive_of(public_ids: Collection[UUID]) -> set[UUID]:
    """Return the names of those rows that are there and have not ended. One statement."""
    rows = Session._base_manager.using(database())
    found = rows.filter(public_id__in=public_ids, revoked_at=None)
    return set(found.values_list("public_id", flat=True))
