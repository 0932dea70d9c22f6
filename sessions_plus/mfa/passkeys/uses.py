"""
What passkeys are used for: signing in, confirming a password, proving oneself again.

One function each, which every page and endpoint calls. Whatever is refused leaves one event.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING
from uuid import UUID

from django.conf import settings
from django.contrib.auth import load_backend
from django.contrib.auth.base_user import AbstractBaseUser
from django.views.decorators.debug import sensitive_variables

from sessions_plus.authority import Authority
from sessions_plus.events import record
from sessions_plus.exceptions import (
    ChallengeOver,
    PasskeyNeedsPassword,
    PasskeyRefused,
    PasskeysOff,
)
from sessions_plus.masked import Secret
from sessions_plus.mfa import challenge as challenges
from sessions_plus.mfa import throttle
from sessions_plus.mfa.challenge import Passed
from sessions_plus.mfa.methods import PASSKEY
from sessions_plus.mfa.passkeys import assertion, nonces, options
from sessions_plus.mfa.passkeys.assertion import Asked, Verified
from sessions_plus.mfa.passkeys.credentials import passkeys
from sessions_plus.mfa.passkeys.nonces import Use
from sessions_plus.mfa.passkeys.options import Options
from sessions_plus.mfa.passkeys.relying_party import RelyingParty, sign_in_alone
from sessions_plus.mfa.reauthentication import Proved, check_own, prove
from sessions_plus.mfa.verification import count_attempt
from sessions_plus.models import Authenticator, Challenge, Event, Outcome, Scope
from sessions_plus.models.authenticator import AuthenticatorQuerySet
from sessions_plus.named_types import Arguments, SiteUser, UserId

if TYPE_CHECKING:
    from sessions_plus.client_info import ClientInfo


def own(user: AbstractBaseUser, party: RelyingParty) -> AuthenticatorQuerySet:
    """Return the passkeys that ``user`` can use here."""
    return passkeys().usable().for_user(user).filter(rp_id=party.id)


# Signing in


def sign_in_options(party: RelyingParty, *, use: Use, holder: str, now: datetime) -> Options:
    """
    Return what a browser, or a program, is to ask for. Nothing is read or stored.

    ``holder`` is what it alone has, and has to come with again.

    Raises:
        PasskeysOff: here a passkey only confirms a password.
    """
    if not sign_in_alone():
        raise PasskeysOff
    nonce = nonces.make(use, holder, now=now)
    return options.to_use(party=party, nonce=nonce, needs_verification=True)


def sign_in(
    sent: object,
    *,
    party: RelyingParty,
    use: Use,
    holder: str,
    client: ClientInfo | None,
    now: datetime,
) -> Passed:
    """
    Return who may sign in by the passkey that signed, for ``mfa.sign_in.finish()``.

    Raises:
        PasskeyUnknown, PasskeyRefused, PasskeyNeedsPassword: see there.
        TooManyAttempts: it was not looked at.
        PasskeysOff: here a passkey only confirms a password.
    """
    if not sign_in_alone():
        raise PasskeysOff
    with _noted(Event.SIGN_IN_FAILED, None, client=client, now=now):
        is_nonce = partial(nonces.is_ours, use=use, holder=holder, now=now)
        verified = assertion.verify(sent, Asked(party, is_nonce))
        found = find_user(verified.passkey.user_id)
        if found is None:
            raise _of(verified.passkey, PasskeyRefused("user"))
        if PASSKEY not in verified.methods:
            raise _of(verified.passkey, PasskeyNeedsPassword())
        _spend(verified, now=now)
        user, backend = found
        _accept(verified, user, may_upgrade=False, client=client, now=now)
    return Passed(user, backend, verified.methods)


def find_user(user_id: UserId) -> tuple[AbstractBaseUser, str] | None:
    """
    Return a user who may sign in, and the first of the site's backends that says so, or None.

    No backend of ours: Django finds nobody in a session whose backend the site does not name.
    """
    for path in settings.AUTHENTICATION_BACKENDS:
        user: SiteUser = load_backend(path).get_user(user_id)
        if user is not None:
            return user, path
    return None


# Confirming a password


def challenge_options(
    challenge: Challenge, user: AbstractBaseUser, party: RelyingParty
) -> Options | None:
    """Return what is to be asked for a second factor; None where ``user`` has no passkey."""
    known = list(own(user, party))
    if not known:
        return None
    nonce = nonces.of_row(Use.CHALLENGE, challenge.public_id)
    return options.to_use(party=party, nonce=nonce, known=known, needs_verification=False)


def pass_challenge(
    challenge: Challenge,
    sent: object,
    *,
    party: RelyingParty,
    client: ClientInfo | None,
    now: datetime,
) -> Passed:
    """
    Pass a waiting sign-in with a passkey of who began it. See ``challenge.pass_()``.

    Raises:
        ChallengeOver: it was passed or abandoned, has expired, or its user may not sign in.
        PasskeyUnknown, PasskeyRefused: see there; the challenge waits on.
        TooManyAttempts: it was not looked at.
    """
    user = challenges.get_user(challenge)
    challenges.check_first_factor(challenge)
    about = {"user": user, "session_public_id": challenge.session_public_id}
    with _noted(Event.CHALLENGE_FAILED, about, client=client, now=now):
        is_nonce = partial(nonces.is_of_row, use=Use.CHALLENGE, public_id=challenge.public_id)
        verified = assertion.verify(sent, Asked(party, is_nonce, user))
        _accept(verified, user, may_upgrade=True, client=client, now=now)
    if not challenges.close(challenge, now=now):
        raise ChallengeOver
    return Passed(user, challenge.backend, (*challenge.methods.split(), *verified.methods))


# Proving oneself again


def reauthentication_options(
    authority: Authority, user: AbstractBaseUser, party: RelyingParty, *, now: datetime
) -> Options | None:
    """Return what is to be asked for; None where ``user`` has no passkey."""
    known = list(own(user, party))
    if not known:
        return None
    holder = _holder_of(authority.session_public_id)
    nonce = nonces.make(Use.REAUTHENTICATION, holder, now=now)
    return options.to_use(party=party, nonce=nonce, known=known, needs_verification=False)


@sensitive_variables()
def reauthenticate(
    authority: Authority,
    user: AbstractBaseUser,
    sent: object,
    *,
    party: RelyingParty,
    password: Secret | str | None = None,
    client: ClientInfo | None,
    now: datetime,
) -> tuple[str, ...]:
    """
    Let ``user`` prove themselves again by a passkey, and by the password where it is given.

    See ``mfa.reauthentication.reauthenticate()``.

    Raises:
        PasskeyUnknown, PasskeyRefused, WrongPassword: see there.
        TooManyAttempts: it was not looked at.
        ActingForAnother, PermissionDenied: see ``reauthentication.check_own``.
    """
    check_own(authority, user)
    methods = prove(user, password=password, typed=None, client=client, now=now)
    about = {"user": user, "session_public_id": authority.session_public_id}
    holder = _holder_of(authority.session_public_id)
    with _noted(Event.REAUTHENTICATION_FAILED, about, client=client, now=now):
        is_nonce = partial(nonces.is_ours, use=Use.REAUTHENTICATION, holder=holder, now=now)
        verified = assertion.verify(sent, Asked(party, is_nonce, user))
        _spend(verified, now=now)
        _accept(verified, user, may_upgrade=bool(methods), client=client, now=now)
    proved = (*methods, *verified.methods)
    authority.bind(Proved(user.pk, proved), client=client, now=now)
    return proved


# What they have in common


@contextmanager
def _noted(
    event: Event, about: Arguments | None, *, client: ClientInfo | None, now: datetime
) -> Iterator[None]:
    """
    Count an attempt from this network before it is looked at, and record why it is refused.

    None is counted for an account: a stranger would keep its owner out. ``about`` None: who it
    is of is not known before.
    """
    address = throttle.of_address(client.ip_address if client is not None else None)
    user = about["user"] if about is not None else None
    count_attempt(Scope.ADDRESS, address, user, client, now)
    try:
        yield
    except PasskeyRefused as refusal:
        facts = about if about is not None else {"user_id": refusal.user_id}
        reason = f"passkey_{refusal.reason}"
        record(event, outcome=Outcome.FAILURE, reason=reason, client=client, **facts)
        raise
    throttle.give_back(Scope.ADDRESS, address)


def _spend(verified: Verified, *, now: datetime) -> None:
    if not nonces.spend(verified.assertion.client.nonce, now=now):
        raise _of(verified.passkey, PasskeyRefused("replayed"))


def _accept(
    verified: Verified,
    user: AbstractBaseUser,
    *,
    may_upgrade: bool,
    client: ClientInfo | None,
    now: datetime,
) -> None:
    if assertion.accept(verified, may_upgrade=may_upgrade, now=now):
        return
    passkey = verified.passkey
    if not passkeys().filter(pk=passkey.pk).exists():
        raise _of(passkey, PasskeyRefused("removed"))
    # It is not switched off: which of the two is the copy nobody knows, and its owner may
    # have nothing else.
    record(
        Event.AUTHENTICATOR_CLONED,
        user=user,
        outcome=Outcome.FAILURE,
        reason="count_went_back",
        client=client,
    )
    raise _of(passkey, PasskeyRefused("cloned"))


def _of(passkey: Authenticator, refusal: PasskeyRefused) -> PasskeyRefused:
    refusal.user_id = passkey.user_id
    return refusal


def _holder_of(session_public_id: UUID) -> str:
    return str(session_public_id)
