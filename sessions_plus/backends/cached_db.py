"""The engine with a cache in front of the database: a read is one cache command and no SQL."""

from __future__ import annotations

import time
from uuid import UUID

from sessions_plus.cache import copies
from sessions_plus.cache.entries import Copy
from sessions_plus.cache.tier import NOTHING, Recalled
from sessions_plus.rows.session_row import Row
from sessions_plus.store.session_store import SessionStore as BaseStore

__all__ = ["SessionStore"]


class SessionStore(BaseStore):
    """Tracked sessions, read from the cache named by ``SESSION_CACHE_ALIAS``."""

    keeps_copies = True

    _recalled: Recalled = NOTHING
    _asked_at: float = 0.0

    def _recall(self, public_id: UUID) -> Copy | None:
        self._asked_at = time.time()
        copy, self._recalled = copies.recall(public_id)
        return copy

    async def _arecall(self, public_id: UUID) -> Copy | None:
        self._asked_at = time.time()
        copy, self._recalled = await copies.arecall(public_id)
        return copy

    def _remember_read(self, row: Row) -> None:
        copies.keep(row, self._recalled, proven_at=self._asked_at)

    def _remember_written(self, row: Row) -> None:
        if row.version == 1:
            copies.introduce(row)
        else:
            copies.replace(row)

    def _forget(self, row: Row) -> None:
        copies.forget(row.public_id)
