"""
Copies of rows in any of Django's caches, with nothing but its common methods.

Three names for each session, read in one ``get_many``: the copy; the version below
which no copy counts; and a marker that stands for "ended", which outlasts whatever
copy somebody is still about to store.
"""

from __future__ import annotations

import logging
from uuid import UUID

from django.core.cache import caches
from django.core.cache.backends.base import BaseCache

from sessions_plus.conf import conf
from sessions_plus.crypto import digest

logger = logging.getLogger("sessions_plus")

# A copy serves by itself for one interval; beyond that it still saves reading the
# row, as one UPDATE proves that it lives.
LIFETIME_IN_INTERVALS = 3


def lifetime_seconds() -> int:
    """How long copies and markers stay in the cache."""
    return max(1, int(conf.ACTIVITY_INTERVAL.total_seconds() * LIFETIME_IN_INTERVALS))


class PortableCache:
    """One cache alias, guarded: no method raises, whatever the cache does."""

    def __init__(self, alias: str) -> None:
        self.alias = alias

    @property
    def _cache(self) -> BaseCache:
        return caches[self.alias]

    def get(self, public_id: UUID) -> tuple[int, bytes] | None:
        """Return the lowest version that counts and the copy; None: no copy, or it ended."""
        names = _names(public_id)
        try:
            found = self._cache.get_many(names)
        except Exception:
            self._complain()
            return None
        return _reading(names, found)

    async def aget(self, public_id: UUID) -> tuple[int, bytes] | None:
        """See get()."""
        names = _names(public_id)
        try:
            found = await self._cache.aget_many(names)
        except Exception:
            self._complain()
            return None
        return _reading(names, found)

    def put(self, public_id: UUID, version: int, envelope: bytes) -> bool:
        """Keep a copy, and let no older one count. Return whether the cache took it."""
        entry, floor, _ = _names(public_id)
        try:
            self._cache.set_many({floor: version, entry: envelope}, timeout=lifetime_seconds())
        except Exception:
            self._complain()
            return False
        return True

    def outdate(self, public_id: UUID, version: int) -> bool:
        """Let no copy older than ``version`` count. Return whether the cache took it."""
        entry, floor, _ = _names(public_id)
        try:
            self._cache.set(floor, version, timeout=lifetime_seconds())
            self._cache.delete(entry)
        except Exception:
            self._complain()
            return False
        return True

    def bury(self, public_id: UUID) -> bool:
        """Mark a session as ended. Return whether the cache took it."""
        entry, _, ended = _names(public_id)
        try:
            self._cache.set(ended, 1, timeout=lifetime_seconds())
            self._cache.delete(entry)
        except Exception:
            self._complain()
            return False
        return True

    def _complain(self) -> None:
        logger.warning(
            "The session cache %r failed; the database serves.", self.alias, exc_info=True
        )


def _names(public_id: UUID) -> list[str]:
    # Braces keep the names of one session in one slot of a Redis Cluster.
    stem = f"sessions_plus:{{{digest(public_id.hex)[:32]}}}"
    return [f"{stem}:copy", f"{stem}:floor", f"{stem}:ended"]


def _reading(names: list[str], found: dict[str, object]) -> tuple[int, bytes] | None:
    entry, floor, ended = (found.get(name) for name in names)
    if ended is not None or not isinstance(entry, bytes):
        return None
    return (floor if isinstance(floor, int) else 0), entry
