"""
What a browser sent of a passkey, read strictly before anything is believed of it.

The shapes are those of ``PublicKeyCredential.toJSON()`` (WebAuthn §5.1). Whatever is not of
them is one answer, ``PasskeyRefused("malformed")``; what is not asked for is left out.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

from sessions_plus.exceptions import PasskeyRefused
from sessions_plus.mfa.passkeys import base64url
from sessions_plus.mfa.passkeys.credentials import MAX_ID_BYTES
from sessions_plus.named_types import Json, JsonObject

MAX_BYTES = 16 * 1024
"""How long the JSON of one credential may be, at most."""

MAX_HANDLE_BYTES = 64  # WebAuthn §5.4.3
MIN_DATA_BYTES = 37

TRANSPORT = re.compile(r"[a-z-]{1,16}")
MAX_TRANSPORTS = 6


@dataclass(frozen=True, slots=True, repr=False)
class ClientData:
    """
    What the browser says of the page that asked (WebAuthn §5.8.1).

    ``is_framed``
        the page was embedded in one of another site, or the browser did not clearly say no.
    """

    type: str
    nonce: bytes
    origin: str
    is_framed: bool


@dataclass(frozen=True, slots=True, repr=False)
class AuthenticatorData:
    """What the authenticator says of itself, and signs (WebAuthn §6.1)."""

    rp_id_hash: bytes
    is_present: bool
    is_verified: bool
    backup_eligible: bool
    backed_up: bool
    sign_count: int


@dataclass(frozen=True, slots=True, repr=False)
class Assertion:
    """
    A signature of a passkey that there is.

    ``user_handle``
        None: not sent. ``as_json``: the parts that a signature is verified with.
    """

    credential_id: bytes
    client: ClientData
    data: AuthenticatorData
    user_handle: bytes | None
    as_json: JsonObject


@dataclass(frozen=True, slots=True, repr=False)
class NewPasskey:
    """
    A passkey that was just made.

    ``transports``
        how browsers reach it, in their words. ``is_discoverable``: None where the browser
        did not say.
    """

    credential_id: bytes
    client: ClientData
    attestation_object: bytes
    transports: tuple[str, ...]
    is_discoverable: bool | None
    as_json: JsonObject


def read_assertion(sent: object) -> Assertion:
    """
    Return what was sent to prove something.

    Raises:
        PasskeyRefused: it is nothing of the kind.
    """
    credential, response = _credential(sent)
    data = _bytes(response, "authenticatorData")
    handle = response.get("userHandle")
    names = ("clientDataJSON", "authenticatorData", "signature")
    return Assertion(
        credential_id=_id(credential),
        client=_client_data(_bytes(response, "clientDataJSON")),
        data=authenticator_data(data),
        user_handle=_bytes(response, "userHandle", at_most=MAX_HANDLE_BYTES) if handle else None,
        as_json=_clean(credential, {name: _spelled(response, name) for name in names}),
    )


def read_new_passkey(sent: object) -> NewPasskey:
    """
    Return what was sent to enrol a passkey.

    Raises:
        PasskeyRefused: it is nothing of the kind.
    """
    credential, response = _credential(sent)
    names = ("clientDataJSON", "attestationObject")
    return NewPasskey(
        credential_id=_id(credential),
        client=_client_data(_bytes(response, "clientDataJSON")),
        attestation_object=_bytes(response, "attestationObject"),
        transports=transports(response.get("transports")),
        is_discoverable=_is_discoverable(credential),
        as_json=_clean(credential, {name: _spelled(response, name) for name in names}),
    )


def authenticator_data(data: bytes) -> AuthenticatorData:
    """
    Return what the first bytes of authenticator data say; the rest is for who verifies it.

    Raises:
        PasskeyRefused: it is too short.
    """
    if len(data) < MIN_DATA_BYTES:
        raise PasskeyRefused("malformed")
    flags = data[32]
    return AuthenticatorData(
        rp_id_hash=data[:32],
        is_present=bool(flags & 0x01),
        is_verified=bool(flags & 0x04),
        backup_eligible=bool(flags & 0x08),
        backed_up=bool(flags & 0x10),
        sign_count=int.from_bytes(data[33:37], "big"),
    )


def parse(text: str | bytes) -> object:
    """
    Return what a JSON text says.

    Raises:
        PasskeyRefused: it is none, is too long, or says something twice.
    """
    if len(text) > MAX_BYTES:
        raise PasskeyRefused("oversize")
    try:
        return json.loads(text, object_pairs_hook=_once)
    except (ValueError, RecursionError):
        raise PasskeyRefused("malformed") from None


def _once(pairs: list[tuple[str, object]]) -> JsonObject:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("A name occurs twice.")
    return found


def _credential(sent: object) -> tuple[Json, Json]:
    """Return the credential and its response."""
    if not isinstance(sent, Mapping) or sent.get("type") != "public-key":
        raise PasskeyRefused("malformed")
    response = sent.get("response")
    if not isinstance(response, Mapping):
        raise PasskeyRefused("malformed")
    return sent, response


def _clean(credential: Json, response: dict[str, str]) -> JsonObject:
    return {
        "id": credential["id"],
        "rawId": credential["id"],
        "type": "public-key",
        "response": response,
    }


def _id(credential: Json) -> bytes:
    credential_id = _bytes(credential, "id", at_most=MAX_ID_BYTES)
    if not credential_id or credential.get("rawId") != credential["id"]:
        raise PasskeyRefused("malformed")
    return credential_id


def _text(owner: Json, name: str) -> str:
    text = owner.get(name)
    if not isinstance(text, str):
        raise PasskeyRefused("malformed")
    return text


def _spelled(owner: Json, name: str) -> str:
    """Return bytes as they were sent, once they are in their one spelling."""
    _bytes(owner, name)
    return _text(owner, name)


def _bytes(owner: Json, name: str, *, at_most: int = MAX_BYTES) -> bytes:
    try:
        data = base64url.decode(_text(owner, name))
    except ValueError:
        raise PasskeyRefused("malformed") from None
    if len(data) > at_most:
        raise PasskeyRefused("oversize")
    return data


def _client_data(raw: bytes) -> ClientData:
    try:
        found = parse(raw.decode())
    except UnicodeDecodeError:
        raise PasskeyRefused("malformed") from None
    if not isinstance(found, dict):
        raise PasskeyRefused("malformed")
    return ClientData(
        type=_text(found, "type"),
        nonce=_bytes(found, "challenge"),
        origin=_text(found, "origin"),
        is_framed=found.get("crossOrigin", False) is not False or "topOrigin" in found,
    )


def transports(given: object) -> tuple[str, ...]:
    """Return what has the form of one. They are hints only, so that what is odd is dropped."""
    words = given if isinstance(given, list) else []
    fit = [word for word in words if isinstance(word, str) and TRANSPORT.fullmatch(word)]
    return tuple(dict.fromkeys(fit))[:MAX_TRANSPORTS]


def _is_discoverable(credential: Json) -> bool | None:
    extensions = credential.get("clientExtensionResults")
    properties = extensions.get("credProps") if isinstance(extensions, Mapping) else None
    found = properties.get("rk") if isinstance(properties, Mapping) else None
    return found if isinstance(found, bool) else None
