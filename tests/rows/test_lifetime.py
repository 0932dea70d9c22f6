"""What ``set_expiry()`` does to the limits that the site chose."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from sessions_plus.moments import of_site
from sessions_plus.policy import Limits, SessionFacts
from sessions_plus.rows.lifetime import EXPIRY_KEY, limits_of
from tests.support.moments import START

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.mark.parametrize(
    ("asked", "idle"),
    [
        pytest.param(60, timedelta(seconds=60), id="shorter"),
        pytest.param(7200, HOUR, id="longer"),
    ],
)
def test_seconds_only_shorten_a_chosen_idle_timeout(settings: Any, asked: int, idle: Any) -> None:
    """An idle timeout that the site chose is one that no view lengthens."""
    settings.SESSIONS_PLUS_IDLE_TIMEOUT = HOUR

    assert limits_of(user_id=1, data={EXPIRY_KEY: asked}).idle_timeout == idle


def test_seconds_lengthen_djangos_default(settings: Any) -> None:
    """``SESSION_COOKIE_AGE`` is a default, as in Django."""
    settings.SESSIONS_PLUS_IDLE_TIMEOUT = None
    settings.SESSION_COOKIE_AGE = 60

    assert limits_of(user_id=1, data={EXPIRY_KEY: 7200}).idle_timeout == 2 * HOUR


@pytest.mark.parametrize(
    ("asked", "ends"),
    [pytest.param(HOUR, HOUR, id="sooner"), pytest.param(DAY, DAY / 2, id="later")],
)
def test_a_moment_puts_no_chosen_end_off(settings: Any, asked: timedelta, ends: timedelta) -> None:
    """Of an end that the site's own limits name and one that a view asks for, the first holds."""
    start = of_site(START)

    def until_noon(facts: SessionFacts) -> Limits:
        return Limits(HOUR, DAY, ends_at=start + DAY / 2)

    settings.SESSIONS_PLUS_LIMITS = until_noon

    limits = limits_of(user_id=1, data={EXPIRY_KEY: (START + asked).isoformat()})

    assert limits == Limits(HOUR, DAY, ends_at=start + ends)
