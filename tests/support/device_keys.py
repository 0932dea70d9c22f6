"""A browser's device key, in software: what it makes, signs and sends (DBSC)."""

from __future__ import annotations

import json
from typing import Any

from asgiref.sync import async_to_sync
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from sessions_plus.device_proof.spelling import spell
from tests.conftest import World
from tests.support.browsers import Browser


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


class KeyBrowser(Browser):
    """A browser that asks by HTTPS and does by itself what Chromium does with device keys."""

    def __init__(self, world: World, *, algorithm: str = "ES256") -> None:
        super().__init__(world)
        self.key_pair = SoftwareKey(algorithm)
        self.offer: str | None = None
        self.identifier = ""
        self.proof_cookie = ""

    def get(self, name: str, /, **parameters: str) -> Any:
        return self.ask("GET", f"/{self.world.name}/{name}/", data=parameters)

    def ask(self, method: str, path: str, *, data: Any = None, **headers: str | None) -> Any:
        """Ask for a path; a header's name is written with underscores."""
        sent = {"user-agent": self.user_agent, **self.headers}
        sent |= {name.replace("_", "-"): text for name, text in headers.items() if text is not None}
        act: Any = getattr(self.client, method.lower())
        if self.world.is_async:
            act = async_to_sync(act)
        return act(path, data, secure=True, headers=sent)

    def sign_in(self, name: str) -> None:
        """Sign in, and keep what was offered."""
        self.response = self.get("sign-in", name=name)
        self.offer = self.response.headers.get("Secure-Session-Registration")

    @property
    def offered_nonce(self) -> str:
        assert self.offer is not None
        return self.offer.rpartition('challenge="')[2].removesuffix('"')

    def register(self, proof: str | None = None, **headers: str | None) -> Any:
        proof = self.key_pair.first_proof(self.offered_nonce) if proof is None else proof
        answer = self.ask("POST", REGISTER, secure_session_response=proof, **headers)
        if answer.status_code == 200:
            told = answer.json()
            self.identifier = told["session_identifier"]
            self.proof_cookie = told["credentials"][0]["name"]
        return answer

    def bind(self, name: str) -> None:
        """Sign in, register, and show the proof once, as the next page does."""
        self.sign_in(name)
        assert self.register().status_code == 200
        assert self.text("who") == name

    def ask_to_refresh(self, nonce: str | None = None, **headers: str | None) -> Any:
        proof = None if nonce is None else self.key_pair.proof(nonce)
        sent = {"sec_secure_session_id": self.identifier, "secure_session_response": proof}
        return self.ask("POST", REFRESH, **{**sent, **headers})

    def refresh(self) -> Any:
        """Prove the key, as the browser does before a request without a proof cookie."""
        return self.ask_to_refresh(nonce_in(self.ask_to_refresh()))

    def lose_proof(self) -> None:
        """Let the proof cookie's age end, as the browser sees it."""
        del self.cookies[self.proof_cookie]


REGISTER = "/account/device-key/register/"
REFRESH = "/account/device-key/refresh/"


def nonce_in(response: Any) -> str:
    """Return what a response tells the browser to sign next."""
    return str(response.headers["Secure-Session-Challenge"]).split('"')[1]
