"""By what somebody can confirm who they are, on the page that asks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.db import models
from django.http import HttpRequest

from sessions_plus.exceptions import PasskeyEnrolmentRequired, PasskeyRequired
from sessions_plus.mfa.passkeys.credentials import passkeys
from sessions_plus.mfa.passkeys.relying_party import RelyingParty, find_relying_party
from sessions_plus.models import Authenticator, AuthenticatorKind
from sessions_plus.rows import session_row

if TYPE_CHECKING:
    from django.contrib.auth.base_user import AbstractBaseUser


@dataclass(frozen=True, slots=True)
class Ways:
    """
    What an account has.

    ``has_app``
        an authenticator app, also one that was switched off: its owner is not told.
    ``has_passkey``
        a passkey that can be used here.
    ``has_any``
        a second factor at all, so that recovery codes count, too.
    """

    has_app: bool
    has_passkey: bool
    has_any: bool


def missing_passkey(
    user: models.Model, request: HttpRequest | None = None
) -> PasskeyRequired | PasskeyEnrolmentRequired:
    """
    Return what somebody lacks who has to use a passkey: to do so, or to have one. One query.

    Without a ``request`` on a site that does not say where it is, any of theirs counts.
    """
    party = find_relying_party(request)
    own = passkeys().usable().for_user(user)
    if party is not None:
        own = own.filter(rp_id=party.id)
    return PasskeyRequired() if own.exists() else PasskeyEnrolmentRequired()


def ways_of(user: AbstractBaseUser, party: RelyingParty | None) -> Ways:
    """Return what ``user`` has. One query."""
    own = Authenticator.objects.using(session_row.database()).for_user(user).confirmed()
    found = list(own.values_list("kind", "rp_id"))
    kinds = [kind for kind, _ in found]
    here = party.id if party is not None else None
    return Ways(
        has_app=AuthenticatorKind.TOTP in kinds,
        has_passkey=here is not None and (AuthenticatorKind.PASSKEY, here) in found,
        has_any=bool(found),
    )
