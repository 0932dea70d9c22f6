"""
Every use of cryptography: sealing, tags, digests, and the key ring behind them.

One master key never does two jobs: each purpose has a key of its own, derived
with HKDF (RFC 5869), and each sealed value a key of its own below that.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

from cryptography.exceptions import InvalidSignature, InvalidTag, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import (
    decode_dss_signature,
    encode_dss_signature,
)
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.utils.encoding import force_bytes

from sessions_plus.conf import conf
from sessions_plus.exceptions import SealBroken

ENVELOPE_VERSION = b"\x01"
KEY_ID_BYTES = 4
SALT_BYTES = 16
NONCE_BYTES = 12
TAG_BYTES = 16
HEADER_BYTES = len(ENVELOPE_VERSION) + KEY_ID_BYTES + SALT_BYTES + NONCE_BYTES
MASTER_KEY_BYTES = 32

# With random nonces of 96 bits, far below the 2**32 that one key may seal (NIST SP 800-38D §8.3).
SEALS_PER_SHARED_SALT = 2**20


class Purpose(StrEnum):
    """What a key is for. A value made for one purpose is meaningless for any other."""

    SESSION_DATA = "session-data"
    CACHE_ENTRY = "cache-entry"
    SUCCESSOR = "successor"
    TOTP_SECRET = "totp-secret"  # noqa: S105 - a label, not a secret
    PASSKEY = "passkey"
    PASSKEY_NONCE = "passkey-nonce"
    SIGNING_KEY = "signing-key"
    SESSION_KEY = "session-key"
    DEVICE_TOKEN = "device-token"  # noqa: S105
    CHALLENGE = "challenge"
    RECOVERY_CODE = "recovery-code"
    NOTICE_LINK = "notice-link"
    CLIENT_ADDRESS = "client-address"
    USER_NAME = "user-name"
    EMAIL_ADDRESS = "email-address"
    TRUST = "trust"
    OLD_KEY = "old-key"
    DEVICE_KEY = "device-key"
    DEVICE_KEY_NAME = "device-key-name"
    PROOF_NONCE = "proof-nonce"
    PROOF_COOKIE = "proof-cookie"
    SELF_CHECK = "self-check"

    # An enum's own is a Python function, and this is looked up several times a request.
    __hash__ = str.__hash__


@dataclass(frozen=True, slots=True, repr=False)
class MasterKey:
    """One key of the ring, known in envelopes by ``key_id`` (4 bytes, harmless)."""

    key_id: bytes
    secret: bytes

    def for_purpose(self, purpose: Purpose) -> bytes:
        return _derive(self.secret, purpose)


def _expand(secret: bytes, info: bytes) -> bytes:
    """One block of HKDF-Expand (RFC 5869 §2.3): 32 bytes are all that we ever need."""
    return hmac.digest(secret, info + b"\x01", "sha256")


def _extract(salt: bytes, material: bytes) -> bytes:
    """HKDF-Extract (RFC 5869 §2.2)."""
    return hmac.digest(salt, material, "sha256")


@lru_cache(maxsize=256)
def _derive(secret: bytes, purpose: Purpose) -> bytes:
    return _expand(secret, b"sessions_plus:" + purpose.encode())


@lru_cache(maxsize=1024)
def _shared_cipher(secret: bytes, purpose: Purpose, salt: bytes) -> AESGCM:
    return AESGCM(_expand(_derive(secret, purpose), salt))


class _SharedSalt(threading.local):
    """The salt of this thread's next cache entries."""

    value = b""
    process = 0
    left = 0

    def take(self) -> bytes:
        if not self.left or self.process != os.getpid():
            self.value, self.process = os.urandom(SALT_BYTES), os.getpid()
            self.left = SEALS_PER_SHARED_SALT
        self.left -= 1
        return self.value


_shared_salt = _SharedSalt()


