"""The engine with a cache in front of the database: a read is one cache command and no SQL."""

from __future__ import annotations

from sessions_plus.backends import cache_tier
from sessions_plus.backends.base import SessionStore as BaseStore
from sessions_plus.backends.keys import read_token
from sessions_plus.backends.rows import Row

__all__ = ["SessionStore"]


class SessionStore(BaseStore):
    """Tracked sessions, read from the cache named by ``SESSION_CACHE_ALIAS``."""

    def _recall(self, key: str) -> Row | None:
        public_id = read_token(key)
        return cache_tier.recall(public_id) if public_id is not None else None

    async def _arecall(self, key: str) -> Row | None:
        public_id = read_token(key)
        return await cache_tier.arecall(public_id) if public_id is not None else None

    def _remember(self, row: Row) -> None:
        cache_tier.remember(row)

    def _forget(self, row: Row) -> None:
        cache_tier.forget(row.public_id)
