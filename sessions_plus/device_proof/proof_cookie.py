"""
The proof cookie: for some minutes it says that a browser proved its device key.

``end, in s (4 bytes) | random (8 bytes) | tag (18 bytes)`` in URL-safe base64: 40
characters. It is checked at each request of a bound session, without any I/O.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping

from sessions_plus.conf import conf
from sessions_plus.cookies import prefixed
from sessions_plus.crypto import Purpose, tag, tag_is_ours
from sessions_plus.device_proof.spelling import read, spell

END_BYTES = 4
RANDOM_BYTES = 8
TAG_BYTES = 18
LENGTH = END_BYTES + RANDOM_BYTES + TAG_BYTES

STILL_ACCEPTED = 60
"""Seconds after its end: the browser's clock is not ours, and the request was under way."""


def name_of(device_key: bytes) -> str:
    """
    Return the name of a device key's cookie: ``__Host-proof-1a2b3c4d``.

    One for each session, so that two accounts in one browser leave each other's alone.
    """
    # The last bytes are random; the first ones of a UUIDv7 are those of its minute.
    return f"{_stem()}-{device_key[-4:].hex()}"


def _stem() -> str:
    return conf.derived("proof cookie", lambda: prefixed("proof"))


def new_value(session: bytes, device_key: bytes, *, now: float) -> str:
    """Return a value that proves the key until ``PROOF_LIFETIME`` from now; no two are alike."""
    end = int(now + conf.PROOF_LIFETIME.total_seconds())
    body = end.to_bytes(END_BYTES, "big") + secrets.token_bytes(RANDOM_BYTES)
    message = body + session + device_key
    return spell(body + tag(message, purpose=Purpose.PROOF_COOKIE, size=TAG_BYTES))


def proves(
    cookies: Mapping[str, str] | None, session: bytes, device_key: bytes, now: float
) -> bool:
    """Say whether a good proof cookie of this session and key came along."""
    value = cookies.get(name_of(device_key)) if cookies else None
    return value is not None and is_good(value, session, device_key, now)


def is_good(value: str, session: bytes, device_key: bytes, now: float) -> bool:
    """Say whether a proof cookie was made for this session and key, and still holds."""
    whole = read(value, length=LENGTH)
    if whole is None:
        return False
    body, given = whole[:-TAG_BYTES], whole[-TAG_BYTES:]
    if now > int.from_bytes(body[:END_BYTES], "big") + STILL_ACCEPTED:
        return False
    return tag_is_ours(body + session + device_key, given, purpose=Purpose.PROOF_COOKIE)