@lru_cache(maxsize=8)
def _ring(
    encoded_keys: tuple[str, ...], secret_keys: tuple[str | bytes, ...]
) -> tuple[MasterKey, ...]:
    materials = [decode_master_key(key) for key in encoded_keys]
    materials += [force_bytes(key) for key in secret_keys] if not materials else []
    secrets = [_extract(b"sessions_plus.master", material) for material in materials]
    return tuple(
        MasterKey(_expand(secret, b"sessions_plus:key-id")[:KEY_ID_BYTES], secret)
        for secret in secrets
    )


def decode_master_key(encoded: str) -> bytes:
    """
    Return the bytes of one entry of ``SESSIONS_PLUS_ENCRYPTION_KEYS``.

    Raises:
        ImproperlyConfigured: it is not base64 of at least 32 bytes.
    """
    try:
        material = base64.b64decode(encoded.replace("-", "+").replace("_", "/"), validate=True)
    except (binascii.Error, ValueError, AttributeError):
        material = b""
    if len(material) < MASTER_KEY_BYTES:
        raise ImproperlyConfigured(
            "Each key in SESSIONS_PLUS_ENCRYPTION_KEYS must be base64 of at least 32 random "
            'bytes. Make one with: python -c "import base64, secrets; '
            'print(base64.b64encode(secrets.token_bytes(32)).decode())"'
        )
    return material


def key_ring() -> tuple[MasterKey, ...]:
    """The master keys in force, the one that seals first."""
    return conf.derived("key ring", _configured_ring)


def _configured_ring() -> tuple[MasterKey, ...]:
    encoded = tuple(conf.ENCRYPTION_KEYS)
    return _ring(encoded, (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS))


def place_of_old_keys() -> str:
    """Where a key of before is to be written, so that what it sealed opens: for a sentence."""
    if conf.ENCRYPTION_KEYS:
        return "at the end of SESSIONS_PLUS_ENCRYPTION_KEYS"
    return "into SECRET_KEY_FALLBACKS"


def context(*parts: object) -> bytes:
    """
    Join what a value belongs to, so that no two different lists read the same.

    Each part is written with its length before it: ``("a", "bc")`` and
    ``("ab", "c")`` differ. None and the empty string differ too.
    """
    joined = bytearray()
    for part in parts:
        text = b"\x00" if part is None else b"=" + str(part).encode()
        joined += len(text).to_bytes(4, "big") + text
    return bytes(joined)


def seal(plaintext: bytes, *, purpose: Purpose, bound_to: bytes) -> bytes:
    """
    Encrypt and authenticate ``plaintext`` (AES-256-GCM, NIST SP 800-38D).

    The envelope is ``version | key id | salt | nonce | ciphertext and tag``. It
    opens only with the same ``purpose`` and ``bound_to`` (see ``context``), so
    a value moved to another row or column is refused. The salt gives each
    envelope its own key, which keeps random nonces far from their limit. Cache
    entries share one for a while, so that reading them needs no new cipher each.
    """
    master = key_ring()[0]
    nonce = os.urandom(NONCE_BYTES)
    salt = _shared_salt.take() if purpose is Purpose.CACHE_ENTRY else os.urandom(SALT_BYTES)
    cipher = _cipher(master, purpose, salt)
    return (
        ENVELOPE_VERSION + master.key_id + salt + nonce + cipher.encrypt(nonce, plaintext, bound_to)
    )


def unseal(envelope: bytes, *, purpose: Purpose, bound_to: bytes) -> bytes:
    """
    Return what ``seal`` was given.

    Raises:
        SealBroken: forged, cut, moved, or sealed under a key that is not in the ring.
    """
    if len(envelope) < HEADER_BYTES + TAG_BYTES or envelope[:1] != ENVELOPE_VERSION:
        raise SealBroken
    key_id, rest = envelope[1:5], envelope[5:]
    salt, nonce, sealed = rest[:16], rest[16:28], rest[28:]
    for master in key_ring():
        if master.key_id == key_id:
            try:
                return _cipher(master, purpose, salt).decrypt(nonce, sealed, bound_to)
            except InvalidTag:
                raise SealBroken from None
    raise SealBroken


