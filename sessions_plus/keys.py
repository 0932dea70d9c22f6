"""
Session keys, and every other token of the same make.

A token is ``public id (16 bytes) | random secret (32 bytes) | tag (9 bytes)`` in
URL-safe base64: 76 characters, without padding or spare bits, so that there is
one spelling of each. The tag is a short MAC over the rest, so that one
that was never issued here is refused without any I/O. It is no proof of anything
else: who holds a token is decided by the stored digest alone.
"""

from __future__ import annotations

import base64
import binascii
import secrets
import time
from uuid import UUID

from sessions_plus.crypto import Purpose, tag, tag_is_ours

PUBLIC_ID_BYTES = 16
SECRET_BYTES = 32
TAG_BYTES = 9
TOKEN_BYTES = PUBLIC_ID_BYTES + SECRET_BYTES + TAG_BYTES
TOKEN_LENGTH = 76

STANDARD_ALPHABET = bytes.maketrans(b"-_", b"+/")


def new_public_id() -> UUID:
    """
    Return a UUIDv7 (RFC 9562 §5.7): milliseconds, then 74 random bits.

    It sorts by time, which keeps the index dense. It names a thing and grants
    nothing (RFC 9562 §8).
    """
    milliseconds = time.time_ns() // 1_000_000
    random = secrets.randbits(74)
    high = (milliseconds & 0xFFFF_FFFF_FFFF) << 80 | 0x7 << 76 | (random >> 62) << 64
    return UUID(int=high | 0b10 << 62 | random & 0x3FFF_FFFF_FFFF_FFFF)


def new_token(public_id: UUID, *, purpose: Purpose = Purpose.SESSION_KEY) -> str:
    """Return a fresh token that names ``public_id``; 256 bits of it are secret."""
    body = public_id.bytes + secrets.token_bytes(SECRET_BYTES)
    whole = body + tag(body, purpose=purpose, size=TAG_BYTES)
    return base64.urlsafe_b64encode(whole).decode()


def read_token(token: str | None, *, purpose: Purpose = Purpose.SESSION_KEY) -> UUID | None:
    """Return the public id that a token names, or None where we never issued it."""
    if not token or len(token) != TOKEN_LENGTH or "+" in token or "/" in token:
        return None
    try:
        # As base64.urlsafe_b64decode() does, which calls four functions more for it.
        whole = binascii.a2b_base64(token.encode("ascii").translate(STANDARD_ALPHABET))
    except (binascii.Error, ValueError):
        return None
    if len(whole) != TOKEN_BYTES:  # the decoder drops what is not of its alphabet
        return None
    body, given = whole[:-TAG_BYTES], whole[-TAG_BYTES:]
    if not tag_is_ours(body, given, purpose=purpose):
        return None
    return UUID(bytes=body[:PUBLIC_ID_BYTES])
