"""
The library that verifies signatures, in the one place that knows it (``webauthn``).

It parses bytes of strangers with more parsers below it, which fail in ways of their own; all
of them are one answer here.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sessions_plus.exceptions import PasskeyRefused
from sessions_plus.mfa.passkeys import base64url
from sessions_plus.mfa.passkeys.sent import Assertion, NewPasskey

# ES256, EdDSA and RS256, by their numbers in COSE: what authenticators in use speak.
ES256, EDDSA, RS256 = -7, -8, -257
ALGORITHMS = (EDDSA, ES256, RS256)
P256 = 1
MIN_RSA_BITS = 2048


@dataclass(frozen=True, slots=True, repr=False)
class Credential:
    """A passkey whose making was verified. ``public_key`` is its COSE key."""

    credential_id: bytes
    public_key: bytes
    aaguid: UUID


@contextmanager
def _refusing(reason: str) -> Iterator[None]:
    try:
        yield
    except PasskeyRefused:
        raise
    except Exception:
        raise PasskeyRefused(reason) from None


def attested_data(attestation_object: bytes) -> bytes:
    """Return the authenticator data of a new passkey, of what its authenticator said of it."""
    from webauthn.helpers import parse_cbor

    with _refusing("malformed"):
        found = parse_cbor(attestation_object)["authData"]
    if not isinstance(found, bytes):
        raise PasskeyRefused("malformed")
    return found


def verify_new(new: NewPasskey, *, rp_id: str, needs_presence: bool) -> Credential:
    """
    Return what a new passkey is.

    Which make it is was not asked for, so whatever it proves of that is left out: with it
    certificates of strangers would be parsed for nothing.
    """
    from webauthn import verify_registration_response
    from webauthn.helpers import encode_cbor

    with _refusing("credential"):
        data = attested_data(new.attestation_object)
        plain = encode_cbor({"fmt": "none", "attStmt": {}, "authData": data})
        response = new.as_json["response"] | {"attestationObject": base64url.encode(plain)}
        found = verify_registration_response(
            credential=new.as_json | {"response": response},
            expected_challenge=new.client.nonce,
            expected_rp_id=rp_id,
            expected_origin=new.client.origin,
            require_user_presence=needs_presence,
            supported_pub_key_algs=list(ALGORITHMS),  # type: ignore[arg-type]  # an IntEnum
        )
        check_key(found.credential_public_key)
        if found.credential_id != new.credential_id:
            raise PasskeyRefused("credential")
        return Credential(found.credential_id, found.credential_public_key, UUID(found.aaguid))


def check_key(public_key: bytes) -> None:
    """
    See to it that signatures can be verified with a COSE key, and that it is a strong one.

    Raises:
        PasskeyRefused: it is none, of another algorithm, or weak.
    """
    from webauthn.helpers import decode_credential_public_key, decoded_public_key_to_cryptography

    with _refusing("credential"):
        # Of which kind the key is has yet to be seen, and so what it has.
        decoded: Any = decode_credential_public_key(public_key)
        key: Any = decoded_public_key_to_cryptography(decoded)  # the same
    if decoded.alg not in ALGORITHMS:
        raise PasskeyRefused("algorithm")
    if decoded.alg == ES256 and decoded.crv != P256:
        raise PasskeyRefused("algorithm")
    if decoded.alg == RS256 and key.key_size < MIN_RSA_BITS:
        raise PasskeyRefused("algorithm")


def verify_signature(assertion: Assertion, *, public_key: bytes, rp_id: str) -> None:
    """
    See to it that the passkey with this key signed.

    What the nonce and the origin have to be was checked before. Nor is the count looked at
    here: that is one conditional UPDATE.
    """
    from webauthn import verify_authentication_response

    with _refusing("signature"):
        verify_authentication_response(
            credential=assertion.as_json,
            expected_challenge=assertion.client.nonce,
            expected_rp_id=rp_id,
            expected_origin=assertion.client.origin,
            credential_public_key=public_key,
            credential_current_sign_count=0,
        )
