"""How an authenticator comes and goes."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

import pytest
from django.contrib.auth.models import User
from django.test import override_settings

from sessions_plus.exceptions import EnrolmentOver, InvalidCode
from sessions_plus.mfa import enrolment, recovery_codes
from sessions_plus.mfa.enrolment import PENDING_LIFETIME
from sessions_plus.mfa.policy import has_authenticator
from sessions_plus.models import Authenticator, Event, RecoveryCode, SessionEvent
from tests.support.authenticators import SESSION, App, enrol, only

ELSEWHERE = UUID("018f0000-0000-7000-8000-000000000002")


def begin(user: User, now: datetime, session: UUID = SESSION) -> App:
    pending = enrolment.begin(user, session_public_id=session, now=now)
    return App.of(pending)


def confirm(
    user: User, typed: str, now: datetime, session: UUID | None = SESSION
) -> enrolment.Enrolled:
    return enrolment.confirm(
        user, typed, authority=None, session_public_id=session, client=None, now=now
    )


def test_the_first_code_turns_it_on(user: User, now: datetime) -> None:
    """Until a code was typed nothing is asked for; then there are ten recovery codes."""
    app = begin(user, now)
    assert not has_authenticator(user)

    enrolled = confirm(user, app.code(now), now)

    assert has_authenticator(user)
    assert len(enrolled.recovery_codes) == 10
    assert SessionEvent.objects.filter(event=Event.AUTHENTICATOR_ADDED, user=user).count() == 1


def test_a_second_one_keeps_the_codes(user: User, now: datetime) -> None:
    """Adding another authenticator makes no new codes while there are unused ones."""
    enrol(user, at=now)
    app = begin(user, now)

    assert confirm(user, app.code(now), now).recovery_codes == ()

    assert RecoveryCode.objects.count() == 10


@pytest.mark.parametrize(
    ("age", "session", "is_right"),
    [
        pytest.param(timedelta(0), SESSION, True, id="here and now"),
        pytest.param(PENDING_LIFETIME - timedelta(seconds=1), SESSION, True, id="just in time"),
        pytest.param(PENDING_LIFETIME, SESSION, False, id="a quarter of an hour later"),
        pytest.param(timedelta(minutes=16), SESSION, False, id="16 minutes later"),
        pytest.param(timedelta(0), ELSEWHERE, False, id="another session"),
        pytest.param(timedelta(0), None, False, id="no session"),
    ],
)
def test_asvs_6_4_1_a_pending_secret_is_short_lived(
    user: User, now: datetime, age: timedelta, session: UUID | None, is_right: bool
) -> None:
    """It can be confirmed for 15 minutes, and where it was begun."""
    app = begin(user, now)
    later = now + age

    if is_right:
        assert confirm(user, app.code(later), later, session).authenticator.confirmed_at is not None
    else:
        with pytest.raises(EnrolmentOver):
            confirm(user, app.code(later), later, session)


def test_a_wrong_code_lets_it_wait(user: User, now: datetime) -> None:
    """A wrong first code changes nothing."""
    app = begin(user, now)

    with pytest.raises(InvalidCode):
        confirm(user, app.wrong_code(now), now)

    assert confirm(user, app.code(now), now).authenticator.confirmed_at is not None


def test_beginning_again_voids_the_first(user: User, now: datetime) -> None:
    """There is one pending secret at a time."""
    first = begin(user, now)
    begin(user, now)

    with pytest.raises(InvalidCode):
        confirm(user, first.code(now), now)
    assert Authenticator.objects.count() == 1


def test_it_is_nobody_elses_to_confirm(user: User, other_user: User, now: datetime) -> None:
    """Another user in the same session finds nothing pending."""
    app = begin(user, now)

    with pytest.raises(EnrolmentOver):
        confirm(other_user, app.code(now), now)


@pytest.mark.parametrize(
    ("algorithm", "digits"), [("SHA1", 6), ("SHA256", 7), ("SHA256", 8), ("SHA512", 8)]
)
def test_every_kind_of_code(user: User, now: datetime, algorithm: str, digits: int) -> None:
    """Authenticators keep the algorithm and length that they were made with."""
    with override_settings(
        SESSIONS_PLUS_TOTP_ALGORITHM=algorithm, SESSIONS_PLUS_TOTP_DIGITS=digits
    ):
        app = begin(user, now)
    assert (app.algorithm, app.digits) == (algorithm, digits)

    assert confirm(user, app.code(now), now).authenticator.confirmed_at is not None


def test_there_is_an_end_to_them(user: User, now: datetime) -> None:
    """Five authenticators are enough for anybody."""
    for _ in range(enrolment.MAX_AUTHENTICATORS):
        assert enrolment.may_add(user)
        enrol(user, at=now)

    assert not enrolment.may_add(user)


def test_asvs_6_5_6_removing_the_last_one_takes_the_codes(user: User, now: datetime) -> None:
    """Without an authenticator there are no recovery codes either."""
    enrol(user, at=now)
    enrol(user, at=now)
    first, second = Authenticator.objects.order_by("pk")

    assert enrolment.remove(first, user)
    assert recovery_codes.left(user) == 10
    assert enrolment.remove(second, user)

    assert recovery_codes.left(user) == 0
    assert not enrolment.remove(second, user)
    assert SessionEvent.objects.filter(event=Event.AUTHENTICATOR_REMOVED).count() == 2


def test_removing_somebody_elses_does_nothing(user: User, other_user: User, now: datetime) -> None:
    """An authenticator is removed for its owner only."""
    enrol(user, at=now)

    assert not enrolment.remove(only(user), other_user)

    assert has_authenticator(user)


def test_a_deleted_user_leaves_nothing(user: User, now: datetime) -> None:
    """With the user go authenticators and codes."""
    enrol(user, at=now)

    user.delete()

    assert not Authenticator.objects.exists()
    assert not RecoveryCode.objects.exists()


def test_names_are_one_printable_line(user: User, now: datetime) -> None:
    """A name cannot forge lines or directions."""
    app = begin(user, now)
    enrolment.confirm(
        user,
        app.code(now),
        authority=None,
        session_public_id=SESSION,
        name="my\u202ephone\r\nX: y" + "z" * 200,
        client=None,
        now=now,
    )

    assert only(user).name.startswith("my phone X: y")
    assert len(only(user).name) == 100
