"""A browser's device key, in software: what it makes, signs and sends (DBSC)."""

from __future__ import annotations

import json
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from sessions_plus.device_proof.spelling import spell


class SoftwareKey:
    """A key pair of one algorithm, and the proofs that it signs."""

    def __init__(self, algorithm: str = "ES256", *, bits: int = 2048) -> None:
        self.algorithm = algorithm
        self._key: Any = (
            ec.generate_private_key(ec.SECP256R1())
            if algorithm == "ES256"
            else rsa.generate_private_key(65537, bits)
        )

    @property
    def jwk(self) -> dict[str, str]:
        numbers = self._key.public_key().public_numbers()
        if self.algorithm == "ES256":
            point = {"x": _spelled(numbers.x, 32), "y": _spelled(numbers.y, 32)}
            return {"kty": "EC", "crv": "P-256", **point}
        size = (numbers.n.bit_length() + 7) // 8
        return {"kty": "RSA", "n": _spelled(numbers.n, size), "e": _spelled(numbers.e, 3)}

    def proof(self, nonce: str, **header: Any) -> str:
        """Return a proof of a key that is known."""
        return self.signed({"alg": self.algorithm, "typ": "dbsc+jwt", **header}, {"jti": nonce})

    def first_proof(self, nonce: str, **header: Any) -> str:
        """Return a proof that brings the key along."""
        return self.proof(nonce, jwk=self.jwk, **header)

    def signed(self, header: Any, claims: Any) -> str:
        parts = [spell(json.dumps(part).encode()) for part in (header, claims)]
        message = ".".join(parts)
        return f"{message}.{spell(self._sign(message.encode()))}"

    def _sign(self, message: bytes) -> bytes:
        if self.algorithm != "ES256":
            made: bytes = self._key.sign(message, padding.PKCS1v15(), SHA256())
            return made
        r, s = decode_dss_signature(self._key.sign(message, ec.ECDSA(SHA256())))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")


def _spelled(number: int, size: int) -> str:
    return spell(number.to_bytes(size, "big"))
