"""Base64url without padding (RFC 4648 §5), as WebAuthn's JSON has bytes: one spelling of each."""

from __future__ import annotations

import base64
import binascii
import re

ALPHABET = re.compile(r"[A-Za-z0-9_-]*")


def encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def decode(text: str) -> bytes:
    """
    Return the bytes.

    Raises:
        ValueError: it holds other signs, or is not how ``encode`` would have spelled it.
    """
    if not ALPHABET.fullmatch(text):
        raise ValueError("Not base64url.")
    try:
        data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except binascii.Error as error:
        raise ValueError("Not base64url.") from error
    if encode(data) != text:
        raise ValueError("Not the one spelling.")
    return data
