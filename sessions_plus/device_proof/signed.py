"""
What a browser signed with its device key: a JWT of type ``dbsc+jwt``, read and verified.

The algorithm is that of the key that was registered, and the first proof names it once.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from sessions_plus.crypto import signed_by
from sessions_plus.device_proof.spelling import read

ALGORITHMS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "ES256": ("EC", ("crv", "x", "y")),
    "RS256": ("RSA", ("n", "e")),
}
"""For each, the type of its keys, and the members that make one (RFC 7518 §6)."""

TYPE = "dbsc+jwt"


@dataclass(frozen=True, slots=True)
class DevicePublicKey:
    """A public key as a browser gave it, with nothing in it that is not its own."""

    algorithm: str
    jwk: Mapping[str, str]


@dataclass(frozen=True, slots=True, repr=False)
class Signed:
    """
    A proof, taken apart and not yet verified.

    ``key`` is what it names itself, at registration only.
    """

    algorithm: str
    key: DevicePublicKey | None
    nonce: str
    audience: str | None
    message: bytes
    signature: bytes


def take_apart(proof: str) -> Signed | None:
    """Return the parts of a proof; None where it is not of the one form that browsers write."""
    parts = proof.split(".")
    if len(parts) != 3:
        return None
    header, claims, signature = (read(part) for part in parts)
    if header is None or claims is None or signature is None:
        return None
    said, told = _object(header), _object(claims)
    algorithm, nonce, audience = said.get("alg"), told.get("jti"), told.get("aud")
    if not isinstance(algorithm, str) or algorithm not in ALGORITHMS:
        return None
    if said.get("typ") != TYPE or "crit" in said:
        return None
    if not isinstance(nonce, str) or not isinstance(audience, str | None):
        return None
    key = _key(algorithm, said["jwk"]) if "jwk" in said else None
    if "jwk" in said and key is None:
        return None
    message = f"{parts[0]}.{parts[1]}".encode()
    return Signed(algorithm, key, nonce, audience, message, signature)


def is_signed_by(signed: Signed, key: DevicePublicKey, *, audience: str) -> bool:
    """Say whether this very key signed it, for whoever is at ``audience``, a full address."""
    if signed.algorithm != key.algorithm or signed.audience not in (None, audience):
        return False
    return signed_by(key.algorithm, key.jwk, signed.message, signed.signature)


def _key(algorithm: str, jwk: object) -> DevicePublicKey | None:
    kind, members = ALGORITHMS[algorithm]
    if not isinstance(jwk, dict) or jwk.get("kty") != kind or "d" in jwk:
        return None
    if not all(isinstance(jwk.get(name), str) for name in members):
        return None
    return DevicePublicKey(algorithm, {name: jwk[name] for name in members})


def _object(encoded: bytes) -> dict[str, object]:
    """Return a JSON object whose names each occur once; empty where it is none."""
    try:
        found = json.loads(encoded, object_pairs_hook=_once)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("A name occurs twice.")  # two readers might believe two things
    return found
