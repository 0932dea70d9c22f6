"""The engine with a cache in front of the database: a read is one cache command and no SQL."""

from __future__ import annotations

import time
from uuid import UUID

from sessions_plus.backends import cache_tier
from sessions_plus.backends.base import SessionStore as BaseStore
from sessions_plus.backends.entries import Copy
from sessions_plus.backends.rows import Row
from sessions_plus.backends.tier import NOTHING, Glimpse

__all__ = ["SessionStore"]


class SessionStore(BaseStore):
    """Tracked sessions, read from the cache named by ``SESSION_CACHE_ALIAS``."""

    keeps_copies = True

    _glimpse: Glimpse = NOTHING
    _asked_at: float = 0.0

    def _recall(self, public_id: UUID) -> Copy | None:
        self._asked_at = time.time()
        copy, self._glimpse = cache_tier.recall(public_id)
        return copy

    async def _arecall(self, public_id: UUID) -> Copy | None:
        self._asked_at = time.time()
        copy, self._glimpse = await cache_tier.arecall(public_id)
        return copy

    def _remember_read(self, row: Row) -> None:
        cache_tier.keep(row, self._glimpse, proven_at=self._asked_at)

    def _remember_written(self, row: Row) -> None:
        if row.version == 1:
            cache_tier.introduce(row)
        else:
            cache_tier.replace(row)

    def _forget(self, row: Row) -> None:
        cache_tier.forget(row.public_id)
