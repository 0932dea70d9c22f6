"""
Signatures over JSON: the one place that speaks to the JOSE library.

The algorithm is that of our own key, never the one that a token names.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from django.core.exceptions import ImproperlyConfigured
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OKPKey

from sessions_plus.exceptions import InvalidToken
from sessions_plus.named_types import Json, JsonObject

CURVES: Mapping[str, str] = {"ES256": "P-256", "EdDSA": "Ed25519"}

PrivateKey = ECKey | OKPKey
PublicKey = ECKey | OKPKey


class _Registry(jws.JWSRegistry):
    """
    Our two algorithms.

    ``EdDSA`` without the library's advice to write ``Ed25519`` (RFC 9864): few others know
    that name yet, and our keys are of that curve anyway.
    """

    def get_alg(self, name: str) -> Any:  # the library does not export its class
        if name not in CURVES:
            raise JoseError(f"The algorithm {name!r} is not one of ours.")
        return self.algorithms[name]


_REGISTRY = _Registry(algorithms=list(CURVES))


@dataclass(frozen=True, slots=True, repr=False)
class Parts:
    """A token, taken apart and not yet verified. ``header`` is all that may be looked at."""

    token: str
    header: Json


def new_private_key(algorithm: str) -> PrivateKey:
    """
    Return a fresh key for ``algorithm``.

    Raises:
        ImproperlyConfigured: it is neither ES256 nor EdDSA.
    """
    if algorithm not in CURVES:
        raise ImproperlyConfigured(
            f"SESSIONS_PLUS_TOKEN_ALGORITHM is {algorithm!r}. Write 'ES256' or 'EdDSA': "
            "others are too weak, or shared secrets."
        )
    if algorithm == "ES256":
        return ECKey.generate_key("P-256")
    return OKPKey.generate_key("Ed25519")


def private_key_from_pem(pem: str) -> PrivateKey:
    """
    Return the key in an entry of ``SESSIONS_PLUS_SIGNING_KEYS``.

    Raises:
        ImproperlyConfigured: it is no private key of P-256 or Ed25519.
    """
    for kind in (ECKey, OKPKey):
        try:
            key: PrivateKey = kind.import_key(pem)
        except (JoseError, ValueError, TypeError):
            continue
        if key.is_private and key.curve_name in CURVES.values():
            return key
    raise ImproperlyConfigured(
        "Each key in SESSIONS_PLUS_SIGNING_KEYS must be a private key of P-256 or Ed25519 as PEM. "
        "Make one with: openssl genpkey -algorithm ed25519"
    )


def algorithm_of(key: PublicKey) -> str:
    return "ES256" if key.curve_name == CURVES["ES256"] else "EdDSA"


def key_to_jwk(key: PrivateKey) -> bytes:
    return json.dumps(key.as_dict(private=True)).encode()


def key_from_jwk(jwk: Json) -> PublicKey:
    kind = ECKey if jwk["kty"] == "EC" else OKPKey
    return kind.import_key(dict(jwk))


def public_jwk(key: PrivateKey) -> JsonObject:
    """Return what the JWKS shows of a key (RFC 7517 §4)."""
    public = key.as_dict(private=False)
    named = {"kid": key.thumbprint(), "alg": algorithm_of(key), "use": "sig"}
    return {name: public[name] for name in ("kty", "crv", "x", "y") if name in public} | named


def sign(header: JsonObject, payload: bytes, key: PrivateKey) -> str:
    return jws.serialize_compact(header, payload, key, registry=_REGISTRY)


def take_apart(token: str) -> Parts:
    """
    Return a token's header, if the whole is spelled in the only way that we write it.

    Raises:
        InvalidToken: another number of parts, padding or spare bits, or no plain JSON object.
    """
    parts = token.split(".")
    if len(parts) != 3:
        raise InvalidToken("malformed")
    header, *_ = [_decode(part) for part in parts]
    return Parts(token, parse_object(header))


def verify(parts: Parts, key: PublicKey) -> Json:
    """
    Return the claims of a token that ``key`` signed.

    Raises:
        InvalidToken: it did not, or what it signed is no plain JSON object.
    """
    try:
        found = jws.deserialize_compact(parts.token, key, registry=_REGISTRY)
    except (JoseError, ValueError):
        raise InvalidToken("signature") from None
    return parse_object(found.payload)


def _decode(part: str) -> bytes:
    try:
        decoded = base64.b64decode(part + "=" * (-len(part) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise InvalidToken("malformed") from None
    if base64.urlsafe_b64encode(decoded).rstrip(b"=").decode() != part:
        raise InvalidToken("malformed")
    return decoded


def parse_object(encoded: bytes) -> JsonObject:
    """
    Return a JSON object whose names each occur once.

    With a name twice, two readers may believe two different things (RFC 7519 §4).

    Raises:
        InvalidToken: it is something else.
    """
    try:
        found = json.loads(encoded, object_pairs_hook=_once, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        raise InvalidToken("malformed") from None
    if not isinstance(found, dict):
        raise InvalidToken("malformed")
    return found


def _once(pairs: list[tuple[str, object]]) -> JsonObject:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("A name occurs twice.")
    return found


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON.")
