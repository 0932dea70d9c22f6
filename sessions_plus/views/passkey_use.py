"""Using a passkey: to sign in, to confirm a password, to prove oneself again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from sessions_plus.cookies import device_token_in, set_device_cookie
from sessions_plus.crypto import digest
from sessions_plus.decorators import mfa_exempt
from sessions_plus.devices.recognition import usable_token
from sessions_plus.exceptions import ChallengeOver, PasskeysOff
from sessions_plus.lifecycle.persistence import keep_signed_in
from sessions_plus.mfa import challenge as challenges
from sessions_plus.mfa import sign_in
from sessions_plus.mfa.passkeys import uses
from sessions_plus.mfa.passkeys.accepted import find_accepted
from sessions_plus.mfa.passkeys.nonces import Use
from sessions_plus.mfa.passkeys.relying_party import RelyingParty, get_relying_party
from sessions_plus.models import Challenge
from sessions_plus.named_types import SiteUser
from sessions_plus.store.of_request import current_store
from sessions_plus.views.onward import onward_to
from sessions_plus.views.scripted import body_of, own_proof, scripted, secret_in

if TYPE_CHECKING:
    from django.contrib.auth.base_user import AbstractBaseUser


MAX_PASSWORD_LENGTH = 4096  # Django's own limit for what it hashes


@mfa_exempt
@login_not_required
def passkey_sign_in_options(request: HttpRequest) -> HttpResponseBase:
    """
    Say what the browser of a stranger is to ask a passkey for.

    The browser is told from others by its device cookie. Where it has none it gets one: that
    costs no row, and is what it will be recognised by once somebody signed in.
    """
    token = usable_token(device_token_in(request.COOKIES))

    def options(request: HttpRequest) -> dict[str, object]:
        party = get_relying_party(request)
        return uses.sign_in_options(
            party, use=Use.SIGN_IN, holder=digest(token), now=timezone.now()
        )

    response = scripted(options)(request)
    if device_token_in(request.COOKIES) != token and response.status_code == 200:
        set_device_cookie(response, token)
    return response


@mfa_exempt
@scripted
@sensitive_variables()
def passkey_sign_in(request: HttpRequest) -> dict[str, object]:
    """Sign in whoever's passkey signed, and say where to go on."""
    body, party = body_of(request), get_relying_party(request)
    passed = uses.sign_in(
        body.get("credential"),
        party=party,
        use=Use.SIGN_IN,
        holder=digest(device_token_in(request.COOKIES) or ""),
        client=getattr(request, "client_info", None),
        now=timezone.now(),
    )
    sign_in.finish(request, passed)
    if body.get("keep_signed_in") is False:
        keep_signed_in(request.session, keep=False)
    return _onward(request, body, passed.user, party)


@mfa_exempt
@scripted
def passkey_challenge_options(request: HttpRequest) -> dict[str, object]:
    """Say what is to be asked for, as the second factor of a waiting sign-in."""
    waiting, party = _waiting(request), get_relying_party(request)
    user = challenges.get_user(waiting)
    options = uses.challenge_options(waiting, user, party)
    if options is None:
        raise PasskeysOff
    return options


@mfa_exempt
@scripted
@sensitive_variables()
def passkey_challenge(request: HttpRequest) -> dict[str, object]:
    """Complete a waiting sign-in, and say where to go on."""
    body, party = body_of(request), get_relying_party(request)
    passed = uses.pass_challenge(
        _waiting(request),
        body.get("credential"),
        party=party,
        client=getattr(request, "client_info", None),
        now=timezone.now(),
    )
    sign_in.finish(request, passed, wants_trust=body.get("trust") is True)
    return _onward(request, body, passed.user, party)


def _waiting(request: HttpRequest) -> Challenge:
    waiting = sign_in.waiting_challenge(current_store(request), now=timezone.now())
    if waiting is None:
        raise ChallengeOver
    return waiting


@mfa_exempt
@scripted
def passkey_reauthenticate_options(request: HttpRequest) -> dict[str, object]:
    """Say what is to be asked for of somebody who is signed in."""
    authority, party = own_proof(request), get_relying_party(request)
    options = uses.reauthentication_options(authority, _user(request), party, now=timezone.now())
    if options is None:
        raise PasskeysOff
    return options


@mfa_exempt
@scripted
@sensitive_variables()
def passkey_reauthenticate(request: HttpRequest) -> dict[str, object]:
    """Let somebody prove themselves again, and say where to go on."""
    authority, party, body = own_proof(request), get_relying_party(request), body_of(request)
    uses.reauthenticate(
        authority,
        _user(request),
        body.get("credential"),
        party=party,
        password=secret_in(body, "password", at_most=MAX_PASSWORD_LENGTH),
        client=getattr(request, "client_info", None),
        now=timezone.now(),
    )
    return _onward(request, body, _user(request), party)


def _user(request: HttpRequest) -> SiteUser:
    return request.user


def _onward(
    request: HttpRequest, body: dict[str, object], user: AbstractBaseUser, party: RelyingParty
) -> dict[str, object]:
    target = body.get("next")
    return {
        "next": onward_to(request, target if isinstance(target, str) else ""),
        "accepted": find_accepted(user, party),
    }
