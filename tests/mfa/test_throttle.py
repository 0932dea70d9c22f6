"""Counters of attempts: how they wait, what they forget, and whom they cannot lock out."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from django.contrib.auth.models import User
from django.core.cache import cache
from django.test import override_settings

from sessions_plus.exceptions import TooManyAttempts
from sessions_plus.mfa import throttle
from sessions_plus.mfa.throttle import Count, Ladder, counted, next_count, wait_after
from sessions_plus.models import Scope, Throttle
from sessions_plus.models.throttle import FORGETFUL

SECOND = timedelta(seconds=1)


@pytest.mark.parametrize(
    ("attempts", "seconds"),
    [
        pytest.param(1, None, id="first"),
        pytest.param(4, None, id="one before the limit"),
        pytest.param(5, 30, id="at the limit"),
        pytest.param(6, 60, id="doubled"),
        pytest.param(11, 1920, id="sixth step"),
        pytest.param(12, 3600, id="an hour"),
        pytest.param(100_000, 3600, id="never more"),
    ],
)
def test_the_ladder(attempts: int, seconds: int | None) -> None:
    """After the free attempts each next one waits, 30 s at first and an hour at most."""
    wait = wait_after(attempts, Ladder(5))

    assert wait == (None if seconds is None else timedelta(seconds=seconds))


def test_a_wait_ends_exactly_then(now: datetime) -> None:
    """An attempt waits until ``blocked_until``, and may be made at that moment."""
    count = Count(5, now, now + 30 * SECOND)

    assert next_count(count, Ladder(5), now=now + 29 * SECOND) == SECOND
    assert isinstance(next_count(count, Ladder(5), now=now + 30 * SECOND), Count)


def test_what_is_forgotten_with_time(now: datetime) -> None:
    """A ladder with a window begins again when it is over; one without never does."""
    assert set(throttle.WINDOWS) == set(FORGETFUL)
    later = now + timedelta(hours=2)
    count = Count(7, now, None)

    assert next_count(count, Ladder(5, window=timedelta(hours=2)), now=later) == Count(
        1, later, None
    )
    assert isinstance(again := next_count(count, Ladder(5), now=later), Count)
    assert again.attempts == 8


def test_what_was_let_through_does_not_wait(now: datetime) -> None:
    """An attempt that is counted again after a rollback is counted whatever has to wait now."""
    count = Count(5, now, now + 30 * SECOND)

    assert counted(count, Ladder(5), now=now) == Count(6, now, now + 60 * SECOND)


def fail_until_blocked(subject: str, now: datetime) -> int:
    for taken in range(1000):
        try:
            throttle.take(Scope.ACCOUNT, subject, now=now)
        except TooManyAttempts:
            return taken
    pytest.fail("never blocked")


@pytest.mark.parametrize(("profile", "limit"), [("aal1", 10), ("aal2", 5), ("aal3", 3)])
def test_the_profile_decides_how_many(db: None, now: datetime, profile: str, limit: int) -> None:
    """As many attempts are let through as the profile says."""
    with override_settings(SESSIONS_PLUS_PROFILE=profile):
        assert fail_until_blocked("7", now) == limit


def test_waiting_lets_one_attempt_through(db: None, now: datetime) -> None:
    """After the wait there is one attempt, then a wait twice as long."""
    fail_until_blocked("7", now)

    throttle.take(Scope.ACCOUNT, "7", now=now + 30 * SECOND)

    with pytest.raises(TooManyAttempts) as blocked:
        throttle.take(Scope.ACCOUNT, "7", now=now + 31 * SECOND)
    assert blocked.value.retry_after == 59 * SECOND


def test_waiting_attempts_are_not_counted(db: None, now: datetime) -> None:
    """Whoever asks again and again while it waits does not make the wait longer."""
    fail_until_blocked("7", now)
    before = Throttle.objects.get()

    fail_until_blocked("7", now + SECOND)

    after = Throttle.objects.get()
    assert (after.attempts, after.blocked_until) == (before.attempts, before.blocked_until)


def test_asvs_6_3_1_no_cache_flush_forgives(db: None, now: datetime) -> None:
    """The counters are not in the cache."""
    fail_until_blocked("7", now)

    cache.clear()

    assert fail_until_blocked("7", now) == 0


def test_success_begins_again(db: None, now: datetime) -> None:
    """After a success all attempts are free again."""
    fail_until_blocked("7", now)

    throttle.forget(Scope.ACCOUNT, "7")

    assert fail_until_blocked("7", now) == 10


def test_subjects_do_not_share(user: User, other_user: User, now: datetime) -> None:
    """One user's attempts block no other user."""
    fail_until_blocked(throttle.of_user(user), now)

    assert fail_until_blocked(throttle.of_user(other_user), now) == 10


def test_an_attempt_given_back_was_none(db: None, now: datetime) -> None:
    """Giving back the attempt that began a wait ends the wait."""
    for _ in range(10):
        throttle.take(Scope.ACCOUNT, "7", now=now)

    throttle.give_back(Scope.ACCOUNT, "7")

    assert fail_until_blocked("7", now) == 1


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("203.0.113.5", "203.0.113.6", False),
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", True),
        ("2001:db8:1:2::1", "2001:db8:1:3::1", False),
        (None, "nonsense", True),
    ],
)
def test_addresses_are_told_apart_by_customer(
    one: str | None, other: str | None, same: bool
) -> None:
    """An IPv6 customer counts as one, however many addresses they use."""
    assert (throttle.of_address(one) == throttle.of_address(other)) == same


def test_no_address_is_stored(db: None, now: datetime) -> None:
    """A counter names an address by a keyed digest only."""
    throttle.take(Scope.ADDRESS, throttle.of_address("203.0.113.5"), now=now)

    assert "203.0.113" not in str(list(Throttle.objects.values_list()))
