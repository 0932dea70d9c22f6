"""
What authenticators are told of the passkeys that still count here (WebAuthn §5.1.10).

Invariant for whoever edits this: an authenticator may forget or hide whatever is not on the
list. So it is all that there are, of whatever state, is never made of a query that failed, and
is only shown to whom they belong.
"""

from __future__ import annotations

from collections.abc import Iterable

from django.contrib.auth.base_user import AbstractBaseUser

from sessions_plus.mfa.passkeys import base64url
from sessions_plus.mfa.passkeys.credentials import passkeys
from sessions_plus.mfa.passkeys.relying_party import RelyingParty
from sessions_plus.models import Authenticator

Signal = dict[str, object]


def find_accepted(user: AbstractBaseUser, party: RelyingParty) -> Signal | None:
    """See accepted_of(). One query."""
    return accepted_of(user, list(passkeys().for_user(user)), party)


def accepted_of(
    user: AbstractBaseUser, own: Iterable[Authenticator], party: RelyingParty
) -> Signal | None:
    """
    Return what tells of all passkeys of ``user`` for the site, which are among their ``own``.

    None where there are none: by which handle they would be known is not known then. Pure.
    """
    own = [passkey for passkey in own if passkey.is_passkey and passkey.rp_id == party.id]
    if not own:
        return None
    handle = bytes(own[0].user_handle or b"")
    name = user.get_username()
    return {
        "rpId": party.id,
        "userId": base64url.encode(handle),
        "allAcceptedCredentialIds": [
            base64url.encode(bytes(passkey.credential_id or b""))
            for passkey in own
            if bytes(passkey.user_handle or b"") == handle
        ],
        "name": name,
        "displayName": getattr(user, "get_full_name", lambda: "")() or name,
    }


def unknown(*, credential_id: bytes, rp_id: str) -> Signal:
    """Return what tells an authenticator that one passkey counts no more."""
    return {"rpId": rp_id, "credentialId": base64url.encode(credential_id)}