def _cipher(master: MasterKey, purpose: Purpose, salt: bytes) -> AESGCM:
    if purpose is Purpose.CACHE_ENTRY:
        return _shared_cipher(master.secret, purpose, salt)
    return AESGCM(_expand(master.for_purpose(purpose), salt))


def sealed_under_current_key(envelope: bytes) -> bool:
    """Say whether an envelope needs no re-sealing."""
    return envelope[1:5] == key_ring()[0].key_id


def seal_under(secret: str, plaintext: bytes, *, purpose: Purpose, bound_to: bytes) -> bytes:
    """
    Seal so that only the holder of ``secret`` (a key or token we gave out) can open it.

    Used for a rotated key's successor: the database alone, even with our own
    master keys, does not give the successor away.
    """
    cipher = AESGCM(_expand(_extract(purpose.encode(), secret.encode()), bound_to))
    nonce = os.urandom(NONCE_BYTES)
    return nonce + cipher.encrypt(nonce, plaintext, bound_to)


def unseal_under(secret: str, envelope: bytes, *, purpose: Purpose, bound_to: bytes) -> bytes:
    """
    Return what ``seal_under`` was given.

    Raises:
        SealBroken: the secret is another, or the envelope was damaged or moved.
    """
    cipher = AESGCM(_expand(_extract(purpose.encode(), secret.encode()), bound_to))
    try:
        return cipher.decrypt(envelope[:NONCE_BYTES], envelope[NONCE_BYTES:], bound_to)
    except (InvalidTag, ValueError):
        raise SealBroken from None


class _Mac:
    """
    HMAC-SHA-256 (RFC 2104) under one key, which is taken in once and not with each message.

    Two copies of prepared states take less than half the time: each session key that comes is
    looked at so. Our keys are of 32 bytes; one of more than 64 would have to be hashed first.
    """

    __slots__ = ("_inner", "_outer")

    def __init__(self, key: bytes) -> None:
        block = key.ljust(hashlib.sha256().block_size, b"\0")
        self._inner = hashlib.sha256(bytes(byte ^ 0x36 for byte in block))
        self._outer = hashlib.sha256(bytes(byte ^ 0x5C for byte in block))

    def of(self, message: bytes) -> bytes:
        inner, outer = self._inner.copy(), self._outer.copy()
        inner.update(message)
        outer.update(inner.digest())
        return outer.digest()


@lru_cache(maxsize=256)
def _mac(secret: bytes, purpose: Purpose) -> _Mac:
    return _Mac(_derive(secret, purpose))


def tag(message: bytes, *, purpose: Purpose, size: int) -> bytes:
    """Return the first ``size`` bytes of a keyed MAC (HMAC-SHA-256) over ``message``."""
    return _mac(key_ring()[0].secret, purpose).of(message)[:size]


def tag_is_ours(message: bytes, given: bytes, *, purpose: Purpose) -> bool:
    """Say, in constant time, whether ``given`` is a tag that any key of the ring made."""
    for master in key_ring():
        made = _mac(master.secret, purpose).of(message)
        if hmac.compare_digest(made[: len(given)], given):
            return True
    return False


# A smaller one can be broken (NIST SP 800-131A), a larger one is work for whoever sends it.
RSA_BITS = (2048, 4096)
LARGEST_RSA_EXPONENT = 2**32


def signed_by(algorithm: str, jwk: Mapping[str, str], message: bytes, signed: bytes) -> bool:
    """
    Say whether a signature of ``message`` is by the public key ``jwk`` (RFC 7518 §3.3, §3.4).

    ``algorithm``: ``ES256`` or ``RS256``; ``jwk`` has the members of its keys as text. False
    also where the key is none, or weak.
    """
    try:
        if algorithm == "ES256":
            _verify_es256(jwk, message, signed)
        else:
            _verify_rs256(jwk, message, signed)
    except (InvalidSignature, UnsupportedAlgorithm, ValueError):
        return False
    return True


