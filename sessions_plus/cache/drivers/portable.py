"""
Copies in any of Django's caches, with nothing but its common methods.

They have no conditional store, so a session has two names: its slot, and its copy, which
says under which reservation it was stored. A copy counts only while that reservation
stands in the slot; so whoever changes or ends the session just puts something else there.
A write therefore leaves no copy: the next read does.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from uuid import UUID

from asgiref.sync import sync_to_async
from django.core.cache import caches
from django.core.cache.backends.base import BaseCache

from sessions_plus.cache import slots
from sessions_plus.cache.drivers.contract import ServerState, stem
from sessions_plus.cache.slots import Reading

_TAG_BYTES = len(slots.reservation())


class PortableDriver:
    """A ``Driver`` for any cache alias."""

    # What a cache raises is known to nobody but its author.
    faults: tuple[type[Exception], ...] = (Exception,)

    def __init__(self, alias: str) -> None:
        self.alias = alias
        self.kind = f"any Django cache ({type(self._cache).__name__})"

    @property
    def _cache(self) -> BaseCache:
        # Django keeps one instance per thread: ours may be used by many.
        return caches[self.alias]

    def name_of(self, public_id: UUID) -> str:
        return stem(public_id)

    def read(self, name: str) -> Reading:
        found = self._cache.get_many([name, _copy(name)])
        slot = found.get(name)
        if slot is None:
            return slots.VACANT
        if not isinstance(slot, bytes) or not slot.startswith(slots.RESERVED):
            return slots.BARRED
        copy = found.get(_copy(name))
        if not isinstance(copy, bytes) or copy[:_TAG_BYTES] != slot:
            return Reading(None, slot)
        return Reading(copy[_TAG_BYTES:], slot)

    async def aread(self, name: str) -> Reading:
        return await sync_to_async(self.read)(name)

    def reserve(self, name: str, value: bytes, *, seconds: float) -> bool:
        # Of a new session there is a copy without a reservation: its first read makes one.
        if not value.startswith(slots.RESERVED):
            return False
        return bool(self._cache.add(name, value, timeout=seconds))

    async def areserve(self, name: str, value: bytes, *, seconds: float) -> bool:
        return await sync_to_async(self.reserve)(name, value, seconds=seconds)

    def fill(self, name: str, entry: bytes, *, version: int, ticket: bytes, seconds: float) -> bool:
        self._cache.set(_copy(name), ticket + entry, timeout=seconds)
        return True

    def replace(
        self, name: str, entry: bytes, *, version: int, hold: bytes, seconds: float
    ) -> None:
        if self._cache.get(name) is not None:
            self.occupy(name, slots.reservation(), seconds=seconds)

    def occupy(self, name: str, value: bytes, *, seconds: float) -> None:
        if self._cache.get(name) != slots.TOMBSTONE:
            self._cache.set(name, value, timeout=seconds)

    def mark_ended(self, name: str, *, seconds: float) -> None:
        self._cache.set(name, slots.TOMBSTONE, timeout=seconds)

    def mark_ended_many(self, names: Sequence[str], *, seconds: float) -> None:
        left_out = self._cache.set_many(dict.fromkeys(names, slots.TOMBSTONE), timeout=seconds)
        if left_out:
            self.clear(left_out)

    def clear(self, names: Sequence[str]) -> None:
        self._cache.delete_many([*names, *map(_copy, names)])

    async def aclear(self, names: Sequence[str]) -> None:
        await sync_to_async(self.clear)(names)

    def clock(self) -> float | None:
        return None

    def servers(self) -> Sequence[ServerState]:
        return ()

    def watch(self, lost: Callable[[], None]) -> None:
        """What was lost is missed by its reservation: nothing to tell."""

    def close(self) -> None:
        """Django closes it."""


def _copy(name: str) -> str:
    return f"{name}:copy"
