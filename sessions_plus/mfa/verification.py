"""
Whether what somebody typed is right: one place for every page and endpoint.

Every attempt is counted before it is looked at, in counters that all of them share.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from django.contrib.auth import authenticate, get_user_model
from django.contrib.auth.base_user import AbstractBaseUser
from django.views.decorators.debug import sensitive_variables

from sessions_plus.conf import conf
from sessions_plus.events import record
from sessions_plus.exceptions import InvalidCode, SealBroken, TooManyAttempts, WrongPassword
from sessions_plus.lifecycle.passwords import keep_sessions_if_rehashed
from sessions_plus.masked import Secret, revealed
from sessions_plus.mfa import recovery_codes, throttle, totp
from sessions_plus.mfa.guesses import counted_already
from sessions_plus.mfa.methods import RECOVERY_CODE, TOTP_CODE
from sessions_plus.mfa.typed_code import TypedCode, read_code
from sessions_plus.models import Authenticator, Event, Outcome, Scope
from sessions_plus.rows import session_row

if TYPE_CHECKING:
    from sessions_plus.client_info import ClientInfo


@sensitive_variables()
def verify_code(
    user: AbstractBaseUser, typed: Secret | str, *, client: ClientInfo | None, now: datetime
) -> str:
    """
    Use up a TOTP code or a recovery code; return its method, ``otp`` or ``rcv``.

    Raises:
        InvalidCode: it is wrong or was used before.
        TooManyAttempts: it was not looked at.
    """
    code = read_code(typed)
    if code is None:
        raise InvalidCode("malformed")
    address = throttle.of_address(client.ip_address if client is not None else None)
    count_attempt(Scope.ADDRESS, address, user, client, now)
    method = _use(user, code, client, now)
    throttle.give_back(Scope.ADDRESS, address)
    return method


@sensitive_variables()
def verify_password(
    user: AbstractBaseUser, password: Secret | str, *, client: ClientInfo | None, now: datetime
) -> None:
    """
    Check the password of somebody who is signed in.

    Raises:
        WrongPassword: it is another.
        TooManyAttempts: it was not looked at.
    """
    address = throttle.of_address(client.ip_address if client is not None else None)
    count_attempt(Scope.ADDRESS, address, user, client, now)
    count_attempt(Scope.PASSWORD, throttle.of_user(user), user, client, now)
    if not _is_password_of(user, revealed(password)):
        raise WrongPassword
    throttle.forget(Scope.PASSWORD, throttle.of_user(user))
    throttle.give_back(Scope.ADDRESS, address)


@sensitive_variables()
def _is_password_of(user: AbstractBaseUser, password: str) -> bool:
    if user.has_usable_password():
        with keep_sessions_if_rehashed(user):
            return user.check_password(password)
    # Kept elsewhere, by LDAP say: the backend that signs people in knows.
    name = {get_user_model().USERNAME_FIELD: user.get_username()}
    with counted_already():
        found = authenticate(None, **name, password=password)
    return found is not None and found.pk == user.pk


@sensitive_variables()
def _use(user: AbstractBaseUser, code: TypedCode, client: ClientInfo | None, now: datetime) -> str:
    """Use a code up as what it can be; return its method."""
    is_imported = code.may_be_imported and recovery_codes.are_imported(user)
    if code.is_recovery_code and not is_imported and not recovery_codes.is_ours(code.text):
        raise InvalidCode("malformed")
    if not code.is_recovery_code and (not is_imported or _has_app_for(user, code)):
        try:
            _use_totp_code(user, code.text, client, now)
        except InvalidCode:
            if not is_imported:
                raise
        else:
            return TOTP_CODE
    _use_recovery_code(user, code.text, client, now)
    return RECOVERY_CODE


def _has_app_for(user: AbstractBaseUser, code: TypedCode) -> bool:
    own = Authenticator.objects.using(session_row.database()).for_user(user).usable()
    return own.filter(digits=len(code.text)).exists()


@sensitive_variables()
def _use_recovery_code(
    user: AbstractBaseUser, code: str, client: ClientInfo | None, now: datetime
) -> None:
    count_attempt(Scope.RECOVERY, throttle.of_user(user), user, client, now)
    if not recovery_codes.spend(user, code, now=now):
        raise InvalidCode
    throttle.forget(Scope.RECOVERY, throttle.of_user(user))
    record(Event.RECOVERY_CODE_USED, user=user, client=client)


@sensitive_variables()
def _use_totp_code(
    user: AbstractBaseUser, code: str, client: ClientInfo | None, now: datetime
) -> None:
    """Try the code on each authenticator that may be tried, and has codes of that length."""
    count_attempt(Scope.ACCOUNT, throttle.of_user(user), user, client, now)
    own = Authenticator.objects.using(session_row.database()).for_user(user).totp().usable()
    failed: list[tuple[Authenticator, int]] = []
    refusal = "wrong"
    for authenticator in own.filter(digits=len(code)):
        number = _count_at(authenticator, now)
        if number is None:
            continue
        if number > conf.THROTTLE_HARD_LIMIT:
            failed.append((authenticator, number))
            continue
        try:
            step = totp.matching_step(authenticator, code, now=now)
        except SealBroken:
            refusal, step = "unreadable", None
        if step is not None and totp.spend(authenticator, step, now=now):
            _forgive(user, authenticator, [other for other, _number in failed])
            return
        if step is not None:
            refusal = "reused"
        failed.append((authenticator, number))
    for authenticator, number in failed:
        if number >= conf.THROTTLE_HARD_LIMIT:
            disable(authenticator, user, client=client, now=now)
    raise InvalidCode(refusal)


def _count_at(authenticator: Authenticator, now: datetime) -> int | None:
    """Count an attempt at one authenticator; None: it may not be tried now."""
    try:
        return throttle.take(Scope.AUTHENTICATOR, str(authenticator.public_id), now=now).number
    except TooManyAttempts:
        return None


def _forgive(user: AbstractBaseUser, matched: Authenticator, others: list[Authenticator]) -> None:
    """After a success begin again from zero, for the account and the authenticator used."""
    throttle.forget(Scope.ACCOUNT, throttle.of_user(user))
    throttle.forget(Scope.AUTHENTICATOR, str(matched.public_id))
    for other in others:
        # For them it was no wrong code, but another authenticator's right one.
        throttle.give_back(Scope.AUTHENTICATOR, str(other.public_id))


def disable(
    authenticator: Authenticator,
    user: AbstractBaseUser,
    *,
    client: ClientInfo | None,
    now: datetime,
) -> bool:
    """
    Accept no more codes of it, after too many wrong ones. Return False if it was so already.

    Its owner still needs a second factor to sign in: a recovery code, or the help desk.
    """
    usable = (
        Authenticator.objects.using(session_row.database()).usable().filter(pk=authenticator.pk)
    )
    if not usable.update(disabled_at=now):
        return False
    record(
        Event.AUTHENTICATOR_DISABLED,
        user=user,
        outcome=Outcome.FAILURE,
        reason="too_many_attempts",
        client=client,
    )
    return True


def count_attempt(
    scope: Scope,
    subject: str,
    user: AbstractBaseUser | None,
    client: ClientInfo | None,
    now: datetime,
) -> None:
    """
    Count an attempt; say so in the audit whenever the next one has to wait for it.

    Raises:
        TooManyAttempts: this one has to wait itself.
    """
    if throttle.take(scope, subject, now=now).starts_wait:
        record(
            Event.THROTTLED, user=user, outcome=Outcome.FAILURE, reason=scope.value, client=client
        )
