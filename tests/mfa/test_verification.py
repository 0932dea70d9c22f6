"""Codes and passwords, verified in one place with counters that all doors share."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from django.contrib.auth.models import User
from django.test import override_settings

from sessions_plus.client_info import ClientInfo
from sessions_plus.exceptions import InvalidCode, TooManyAttempts, WrongPassword
from sessions_plus.mfa.verification import verify_code, verify_password
from sessions_plus.models import Authenticator, Event, Outcome, Scope, SessionEvent, Throttle
from tests.support.authenticators import App, enrol, only

HERE = ClientInfo.of(ip_address="203.0.113.5")
STEP = timedelta(seconds=30)


def verify(user: User, typed: str, now: datetime) -> str:
    return verify_code(user, typed, client=HERE, now=now)


def fail(user: User, app: App, now: datetime, times: int) -> None:
    for _ in range(times):
        with pytest.raises(InvalidCode):
            verify(user, app.wrong_code(now), now)


def test_either_kind_of_code_is_right(user: User, now: datetime) -> None:
    """A TOTP code and a recovery code both prove the second factor, and say which."""
    app = enrol(user, at=now)

    assert verify(user, app.code(now), now) == "otp"
    assert verify(user, app.recovery_codes[0].lower(), now) == "rcv"
    assert SessionEvent.objects.filter(event=Event.RECOVERY_CODE_USED, user=user).count() == 1


def test_asvs_6_5_1_codes_work_once(user: User, now: datetime) -> None:
    """No code works twice, nor an earlier one after a later one."""
    app = enrol(user, at=now)
    verify(user, app.code(now, steps=1), now)

    for typed in (app.code(now, steps=1), app.code(now), app.code(now, steps=-1)):
        with pytest.raises(InvalidCode):
            verify(user, typed, now)


def test_the_code_that_confirmed_does_not_work_again(user: User, now: datetime) -> None:
    """The code that completed the enrolment is used up."""
    moment = now - timedelta(minutes=30)
    app = enrol(user, at=now)

    with pytest.raises(InvalidCode) as refused:
        verify(user, app.code(moment), moment)
    assert refused.value.reason == "reused"


def test_asvs_6_3_1_a_right_code_waits_too(user: User, now: datetime) -> None:
    """Beyond the limit not even the right code is looked at; after the wait it is accepted."""
    app = enrol(user, at=now)
    fail(user, app, now, 10)

    with pytest.raises(TooManyAttempts):
        verify(user, app.code(now), now)

    later = now + STEP
    assert verify(user, app.code(later), later) == "otp"
    fail(user, app, later, 9)


def test_recovery_works_while_codes_wait(user: User, now: datetime) -> None:
    """Whoever is held up by wrong TOTP codes may still use a recovery code."""
    app = enrol(user, at=now)
    fail(user, app, now, 10)

    assert verify(user, app.recovery_codes[0], now) == "rcv"


def test_asvs_6_3_1_the_hard_limit_disables(user: User, now: datetime) -> None:
    """After too many wrong codes in a row the authenticator is off for good, and it is noted."""
    app = enrol(user, at=now)
    with override_settings(SESSIONS_PLUS_THROTTLE_HARD_LIMIT=12):
        fail(user, app, now, 10)
        fail(user, app, now := now + STEP, 1)
        fail(user, app, now := now + 2 * STEP, 1)
        now += timedelta(hours=2)
        with pytest.raises(InvalidCode):
            verify(user, app.code(now), now)

    assert only(user).disabled_at is not None
    events = SessionEvent.objects.filter(event=Event.AUTHENTICATOR_DISABLED, user=user)
    assert [event.outcome for event in events] == [Outcome.FAILURE]
    assert verify(user, app.recovery_codes[0], now) == "rcv"


def test_success_forgives(user: User, now: datetime) -> None:
    """A right code lets all attempts be free again, and keeps the hard limit away."""
    app = enrol(user, at=now)
    fail(user, app, now, 9)

    verify(user, app.code(now), now)

    left = Throttle.objects.exclude(scope=Scope.ADDRESS).filter(attempts__gt=0)
    assert not left.exists()


def test_what_cannot_be_a_code_is_not_counted(user: User, now: datetime) -> None:
    """A slip of the finger costs no attempt."""
    enrol(user, at=now)

    with pytest.raises(InvalidCode):
        verify(user, "12a456", now)

    assert not Throttle.objects.exists()


def test_one_authenticator_does_not_wear_out_another(user: User, now: datetime) -> None:
    """Using one of two authenticators every day is no wrong code for the other."""
    first, second = enrol(user, at=now, name="phone"), enrol(user, at=now, name="tablet")

    for day in range(20):
        moment = now + timedelta(days=day)
        verify(user, second.code(moment), moment)

    moment = now + timedelta(days=30)
    assert verify(user, first.code(moment), moment) == "otp"
    assert not Authenticator.objects.exclude(disabled_at=None).exists()


def test_a_wrong_code_counts_once_for_the_account(user: User, now: datetime) -> None:
    """Several authenticators give nobody several times the guesses."""
    app = enrol(user, at=now)
    enrol(user, at=now)

    fail(user, app, now, 10)

    with pytest.raises(TooManyAttempts):
        verify(user, app.code(now), now)


def test_the_address_counts_over_accounts(user: User, other_user: User, now: datetime) -> None:
    """One address may not go on guessing with account after account."""
    app = enrol(user, at=now)
    enrol(other_user, at=now)
    with override_settings(SESSIONS_PLUS_THROTTLE_ATTEMPTS=2):
        for number in range(20):
            fail(user, app, now + timedelta(minutes=number), 0)
            Throttle.objects.exclude(scope=Scope.ADDRESS).delete()
            fail(user, app, now, 1)

        with pytest.raises(TooManyAttempts):
            verify(other_user, "123456", now)


def test_others_codes_are_wrong(user: User, other_user: User, now: datetime) -> None:
    """A code of one person's authenticator is no code of another's."""
    enrol(user, at=now)
    theirs = enrol(other_user, at=now)

    for typed in (theirs.code(now), theirs.recovery_codes[0]):
        with pytest.raises(InvalidCode):
            verify(user, typed, now)


def test_a_wait_is_in_the_audit(user: User, now: datetime) -> None:
    """Reaching a wait is one event, and asking during it none."""
    app = enrol(user, at=now)
    fail(user, app, now, 10)
    for _ in range(5):
        with pytest.raises(TooManyAttempts):
            verify(user, app.code(now), now)

    assert SessionEvent.objects.filter(event=Event.THROTTLED).count() == 1


def test_the_password_is_throttled_on_its_own(user: User, now: datetime, password: str) -> None:
    """Passwords asked for again are counted, and wrong codes do not use these attempts up."""
    app = enrol(user, at=now)
    fail(user, app, now, 5)
    for _ in range(10):
        with pytest.raises(WrongPassword):
            verify_password(user, "wrong", client=HERE, now=now)

    with pytest.raises(TooManyAttempts):
        verify_password(user, password, client=HERE, now=now)
    verify_password(user, password, client=HERE, now=now + STEP)


def test_a_password_kept_elsewhere_is_asked_there(user: User, now: datetime, password: str) -> None:
    """Without a password in our table the site's backends are asked."""
    user.set_unusable_password()
    user.save()

    with pytest.raises(WrongPassword):
        verify_password(user, password, client=HERE, now=now)
