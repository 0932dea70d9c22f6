"""
Nonces that browsers sign: made without storing anything, and good for one session and key.

``issued, in ms (6 bytes) | random (16 bytes) | tag (16 bytes)`` in URL-safe base64:
``AZ0...`` of 51 characters. When it was issued orders them, so that one column tells
which were used.
"""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta
from uuid import UUID

from sessions_plus.crypto import Purpose, context, tag, tag_is_ours
from sessions_plus.device_proof.spelling import read, spell

MOMENT_BYTES = 6
RANDOM_BYTES = 16
TAG_BYTES = 16
LENGTH = MOMENT_BYTES + RANDOM_BYTES + TAG_BYTES

NOT_YET_SIGNED = timedelta(minutes=5)
"""How much longer than a proof cookie it lives: the one that came with it is signed later."""


def new_nonce(session: UUID, device_key: UUID | None, now: datetime) -> str:
    """Return a nonce for a session to be bound (``device_key`` None), or for its key to sign."""
    body = milliseconds(now).to_bytes(MOMENT_BYTES, "big") + secrets.token_bytes(RANDOM_BYTES)
    made = tag(_message(body, session, device_key), purpose=Purpose.PROOF_NONCE, size=TAG_BYTES)
    return spell(body + made)


def read_nonce(
    text: str, session: UUID, device_key: UUID | None, now: datetime, *, lifetime: timedelta
) -> int | None:
    """
    Return when a nonce was issued, in milliseconds; None where it is none of this session's.

    One that is exactly ``lifetime`` old is too old, and so is one more than a minute ahead.
    """
    whole = read(text, length=LENGTH)
    if whole is None:
        return None
    body, given = whole[:-TAG_BYTES], whole[-TAG_BYTES:]
    message = _message(body, session, device_key)
    if not tag_is_ours(message, given, purpose=Purpose.PROOF_NONCE):
        return None
    issued = int.from_bytes(body[:MOMENT_BYTES], "big")
    age = milliseconds(now) - issued
    return issued if -SKEW_MS <= age < lifetime / timedelta(milliseconds=1) else None


SKEW_MS = 60_000
"""How far the clocks of a site's servers may be apart."""


def milliseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


def _message(body: bytes, session: UUID, device_key: UUID | None) -> bytes:
    return body + context(session, device_key)
