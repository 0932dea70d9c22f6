"""
Copies in Django's local-memory cache: for development, tests, and sites of one process.

Another process has another memory, and is told of a revocation only by the lease.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from uuid import UUID

from django.core.cache import caches

from sessions_plus.cache import slots
from sessions_plus.cache.drivers.compare_and_swap import CompareAndSwapDriver, Decision
from sessions_plus.cache.drivers.contract import ServerState, stem
from sessions_plus.cache.slots import Reading


class LocalMemoryDriver(CompareAndSwapDriver):
    """A ``Driver`` for ``LocMemCache``; never waits, so it needs no thread either."""

    kind = "local memory"
    faults: tuple[type[Exception], ...] = ()

    def __init__(self, alias: str) -> None:
        self.alias = alias
        self._lock = threading.Lock()
        # The one that it was chosen for, also where the alias names another by now: all threads
        # share its memory.
        self._cache = caches[alias]

    def name_of(self, public_id: UUID) -> str:
        return stem(public_id)

    def read(self, name: str) -> Reading:
        return slots.read(self._cache.get(name))

    async def aread(self, name: str) -> Reading:
        return self.read(name)

    def reserve(self, name: str, value: bytes, *, seconds: float) -> bool:
        with self._lock:
            return bool(self._cache.add(name, value, timeout=seconds))

    async def areserve(self, name: str, value: bytes, *, seconds: float) -> bool:
        return self.reserve(name, value, seconds=seconds)

    def _swap(self, name: str, decide: Decision, *, seconds: float) -> bool:
        with self._lock:
            value = decide(self._cache.get(name))
            if value is None:
                return False
            self._cache.set(name, value, timeout=seconds)
            return True

    def mark_ended(self, name: str, *, seconds: float) -> None:
        with self._lock:
            self._cache.set(name, slots.TOMBSTONE, timeout=seconds)

    def mark_ended_many(self, names: Sequence[str], *, seconds: float) -> None:
        with self._lock:
            self._cache.set_many(dict.fromkeys(names, slots.TOMBSTONE), timeout=seconds)

    def clear(self, names: Sequence[str]) -> None:
        with self._lock:
            self._cache.delete_many(names)

    async def aclear(self, names: Sequence[str]) -> None:
        self.clear(names)

    def clock(self) -> float | None:
        return None

    def servers(self) -> Sequence[ServerState]:
        return ()

    def watch(self, lost: Callable[[], None]) -> None:
        """It ends with the process."""

    def close(self) -> None:
        """There is nothing to close."""
