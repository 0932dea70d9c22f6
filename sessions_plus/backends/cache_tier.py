"""
Copies of rows in a cache, in front of the database.

The cache is never an authority and never a fault. A copy serves only while it is
younger than the activity interval; an error is a miss; and what was revoked stands
in the cache as such, so that nobody's older copy takes its place.
"""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

from django.conf import settings
from django.db import connections, transaction

from sessions_plus.backends import entries
from sessions_plus.backends.portable_cache import PortableCache
from sessions_plus.backends.rows import Row, database

ENGINE = "sessions_plus.backends.cached_db"


def is_in_use() -> bool:
    """Say whether the site's engine keeps copies at all."""
    return settings.SESSION_ENGINE == ENGINE


def cache() -> PortableCache:
    """The cache named by ``SESSION_CACHE_ALIAS``, spoken to in the way that it allows."""
    return PortableCache(settings.SESSION_CACHE_ALIAS)


def recall(public_id: UUID) -> Row | None:
    """Return the copy of a row, or None. One cache command."""
    return _accept(cache().get(public_id), public_id)


async def arecall(public_id: UUID) -> Row | None:
    """See recall()."""
    return _accept(await cache().aget(public_id), public_id)


def _accept(found: tuple[int, bytes] | None, public_id: UUID) -> Row | None:
    if found is None:
        return None
    floor, envelope = found
    row = entries.decode(envelope, public_id)
    return row if row is not None and row.version >= floor else None


def remember_read(row: Row) -> None:
    """
    Keep a copy of a row as it was read, unless the cache knows a newer one or that it ended.

    Inside a transaction it waits for the commit: the row may be as yet uncommitted.
    """
    public_id, version, envelope = row.public_id, row.version, entries.encode(row)
    _after_commit(lambda: cache().put(public_id, version, envelope))


def remember_written(row: Row) -> None:
    """
    Keep a copy of a row as this process just wrote it. See remember_read().

    Until a transaction commits the cache holds no copy, so that what is read is
    what the database says.
    """
    if connections[database()].in_atomic_block:
        cache().outdate(row.public_id, row.version)
    remember_read(row)


def outdate(public_id: UUID, version: int) -> None:
    """Drop every copy of a row that is older than ``version``."""
    if not is_in_use():
        return
    cache().outdate(public_id, version)
    _after_commit(lambda: cache().outdate(public_id, version))


def forget(public_id: UUID) -> bool:
    """
    Drop the copy of a session that ended, and let none be kept again.

    Return whether the cache took it. Inside a transaction it is told at once and
    again after the commit: before, as there may be no moment after (the process
    may die); and again, as the commit may come later than the word lasts. If the
    transaction is rolled back, the session merely does without a copy for a while.
    """
    if not is_in_use():
        return True
    reached = cache().bury(public_id)
    if connections[database()].in_atomic_block:
        _after_commit(lambda: cache().bury(public_id))
    return reached


def _after_commit(act: Callable[[], object]) -> None:
    transaction.on_commit(act, using=database(), robust=True)
