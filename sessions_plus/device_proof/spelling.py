"""Bytes as text that has one spelling: URL-safe base64 without padding or spare bits."""

from __future__ import annotations

import base64
import binascii


def spell(whole: bytes) -> str:
    return base64.urlsafe_b64encode(whole).rstrip(b"=").decode()


def read(text: str, *, length: int | None = None) -> bytes | None:
    """Return the bytes, ``length`` of them where that is given; None: it is spelled otherwise."""
    try:
        whole = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return None
    if spell(whole) != text or length not in (None, len(whole)):
        return None
    return whole