def _verify_es256(jwk: Mapping[str, str], message: bytes, signed: bytes) -> None:
    if jwk["crv"] != "P-256" or len(signed) != 64:
        raise ValueError
    numbers = ec.EllipticCurvePublicNumbers(_number(jwk["x"]), _number(jwk["y"]), ec.SECP256R1())
    r, s = (int.from_bytes(half, "big") for half in (signed[:32], signed[32:]))
    key = numbers.public_key()  # refuses what is no point of the curve
    key.verify(encode_dss_signature(r, s), message, ec.ECDSA(SHA256()))


def _verify_rs256(jwk: Mapping[str, str], message: bytes, signed: bytes) -> None:
    exponent, modulus = _number(jwk["e"]), _number(jwk["n"])
    smallest, largest = RSA_BITS
    if not smallest <= modulus.bit_length() <= largest or exponent >= LARGEST_RSA_EXPONENT:
        raise ValueError
    key = rsa.RSAPublicNumbers(exponent, modulus).public_key()
    key.verify(signed, message, padding.PKCS1v15(), SHA256())


class SoftwareKeyPair:
    """A key pair for ``ES256`` that lives in this object alone (RFC 7518 §3.4, §6.2.1)."""

    def __init__(self) -> None:
        self._private = ec.generate_private_key(ec.SECP256R1())

    @property
    def jwk(self) -> dict[str, str]:
        """Its public half."""
        numbers = self._private.public_key().public_numbers()
        point = {"x": _encoded(numbers.x), "y": _encoded(numbers.y)}
        return {"kty": "EC", "crv": "P-256", **point}

    def sign(self, message: bytes) -> bytes:
        r, s = decode_dss_signature(self._private.sign(message, ec.ECDSA(SHA256())))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")


def _encoded(number: int) -> str:
    """Write a coordinate of a point as JWKs have it."""
    return base64.urlsafe_b64encode(number.to_bytes(32, "big")).rstrip(b"=").decode()


def _number(encoded: str) -> int:
    """Return a number of a JWK: base64url, the highest byte first."""
    padded = encoded + "=" * (-len(encoded) % 4)
    return int.from_bytes(base64.b64decode(padded, altchars=b"-_", validate=True), "big")


def signature(message: bytes, *, secret: bytes) -> bytes:
    """Return the HMAC-SHA-256 of a message for a receiver who has the same secret."""
    return hmac.digest(secret, message, "sha256")


def keyed_digests(message: str, *, purpose: Purpose) -> list[str]:
    """
    Return the keyed digest (hex) of ``message`` under each key of the ring, newest first.

    What is stored is the first; what is looked up may be any of them.
    """
    return [
        hmac.digest(master.for_purpose(purpose), message.encode(), "sha256").hex()
        for master in key_ring()
    ]


def otp_hash(name: str) -> Callable[..., object]:
    """Return the hash of RFC 6238 §1.2 that an ``otpauth`` link names: ``SHA1``, ``SHA256``…"""
    return {"SHA1": hashlib.sha1, "SHA256": hashlib.sha256, "SHA512": hashlib.sha512}[name]


def digest(secret: str) -> str:
    """Return the SHA-256 (hex, 64 characters) of a secret of at least 128 random bits."""
    return hashlib.sha256(secret.encode()).hexdigest()


def digest_of(data: bytes) -> str:
    """Return the SHA-256 (hex, 64 characters) of any bytes."""
    return hashlib.sha256(data).hexdigest()


def has_digest(secret: str, expected: bytes) -> bool:
    """Say, in constant time, whether these 32 bytes are the secret's ``digest``."""
    return hmac.compare_digest(hashlib.sha256(secret.encode()).digest(), expected)


def same(one: str, other: str) -> bool:
    """Compare two secrets or digests in constant time."""
    return hmac.compare_digest(one.encode(), other.encode())
