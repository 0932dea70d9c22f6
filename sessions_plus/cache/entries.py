"""
A row as a cache entry: sealed bytes, bound to the session they are of.

An entry that is forged, cut, foreign or of another release is no entry: it is read
as a miss. In front of the row stands what most requests need to know of it, so that
these rebuild no row.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from functools import lru_cache
from operator import attrgetter
from struct import Struct
from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib.auth import get_user_model

from sessions_plus.cache import fast_path
from sessions_plus.cache.fast_path import FastPath
from sessions_plus.crypto import Purpose, context, seal, unseal
from sessions_plus.exceptions import SealBroken
from sessions_plus.rows.session_row import ATTRIBUTES, Row

LAYOUT = 6
MOMENTS = ("rotated_at", "successor_told_at", "created_at", "authenticated_at",
           "reauthenticated_at", "client_changed_at", "device_key_at", "last_activity",
           "expire_date", "revoked_at")  # fmt: skip
LEFT_OUT = ("data", "sealed_successor", "public_id")
_MOMENTS_AT = tuple(ATTRIBUTES.index(name) for name in MOMENTS)
_LEFT_OUT_AT = tuple(ATTRIBUTES.index(name) for name in LEFT_OUT)
_PUBLIC_ID_AT = ATTRIBUTES.index("public_id")
_DATA_AT = ATTRIBUTES.index("data")
_DEVICE_KEY_AT = ATTRIBUTES.index("device_key_id")
_PEOPLE_AT = tuple(ATTRIBUTES.index(name) for name in ("user_id", "actor_id"))

# When it was proven; its version; the fast path; and the bytes that the user agent and the row
# take up.
_FRONT = Struct(">d Q ddd I ? 32s 16s H I")
_head_of = attrgetter(*ATTRIBUTES)
_read_json = json.JSONDecoder().raw_decode


class Copy:
    """An opened entry: what the fast path looks at, the payload, and the row."""

    __slots__ = ("_row", "fast_path", "payload", "public_id", "version")

    def __init__(
        self, public_id: UUID, version: int, fast_path: FastPath, row: bytes, payload: bytes
    ) -> None:
        self.public_id = public_id
        self.version = version
        self.fast_path = fast_path
        self.payload = payload
        self._row = row

    def row(self) -> Row:
        """Rebuild the row."""
        head, _ = _read_json(self._row.decode())
        zone = UTC if settings.USE_TZ else None
        for position in _MOMENTS_AT:
            if head[position] is not None:
                head[position] = datetime.fromtimestamp(head[position], zone)
        for position in _PEOPLE_AT:
            if isinstance(head[position], str):
                head[position] = get_user_model()._meta.pk.to_python(head[position])
        if head[_DEVICE_KEY_AT] is not None:
            head[_DEVICE_KEY_AT] = UUID(head[_DEVICE_KEY_AT])
        head[_PUBLIC_ID_AT] = self.public_id
        head[_DATA_AT] = b""
        return Row(*(*head, self.payload))


def encode(row: Row, *, proven_at: float) -> bytes:
    """
    Return the sealed copy of a row whose data is open.

    ``proven_at`` is a Unix time at which the row was not yet read: it lived then or later.
    """
    head: list[Any] = list(_head_of(row))  # each first as its column, then as JSON has it
    for position in _MOMENTS_AT:
        head[position] = None if head[position] is None else head[position].timestamp()
    for position in _LEFT_OUT_AT:
        head[position] = None
    for position in _PEOPLE_AT:
        if not isinstance(head[position], int | None):
            head[position] = str(head[position])
    if row.device_key_id is not None:
        head[_DEVICE_KEY_AT] = row.device_key_id.hex
    facts = json.dumps(head).encode()
    shown = fast_path.of(row)
    agent = shown.user_agent.encode()
    front = _FRONT.pack(
        proven_at,
        row.version,
        shown.after,
        shown.near,
        shown.until,
        shown.settings_stamp,
        shown.is_of_browser,
        shown.key_digest,
        shown.device_key,
        len(agent),
        len(facts),
    )
    whole = front + agent + facts + (row.payload or b"")
    return seal(whole, purpose=Purpose.CACHE_ENTRY, bound_to=_context(row.public_id))


def decode(envelope: bytes, public_id: UUID, *, proven_since: float = 0.0) -> Copy | None:
    """
    Return what an entry holds.

    None where the entry is none of ours, or was proven before ``proven_since``.
    """
    try:
        whole = unseal(envelope, purpose=Purpose.CACHE_ENTRY, bound_to=_context(public_id))
    except SealBroken:
        return None
    proven_at, version, *known, agent_length, length = _FRONT.unpack_from(whole)
    if proven_at < proven_since:
        return None
    facts_at = _FRONT.size + agent_length
    payload_at = facts_at + length
    agent = whole[_FRONT.size : facts_at].decode()
    return Copy(
        public_id,
        version,
        FastPath._make((*known, agent)),
        whole[facts_at:payload_at],
        whole[payload_at:],
    )


def _context(public_id: UUID) -> bytes:
    return _context_of(settings.SESSION_SERIALIZER) + public_id.bytes


@lru_cache(maxsize=8)
def _context_of(serializer: str) -> bytes:
    """What entries are bound to beside their session. What is of another layout does not open."""
    return context("sessions_plus_session", "entry", LAYOUT, serializer)
