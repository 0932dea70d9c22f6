"""Sign-ins that wait for their second factor."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

import pytest
from django.contrib.auth.models import User

from sessions_plus.exceptions import ChallengeOver, InvalidCode
from sessions_plus.mfa import challenge
from sessions_plus.mfa.challenge import LIFETIME
from sessions_plus.models import Challenge, Event, SessionEvent
from tests.support.authenticators import SESSION, enrol

BACKEND = "django.contrib.auth.backends.ModelBackend"
ELSEWHERE = UUID("018f0000-0000-7000-8000-000000000002")


def begin(user: User, now: datetime) -> Challenge:
    return challenge.begin(
        user,
        backend=BACKEND,
        methods=("pwd",),
        session_public_id=SESSION,
        client=None,
        now=now,
    )


def pass_(waiting: Challenge, typed: str, now: datetime) -> challenge.Passed:
    return challenge.pass_(waiting, typed, client=None, now=now)


def test_a_code_passes_it_once(user: User, now: datetime) -> None:
    """A right code lets the sign-in go on with all its methods; the challenge is then over."""
    app = enrol(user, at=now)
    waiting = begin(user, now)

    passed = pass_(waiting, app.code(now), now)

    assert (passed.user, passed.backend, passed.methods) == (user, BACKEND, ("pwd", "otp"))
    with pytest.raises(ChallengeOver):
        pass_(waiting, app.recovery_codes[0], now)


def test_a_wrong_code_lets_it_wait(user: User, now: datetime) -> None:
    """After a wrong code the challenge waits on, and the refusal is in the audit."""
    app = enrol(user, at=now)
    waiting = begin(user, now)

    with pytest.raises(InvalidCode):
        pass_(waiting, app.wrong_code(now), now)

    event = SessionEvent.objects.get(event=Event.CHALLENGE_FAILED)
    assert (event.user, event.reason) == (user, "wrong")
    assert pass_(waiting, app.recovery_codes[0], now).methods == ("pwd", "rcv")


@pytest.mark.parametrize(
    ("session", "age", "is_found"),
    [
        pytest.param(SESSION, timedelta(0), True, id="own session"),
        pytest.param(SESSION, LIFETIME - timedelta(seconds=1), True, id="just in time"),
        pytest.param(SESSION, LIFETIME, False, id="expired exactly"),
        pytest.param(ELSEWHERE, timedelta(0), False, id="another browser"),
        pytest.param(None, timedelta(0), False, id="no session"),
    ],
)
def test_it_belongs_to_its_browser_for_ten_minutes(
    user: User, now: datetime, session: UUID | None, age: timedelta, is_found: bool
) -> None:
    """Only the session that began it finds it, until it expires."""
    waiting = begin(user, now)

    found = challenge.find(waiting.public_id, session_public_id=session, now=now + age)

    assert (found is not None) == is_found


def test_an_expired_one_is_not_passed(user: User, now: datetime) -> None:
    """Not even with a right code."""
    app = enrol(user, at=now)
    waiting = begin(user, now)
    later = now + LIFETIME

    with pytest.raises(ChallengeOver):
        pass_(waiting, app.code(later), later)


def test_an_abandoned_one_is_over(user: User, now: datetime) -> None:
    """Giving up ends it for good."""
    app = enrol(user, at=now)
    waiting = begin(user, now)

    assert challenge.abandon(waiting, now=now)

    assert challenge.find(waiting.public_id, session_public_id=SESSION, now=now) is None
    assert not challenge.abandon(waiting, now=now)
    with pytest.raises(ChallengeOver):
        pass_(waiting, app.code(now), now)


@pytest.mark.parametrize("change", ["password", "inactive", "deleted"])
def test_it_ends_with_the_right_to_sign_in(user: User, now: datetime, change: str) -> None:
    """Who was disabled, removed or got a new password meanwhile does not pass."""
    app = enrol(user, at=now)
    waiting = begin(user, now)
    if change == "password":
        user.set_password("another")
        user.save()
    elif change == "inactive":
        User.objects.update(is_active=False)
    else:
        User.objects.all().delete()

    with pytest.raises(ChallengeOver):
        pass_(waiting, app.code(now), now)


def test_asvs_6_6_2_a_client_holds_it_by_token(user: User, other_user: User, now: datetime) -> None:
    """An API client finds its challenge by its token, and by no other."""

    def wait(somebody: User) -> tuple[Challenge, str]:
        return challenge.begin_for_client(
            somebody, backend=BACKEND, methods=("pwd",), client=None, now=now
        )

    (first, token), (second, other_token) = wait(user), wait(other_user)

    assert challenge.find_by_token(token, now=now) == first
    assert challenge.find_by_token(other_token, now=now) == second
    assert challenge.find_by_token(token[:-1] + ("B" if token[-1] == "A" else "A"), now=now) is None
    assert challenge.find_by_token(token, now=now + LIFETIME) is None
    assert challenge.find(first.public_id, session_public_id=None, now=now) is None
    assert token not in str(list(Challenge.objects.values_list()))


def test_what_was_left_behind_is_removed(user: User, now: datetime) -> None:
    """The next sign-in removes the user's expired challenges."""
    begin(user, now)

    begin(user, now + LIFETIME)

    assert Challenge.objects.count() == 1
