"""What browsers are told to ask an authenticator for (WebAuthn §5.4, §5.5), as JSON."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from django.contrib.auth.base_user import AbstractBaseUser

from sessions_plus.mfa.passkeys import base64url
from sessions_plus.mfa.passkeys.library import ALGORITHMS
from sessions_plus.mfa.passkeys.relying_party import RelyingParty
from sessions_plus.models import Authenticator
from sessions_plus.named_types import JsonObject

TIMEOUT = timedelta(minutes=5)

Options = JsonObject


def to_make(
    user: AbstractBaseUser,
    *,
    party: RelyingParty,
    nonce: bytes,
    user_handle: bytes,
    known: Iterable[Authenticator],
    is_alone: bool,
) -> Options:
    """
    Return the options for making a passkey, on no authenticator that has one of the ``known``.

    ``is_alone``: it is to sign in by itself, so the authenticator has to keep who it is of, and
    to ask for a finger, a face or a PIN. Else it is asked to, where it can.
    """
    name = user.get_username()
    full_name = getattr(user, "get_full_name", lambda: "")()
    return {
        "rp": {"id": party.id, "name": party.name},
        "user": {
            "id": base64url.encode(user_handle),
            "name": name,
            "displayName": full_name or name,
        },
        "challenge": base64url.encode(nonce),
        "pubKeyCredParams": [{"type": "public-key", "alg": number} for number in ALGORITHMS],
        "timeout": _milliseconds(TIMEOUT),
        "attestation": "none",
        "excludeCredentials": _descriptors(known),
        "authenticatorSelection": {
            "residentKey": "required" if is_alone else "preferred",
            "requireResidentKey": is_alone,
            "userVerification": "required" if is_alone else "preferred",
        },
        "hints": [],
        "extensions": {"credProps": True},
    }


def to_use(
    *,
    party: RelyingParty,
    nonce: bytes,
    known: Iterable[Authenticator] = (),
    needs_verification: bool,
) -> Options:
    """
    Return the options for using a passkey: one of the ``known``, or any where there are none.

    For somebody who has proved nothing yet none is named, whoever they say they are: else
    anybody could learn who has which.
    """
    return {
        "challenge": base64url.encode(nonce),
        "rpId": party.id,
        "timeout": _milliseconds(TIMEOUT),
        "allowCredentials": _descriptors(known),
        "userVerification": "required" if needs_verification else "preferred",
        "hints": [],
    }


def _descriptors(passkeys: Iterable[Authenticator]) -> list[dict[str, object]]:
    return [
        {
            "type": "public-key",
            "id": base64url.encode(bytes(passkey.credential_id or b"")),
            "transports": passkey.transports.split(),
        }
        for passkey in passkeys
    ]


def _milliseconds(duration: timedelta) -> int:
    return int(duration.total_seconds() * 1000)
