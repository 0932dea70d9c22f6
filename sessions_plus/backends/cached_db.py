"""The engine with a cache in front of the database: a read is one cache command and no SQL."""

from __future__ import annotations

from uuid import UUID

from sessions_plus.backends import cache_tier
from sessions_plus.backends.base import SessionStore as BaseStore
from sessions_plus.backends.rows import Row

__all__ = ["SessionStore"]


class SessionStore(BaseStore):
    """Tracked sessions, read from the cache named by ``SESSION_CACHE_ALIAS``."""

    def _recall(self, public_id: UUID) -> Row | None:
        return cache_tier.recall(public_id)

    async def _arecall(self, public_id: UUID) -> Row | None:
        return await cache_tier.arecall(public_id)

    def _remember_read(self, row: Row) -> None:
        cache_tier.remember_read(row)

    def _remember_written(self, row: Row) -> None:
        cache_tier.remember_written(row)

    def _forget(self, row: Row) -> None:
        cache_tier.forget(row.public_id)
