"""What drivers have in common that can look and put in one step (compare-and-swap)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

from sessions_plus.cache import slots

Decision = Callable[[bytes | None], bytes | None]


class CompareAndSwapDriver(ABC):
    """The part of a ``Driver`` that decides by ``slots.successor``."""

    timeout: float  # of an operation, where it waits for anybody

    @abstractmethod
    def _swap(self, name: str, decide: Decision, *, seconds: float) -> bool:
        """Put what ``decide`` makes of what stands there, None: nothing; in one step."""

    def fill(self, name: str, entry: bytes, *, version: int, ticket: bytes, seconds: float) -> bool:
        """See Driver.fill()."""
        value = slots.copy(version, entry)
        return self._swap(name, _successor(ticket, value, version, b""), seconds=seconds)

    def replace(
        self, name: str, entry: bytes, *, version: int, hold: bytes, seconds: float
    ) -> None:
        """See Driver.replace()."""
        value = slots.copy(version, entry)
        decide = _successor(hold, value, version, slots.reservation())
        self._swap(name, decide, seconds=seconds)

    def occupy(self, name: str, value: bytes, *, seconds: float) -> None:
        """See Driver.occupy()."""
        self._swap(name, lambda held: None if held == slots.TOMBSTONE else value, seconds=seconds)


def _successor(seen: bytes, value: bytes, version: int, vacated: bytes) -> Decision:
    return lambda held: slots.successor(
        held, seen=seen, value=value, version=version, vacated=vacated
    )
