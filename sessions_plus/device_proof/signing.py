"""The proofs that a browser signs, made with a key in software: for the site's own doctor."""

from __future__ import annotations

import json

from sessions_plus.crypto import SoftwareKeyPair
from sessions_plus.device_proof.signed import TYPE
from sessions_plus.device_proof.spelling import spell


def first_proof(pair: SoftwareKeyPair, nonce: str) -> str:
    """Return a proof that brings the key along, as a browser sends it to register one."""
    return _signed(pair, {"alg": "ES256", "typ": TYPE, "jwk": pair.jwk}, nonce)


def later_proof(pair: SoftwareKeyPair, nonce: str) -> str:
    """Return a proof of a key that was registered."""
    return _signed(pair, {"alg": "ES256", "typ": TYPE}, nonce)


def _signed(pair: SoftwareKeyPair, header: dict[str, object], nonce: str) -> str:
    message = ".".join(spell(json.dumps(part).encode()) for part in (header, {"jti": nonce}))
    return f"{message}.{spell(pair.sign(message.encode()))}"
