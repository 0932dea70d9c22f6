"""What the cache tier asks of each kind of cache."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from sessions_plus.cache.slots import Reading
from sessions_plus.crypto import digest

# Long enough for a busy server, short enough that nobody minds it once.
TIMEOUT_SECONDS = 0.25


@dataclass(frozen=True, slots=True)
class ServerState:
    """
    What a server of the cache says of itself; None: it does not say.

    ``role`` is "primary" or "replica"; ``eviction_policy`` what it does when it is full,
    in Redis' words, "noeviction" where it refuses what is new.
    """

    address: str
    role: str | None = None
    eviction_policy: str | None = None


class Driver(Protocol):
    """
    One kind of cache. Every method may raise one of ``faults``; the tier handles it.

    Each command ends within ``TIMEOUT_SECONDS``, where the cache lets us see to that.
    See ``slots`` for what may stand at a name and what may replace it.
    """

    kind: str
    faults: tuple[type[Exception], ...]

    def name_of(self, public_id: UUID) -> str:
        """Return the name under which the session's copy stands."""

    def read(self, name: str) -> Reading:
        """Return what stands there. One command."""

    async def aread(self, name: str) -> Reading:
        """See read()."""

    def reserve(self, name: str, value: bytes, *, seconds: float) -> bool:
        """Put ``value`` in the slot if that is empty. Return whether it was."""

    async def areserve(self, name: str, value: bytes, *, seconds: float) -> bool:
        """See reserve()."""

    def fill(self, name: str, entry: bytes, *, version: int, ticket: bytes, seconds: float) -> bool:
        """Put the copy of a row that was read, over ``ticket`` or an older copy alone."""

    def replace(
        self, name: str, entry: bytes, *, version: int, hold: bytes, seconds: float
    ) -> None:
        """Put the copy of a row that was written, and see to it that no older one can be put."""

    def occupy(self, name: str, value: bytes, *, seconds: float) -> None:
        """Put a reservation or a hold, whatever stands there but a tombstone."""

    def mark_ended(self, name: str, *, seconds: float) -> None:
        """Put a tombstone, whatever stands there."""

    def mark_ended_many(self, names: Sequence[str], *, seconds: float) -> None:
        """Put a tombstone at each name, in one exchange with each server."""

    def clear(self, names: Sequence[str]) -> None:
        """Empty these slots. Proves that the cache can be written to."""

    async def aclear(self, names: Sequence[str]) -> None:
        """See clear()."""

    def clock(self) -> float | None:
        """Return the server's Unix time, or None where it tells none."""

    def servers(self) -> Sequence[ServerState]:
        """Ask each server about itself. Empty where there is nobody to ask."""

    def watch(self, lost: Callable[[], None]) -> None:
        """Have ``lost`` called whenever the cache may have lost tombstones."""

    def close(self) -> None:
        """Give up all connections of this driver's own."""


def stem(public_id: UUID) -> str:
    """
    Return the name of a session's slot.

    A digest of its public id, not of its key: so rotation keeps the slot, and a
    revocation finds it. It has no key of ours, so that it is found also while encryption
    keys are being replaced. The braces keep all names of a session on one node of a cluster.
    """
    return f"sessions_plus:{{{digest(public_id.hex)[:32]}}}"
