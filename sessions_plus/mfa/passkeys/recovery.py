"""
The way back for who gave up their password and lost their passkeys: a recovery code.

It signs nobody in. It opens a waiting sign-in in which a new passkey is set up and nothing
else can be done; with that passkey the sign-in is complete.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from django.contrib.auth import get_user_model
from django.contrib.auth.base_user import AbstractBaseUser
from django.views.decorators.debug import sensitive_variables

from sessions_plus.events import record
from sessions_plus.exceptions import ChallengeOver, InvalidCode
from sessions_plus.lifecycle.user_names import as_user_name
from sessions_plus.masked import Secret
from sessions_plus.mfa import challenge as challenges
from sessions_plus.mfa import recovery_codes, throttle
from sessions_plus.mfa.challenge import Passed
from sessions_plus.mfa.enrolment import Enrolled
from sessions_plus.mfa.methods import RECOVERY_CODE
from sessions_plus.mfa.passkeys import registration
from sessions_plus.mfa.passkeys.only_factor import has_given_up_password
from sessions_plus.mfa.passkeys.options import Options
from sessions_plus.mfa.passkeys.relying_party import RelyingParty
from sessions_plus.mfa.passkeys.uses import find_user
from sessions_plus.mfa.typed_code import read_code
from sessions_plus.mfa.verification import count_attempt
from sessions_plus.models import Challenge, Event, Outcome, Scope

if TYPE_CHECKING:
    from sessions_plus.client_info import ClientInfo


@sensitive_variables()
def recover(
    name: str, typed: Secret | str, *, client: ClientInfo | None, now: datetime
) -> tuple[AbstractBaseUser, str]:
    """
    Use up a recovery code of who gave up their password; return them, and their backend.

    Raises:
        InvalidCode: there is nobody of that name, they have a password, or the code is not
            theirs: one answer for all of these.
        TooManyAttempts: it was not looked at.
    """
    address = throttle.of_address(client.ip_address if client is not None else None)
    count_attempt(Scope.ADDRESS, address, None, client, now)
    user = _find(name)
    # Looked for also where it could not be anybody's, so that it takes as long.
    code = read_code(typed)
    is_theirs = (
        code is not None
        and code.is_recovery_code
        and recovery_codes.spend(user or get_user_model()(), code.text, now=now)
    )
    found = find_user(user.pk) if user is not None and is_theirs else None
    if found is None:
        record(
            Event.SIGN_IN_FAILED,
            user=user,
            outcome=Outcome.FAILURE,
            reason="recovery",
            client=client,
        )
        raise InvalidCode
    record(Event.RECOVERY_CODE_USED, user=user, client=client)
    throttle.give_back(Scope.ADDRESS, address)
    return found


def _find(name: str) -> AbstractBaseUser | None:
    """Return who has that name, if a recovery code is enough for them."""
    model = get_user_model()
    if as_user_name(name) is None:
        return None
    try:
        user: AbstractBaseUser = model._default_manager.get_by_natural_key(name)
    except (model.DoesNotExist, model.MultipleObjectsReturned):
        return None
    return user if has_given_up_password(user) else None


def is_recovery(challenge: Challenge) -> bool:
    """Say whether a waiting sign-in waits for a new passkey."""
    return challenge.methods.split() == [RECOVERY_CODE]


def begin(challenge: Challenge, *, party: RelyingParty, now: datetime) -> Options:
    """
    Return what the browser of a waiting sign-in is to make a passkey by.

    Raises:
        ChallengeOver: it waits for something else, or its user may not sign in any more.
        TooManyPasskeys: they have as many as there may be.
    """
    user = _user_of(challenge)
    session = challenge.session_public_id
    if session is None:
        raise ChallengeOver
    return registration.begin(user, party=party, session_public_id=session, now=now)


def finish(
    challenge: Challenge,
    sent: object,
    *,
    party: RelyingParty,
    name: str,
    client: ClientInfo | None,
    now: datetime,
) -> tuple[Passed, Enrolled]:
    """
    Complete the passkey, and with it the sign-in, for ``mfa.sign_in.finish()``.

    Raises:
        ChallengeOver: it is over, waits for something else, or its user may not sign in.
        EnrolmentOver, PasskeyRefused, PasskeyNotAllowed: see ``registration.finish()``.
    """
    user = _user_of(challenge)
    enrolled = registration.finish(
        user,
        sent,
        party=party,
        authority=None,
        session_public_id=challenge.session_public_id,
        name=name,
        client=client,
        now=now,
    )
    if not challenges.close(challenge, now=now):
        raise ChallengeOver
    methods = (RECOVERY_CODE, *enrolled.methods)
    return Passed(user, challenge.backend, methods), enrolled


def _user_of(challenge: Challenge) -> AbstractBaseUser:
    if not is_recovery(challenge):
        raise ChallengeOver
    return challenges.get_user(challenge)
