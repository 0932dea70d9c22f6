"""
What a presented key is to its session: the current one, the one before, or an old one.

The rule of rotation (DESIGN: "rotation neither logs out nor lets in"). A key that
was replaced while in use finds its one successor, stored sealed under it, until the
grace period is over and the successor was seen; after that, or from another device,
it tells of a theft. A key that was replaced because privilege changed is dead.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime, timedelta
from enum import Enum, auto
from uuid import UUID

from sessions_plus.crypto import Purpose, context, same, seal_under, unseal_under
from sessions_plus.exceptions import SealBroken
from sessions_plus.rows.session_row import Row

ANY_DEVICE = "any"


class Match(Enum):
    """What a key that names a row is to it."""

    CURRENT = auto()
    PREDECESSOR = auto()
    """Replaced while in use; its successor may be told."""
    SUPERSEDED = auto()
    """Replaced before a privilege that changed a moment ago: a stranger, but no thief."""
    DEAD = auto()
    """Replaced longer ago as privilege changed."""
    REUSED = auto()
    """Too old: somebody kept a copy."""


def match(row: Row, key_hash: str, *, now: datetime, grace_period: timedelta) -> Match:
    """
    Say what the key with this digest is to the row. The grace period includes its end.

    A successor that was never seen may be asked for at any time: until then nobody
    else holds it, and its response may have been lost just before a long pause.
    """
    if same(row.key_hash, key_hash):
        return Match.CURRENT
    is_previous = same(row.previous_key_hash, key_hash)
    began = row.successor_told_at or row.rotated_at
    in_grace = began is not None and now - began <= grace_period
    if row.sealed_successor is None:
        # Requests may be under way with the key before the previous one, too: signing in
        # and passing the second factor are two changes within seconds.
        return Match.SUPERSEDED if in_grace else Match.DEAD if is_previous else Match.REUSED
    if is_previous and (in_grace or not row.successor_seen):
        return Match.PREDECESSOR
    return Match.REUSED


def seal_successor(
    successor: str, *, under: str, public_id: UUID, device_token: str | None
) -> bytes:
    """
    Seal a new key so that only the old one, on the same device, opens it.

    On any, with ``ANY_DEVICE``: a program cannot tell which device a key is used on.
    """
    return seal_under(
        under,
        successor.encode(),
        purpose=Purpose.SUCCESSOR,
        bound_to=_context(public_id, device_token),
    )


def open_successor(row: Row, *, under: str, device_token: str | None) -> str | None:
    """Return the key that followed ``under``; None where another device asks."""
    if row.sealed_successor is None:
        return None
    for device in (device_token, ANY_DEVICE):
        with suppress(SealBroken):
            return unseal_under(
                under,
                bytes(row.sealed_successor),
                purpose=Purpose.SUCCESSOR,
                bound_to=_context(row.public_id, device),
            ).decode()
    return None


def _context(public_id: UUID, device_token: str | None) -> bytes:
    return context("sessions_plus_session", "sealed_successor", public_id, device_token)
