"""The rules of how long a session goes on."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from sessions_plus.policy import (
    FAR_FUTURE,
    Limits,
    Verdict,
    absolute_end,
    expires_at,
    is_passive,
    judge,
    touch_is_due,
)
from tests.support.moments import START

HOUR, MINUTE, SECOND = timedelta(hours=1), timedelta(minutes=1), timedelta(seconds=1)
LIMITS = Limits(idle_timeout=HOUR, absolute_lifetime=12 * HOUR)


@pytest.mark.parametrize(
    ("age", "idle", "expected"),
    [
        pytest.param(timedelta(0), timedelta(0), Verdict.ALIVE, id="just begun"),
        pytest.param(HOUR - SECOND, HOUR - SECOND, Verdict.ALIVE, id="idle almost"),
        pytest.param(HOUR, HOUR, Verdict.IDLE, id="idle exactly"),
        pytest.param(12 * HOUR - SECOND, MINUTE, Verdict.ALIVE, id="absolute almost"),
        pytest.param(12 * HOUR, MINUTE, Verdict.ABSOLUTE, id="absolute exactly"),
        pytest.param(13 * HOUR, 2 * HOUR, Verdict.ABSOLUTE, id="both: absolute named"),
        pytest.param(-HOUR, -HOUR, Verdict.ALIVE, id="clock went backwards"),
        pytest.param(999 * HOUR, -HOUR, Verdict.ABSOLUTE, id="activity of the future"),
    ],
)
def test_judge(age: timedelta, idle: timedelta, expected: Verdict) -> None:
    """A session ends at, not after, the earlier of its two limits."""
    now = START + age

    assert judge(started_at=START, last_activity=now - idle, now=now, limits=LIMITS) is expected


@pytest.mark.parametrize(
    ("limits", "age", "expected"),
    [
        pytest.param(Limits(None, None), 9999 * HOUR, Verdict.ALIVE, id="no limits"),
        pytest.param(Limits(None, HOUR), HOUR, Verdict.ABSOLUTE, id="absolute alone"),
        pytest.param(Limits(HOUR, None), HOUR, Verdict.IDLE, id="idle alone"),
        pytest.param(Limits(None, None, START + HOUR), HOUR, Verdict.ABSOLUTE, id="the site's end"),
        pytest.param(
            Limits(None, 9 * HOUR, START + HOUR), HOUR, Verdict.ABSOLUTE, id="the earlier end"
        ),
    ],
)
def test_limits_that_are_off_end_nothing(limits: Limits, age: timedelta, expected: Verdict) -> None:
    """None is no limit, and a moment that the site set is one more."""
    assert judge(started_at=START, last_activity=START, now=START + age, limits=limits) is expected


@pytest.mark.parametrize("idle", [None, MINUTE, HOUR, 20 * HOUR])
@pytest.mark.parametrize("absolute", [None, MINUTE, 12 * HOUR])
@pytest.mark.parametrize("age", [timedelta(0), 30 * SECOND, HOUR, 30 * HOUR])
def test_expiry_and_verdict_agree(
    idle: timedelta | None, absolute: timedelta | None, age: timedelta
) -> None:
    """A session lives exactly until the moment that is stored as its expiry."""
    limits = Limits(idle, absolute)
    last_activity = START + age
    end = expires_at(started_at=START, last_activity=last_activity, limits=limits)

    facts: dict[str, Any] = {"started_at": START, "last_activity": last_activity, "limits": limits}
    if end > last_activity:
        assert judge(**facts, now=end - timedelta(microseconds=1)) is Verdict.ALIVE
    if end < last_activity + FAR_FUTURE:
        assert judge(**facts, now=end) is not Verdict.ALIVE


def test_activity_never_moves_the_absolute_end() -> None:
    """However active a session is, it ends no later than its absolute lifetime."""
    end = absolute_end(started_at=START, limits=LIMITS)
    assert end is not None

    for hours in range(12):
        active = START + hours * HOUR
        assert expires_at(started_at=START, last_activity=active, limits=LIMITS) <= end


@pytest.mark.parametrize(
    ("since", "idle_timeout", "expected"),
    [
        pytest.param(MINUTE - SECOND, HOUR, False, id="within the interval"),
        pytest.param(MINUTE, HOUR, True, id="at the interval"),
        pytest.param(6 * SECOND, MINUTE, True, id="a tenth of a short timeout"),
        pytest.param(5 * SECOND, MINUTE, False, id="less than a tenth"),
        pytest.param(MINUTE - SECOND, None, False, id="no timeout"),
        pytest.param(-SECOND, HOUR, False, id="a second in the future"),
        pytest.param(-MINUTE, HOUR, True, id="far in the future"),
    ],
)
def test_touch_is_due(since: timedelta, idle_timeout: timedelta | None, expected: bool) -> None:
    """Activity is written once per interval, and often enough for the idle timeout."""
    limits = Limits(idle_timeout, None)

    assert (
        touch_is_due(last_activity=START, now=START + since, interval=MINUTE, limits=limits)
        is expected
    )


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/poll", True),
        ("/poll/", True),
        ("/poll/inbox/", True),
        ("/polls", False),
        ("/", False),
        ("/status/", True),
        ("/status/now", True),
        ("/status", False),
        ("/a/poll", False),
    ],
)
def test_passive_paths_stand_for_all_below_them(path: str, expected: bool) -> None:
    """A passive path matches itself and what lies below it, and no neighbour."""
    assert is_passive(path, ["/poll", "/status/"]) is expected


def test_no_path_is_passive_by_default() -> None:
    """Where the site names none, every request is activity."""
    assert not is_passive("/", [])
