"""
An authenticator for tests, and the browser around it: makes passkeys and signs with them.

Written from WebAuthn Level 3 §5.8 and §6 and from RFC 9052 (COSE), with ``cryptography`` alone, so
that our verification is not checked by itself. Everything that it says can be said wrongly.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from django.contrib.auth.models import User
from django.utils import timezone

from sessions_plus.mfa.passkeys import registration
from sessions_plus.mfa.passkeys.relying_party import RelyingParty
from tests.support.authenticators import SESSION

ES256, EDDSA, ES384, RS256 = -7, -8, -35, -257
PRESENT, VERIFIED, ELIGIBLE, BACKED_UP, ATTESTED, EXTENDED = 0x01, 0x04, 0x08, 0x10, 0x40, 0x80

Json = dict[str, Any]


def encoded(data: bytes) -> str:
    """Base64url without padding (RFC 4648 §5)."""
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def cbor(value: Any) -> bytes:
    """RFC 8949, as far as authenticators need it."""
    match value:
        case int():
            return _head(0, value) if value >= 0 else _head(1, -1 - value)
        case bytes():
            return _head(2, len(value)) + value
        case str():
            return _head(3, len(value.encode())) + value.encode()
        case list():
            return _head(4, len(value)) + b"".join(map(cbor, value))
        case dict():
            pairs = b"".join(cbor(key) + cbor(item) for key, item in value.items())
            return _head(5, len(value)) + pairs
    raise TypeError(value)


def _head(kind: int, number: int) -> bytes:
    if number < 24:
        return bytes([kind << 5 | number])
    for code, size in ((24, 1), (25, 2), (26, 4), (27, 8)):
        if number < 1 << 8 * size:
            return bytes([kind << 5 | code]) + number.to_bytes(size, "big")
    raise ValueError(number)


class Key:
    """A key pair, and its public half as COSE has it."""

    def __init__(self, algorithm: int = ES256, *, rsa_bits: int = 2048) -> None:
        self.algorithm = algorithm
        self.private: Any
        if algorithm in (ES256, ES384):
            self.private = ec.generate_private_key(
                ec.SECP256R1() if algorithm == ES256 else ec.SECP384R1()
            )
        elif algorithm == EDDSA:
            self.private = ed25519.Ed25519PrivateKey.generate()
        else:
            self.private = rsa.generate_private_key(public_exponent=65537, key_size=rsa_bits)

    def cose(self) -> dict[int, Any]:
        public = self.private.public_key()
        if self.algorithm == EDDSA:
            return {1: 1, 3: EDDSA, -1: 6, -2: public.public_bytes_raw()}
        numbers = public.public_numbers()
        if self.algorithm == RS256:
            size = (numbers.n.bit_length() + 7) // 8
            return {1: 3, 3: RS256, -1: numbers.n.to_bytes(size, "big"), -2: b"\x01\x00\x01"}
        curve, size = (1, 32) if self.algorithm == ES256 else (2, 48)
        x, y = (number.to_bytes(size, "big") for number in (numbers.x, numbers.y))
        return {1: 2, 3: self.algorithm, -1: curve, -2: x, -3: y}

    def sign(self, data: bytes) -> bytes:
        if self.algorithm == EDDSA:
            return bytes(self.private.sign(data))
        if self.algorithm == RS256:
            return bytes(self.private.sign(data, padding.PKCS1v15(), hashes.SHA256()))
        sha = hashes.SHA256() if self.algorithm == ES256 else hashes.SHA384()
        return bytes(self.private.sign(data, ec.ECDSA(sha)))


@dataclass
class Passkey:
    """One passkey in an authenticator."""

    id: bytes
    key: Key
    rp_id: str
    user_handle: bytes
    count: int = 0


@dataclass
class SoftwareAuthenticator:
    """
    Somebody's phone, or security key.

    ``is_synced``: its passkeys go to the person's other devices, and so it counts nothing.
    ``verifies``: it asks for a finger, a face or a PIN.
    """

    origin: str = "http://testserver"
    is_synced: bool = True
    verifies: bool = True
    algorithm: int = ES256
    aaguid: UUID = field(default_factory=lambda: UUID(int=0))
    transports: tuple[str, ...] = ("internal", "hybrid")
    passkeys: list[Passkey] = field(default_factory=list)

    # What a browser does with the options that a page hands it

    def make(self, options: Json, **wrong: Any) -> Json:
        """
        Make a passkey; return ``PublicKeyCredential.toJSON()``.

        ``wrong`` is said in place of what is right: ``origin``, ``type``, ``nonce``, ``client``
        (further client data), ``rp_id``, ``flags`` (added) and ``without`` (taken away),
        ``credential_id``, ``cose``, ``format``, ``statement``, ``data`` (the whole
        authenticator data), ``attestation_object``.
        """
        passkey = Passkey(
            id=wrong.get("credential_id", os.urandom(32)),
            key=Key(self.algorithm),
            rp_id=options["rp"]["id"],
            user_handle=decoded(options["user"]["id"]),
            count=0 if self.is_synced else 1,
        )
        client = self._client_data("webauthn.create", options, wrong)
        credential = b"".join(
            [
                self.aaguid.bytes,
                len(passkey.id).to_bytes(2, "big"),
                passkey.id,
                cbor(wrong.get("cose", passkey.key.cose())),
            ]
        )
        data = wrong.get("data", self._data(passkey, ATTESTED, wrong) + credential)
        attestation = {
            "fmt": wrong.get("format", "none"),
            "attStmt": wrong.get("statement", {}),
            "authData": data,
        }
        self.passkeys.append(passkey)
        return {
            "id": encoded(passkey.id),
            "rawId": encoded(passkey.id),
            "type": "public-key",
            "authenticatorAttachment": "platform",
            "clientExtensionResults": {"credProps": {"rk": True}},
            "response": {
                "clientDataJSON": encoded(client),
                "attestationObject": encoded(wrong.get("attestation_object", cbor(attestation))),
                "authenticatorData": encoded(data),
                "publicKeyAlgorithm": self.algorithm,
                "transports": list(self.transports),
            },
        }

    def use(self, options: Json, passkey: Passkey | None = None, **wrong: Any) -> Json:
        """
        Sign with a passkey: the one of that domain, made last, or ``passkey``.

        ``wrong`` as for ``make()``, and ``count``, ``signature``, ``user_handle``, ``key``.
        """
        passkey = passkey or self._chosen(options)
        if not self.is_synced:
            passkey.count += 1
        client = self._client_data("webauthn.get", options, wrong)
        data = wrong.get("data", self._data(passkey, 0, wrong))
        key = wrong.get("key", passkey.key)
        signed = key.sign(data + hashlib.sha256(client).digest())
        response = {
            "clientDataJSON": encoded(client),
            "authenticatorData": encoded(data),
            "signature": encoded(wrong.get("signature", signed)),
            "userHandle": encoded(wrong.get("user_handle", passkey.user_handle)),
        }
        credential_id = wrong.get("credential_id", passkey.id)
        return {
            "id": encoded(credential_id),
            "rawId": encoded(credential_id),
            "type": "public-key",
            "authenticatorAttachment": "platform",
            "clientExtensionResults": {},
            "response": response,
        }

    def _chosen(self, options: Json) -> Passkey:
        allowed = {decoded(entry["id"]) for entry in options["allowCredentials"]}
        fit = [
            passkey
            for passkey in self.passkeys
            if passkey.rp_id == options["rpId"] and (not allowed or passkey.id in allowed)
        ]
        return fit[-1]

    def _client_data(self, kind: str, options: Json, wrong: Json) -> bytes:
        facts = {
            "type": wrong.get("type", kind),
            "challenge": encoded(wrong.get("nonce", decoded(options["challenge"]))),
            "origin": wrong.get("origin", self.origin),
            "crossOrigin": False,
        }
        return json.dumps(facts | wrong.get("client", {})).encode()

    def _data(self, passkey: Passkey, flags: int, wrong: Json) -> bytes:
        flags |= PRESENT | (VERIFIED if self.verifies else 0)
        flags |= (ELIGIBLE | BACKED_UP) if self.is_synced else 0
        flags = (flags | wrong.get("flags", 0)) & ~wrong.get("without", 0)
        domain = hashlib.sha256(wrong.get("rp_id", passkey.rp_id).encode()).digest()
        count: int = wrong.get("count", passkey.count)
        return domain + bytes([flags]) + count.to_bytes(4, "big")


def a_party(host: str = "testserver", *origins: str) -> RelyingParty:
    """The tests' site, as passkeys know it."""
    return RelyingParty(host, origins or (f"http://{host}",), host)


def enrol_passkey(
    user: User,
    authenticator: SoftwareAuthenticator | None = None,
    *,
    at: datetime | None = None,
    party: RelyingParty | None = None,
    name: str = "",
) -> SoftwareAuthenticator:
    """Give ``user`` a passkey, half an hour before ``at``; return what holds it."""
    moment = (at or timezone.now()) - timedelta(minutes=30)
    party = party or a_party()
    holder = authenticator or SoftwareAuthenticator(origin=party.origins[0])
    options = registration.begin(user, party=party, session_public_id=SESSION, now=moment)
    registration.finish(
        user,
        holder.make(options),
        party=party,
        authority=None,
        session_public_id=SESSION,
        name=name,
        client=None,
        now=moment,
    )
    return holder
