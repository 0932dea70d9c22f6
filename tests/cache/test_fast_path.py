"""The fast path lets nothing in that the row would not."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings as site
from django.contrib.auth.models import User
from django.utils import timezone

from sessions_plus.backends.cached_db import SessionStore
from sessions_plus.cache import fast_path
from sessions_plus.cache.fast_path import FastPath
from sessions_plus.client_info import ClientInfo
from sessions_plus.crypto import digest
from sessions_plus.policy import Limits
from sessions_plus.rows import payload as payloads
from sessions_plus.rows.session_row import Row
from tests.support.browsers import FIREFOX, SAFARI
from tests.support.moments import utc

pytestmark = pytest.mark.django_db

KEY = "a session key"
NOW = utc(2026, 6, 1, 12)
FIREFOX_CLIENT = ClientInfo.of(user_agent=FIREFOX)

MakeRow = Callable[..., Row]


@pytest.fixture
def make_row(user: User) -> MakeRow:
    """A stored row of somebody, with some facts changed."""

    def make(**changes: Any) -> Row:
        store = SessionStore()
        store["_auth_user_id"] = str(user.pk)
        store.save()
        row = store.row
        assert row is not None
        moments = {"created_at": NOW, "authenticated_at": NOW, "last_activity": NOW}
        row.take({"key_hash": digest(KEY), "user_agent": FIREFOX, **moments, **changes})
        return row

    return make


def suffices(
    seen: FastPath,
    *,
    key: str = KEY,
    client: ClientInfo | None = FIREFOX_CLIENT,
    is_browser: bool = True,
    after: timedelta = timedelta(seconds=1),
) -> bool:
    return seen.suffices(key, client, is_browser=is_browser, now=(NOW + after).timestamp())


def test_nothing_new_suffices(make_row: MakeRow) -> None:
    """Same key, same browser, a moment later; and a program that calls without a request."""
    seen = fast_path.of(make_row())

    assert suffices(seen)
    assert suffices(seen, client=None)


@pytest.mark.parametrize(
    "news",
    [
        {"key": "another key"},
        {"client": ClientInfo.of(user_agent=SAFARI)},
        {"is_browser": False},
        {"after": timedelta(minutes=1)},
        {"after": timedelta(minutes=-1)},
    ],
    ids=["key", "browser", "kind", "activity due", "clock far behind"],
)
def test_any_news_asks_for_the_row(make_row: MakeRow, news: dict[str, Any]) -> None:
    """Whatever is not as the last request left it is judged in full."""
    assert not suffices(fast_path.of(make_row()), **news)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("IDLE_TIMEOUT", timedelta(seconds=1)),
        ("ABSOLUTE_LIFETIME", timedelta(seconds=1)),
        ("ANONYMOUS_LIFETIME", timedelta(seconds=1)),
        ("REFRESH_IDLE_TIMEOUT", timedelta(seconds=1)),
        ("REFRESH_LIFETIME", timedelta(seconds=1)),
        ("PROFILE", "aal3"),
        ("ROTATION_INTERVAL", timedelta(seconds=1)),
        ("ACTIVITY_INTERVAL", timedelta(seconds=1)),
        ("CLIENT_CHANGE", "revoke"),
        ("NETWORK_CHANGE", "revoke"),
        ("ADOPT_KEEP_OLD", True),
        ("LIMITS", lambda facts: None),
    ],
)
def test_copy_made_under_other_settings_is_judged_in_full(
    make_row: MakeRow, settings: Any, name: str, value: object
) -> None:
    """A changed limit holds at once, whatever the copy says."""
    seen = fast_path.of(make_row())

    setattr(settings, f"SESSIONS_PLUS_{name}", value)

    assert not suffices(seen)


def test_cookie_age_of_django_is_one_of_these_settings(make_row: MakeRow, settings: Any) -> None:
    """It is the idle timeout where no other was chosen."""
    seen = fast_path.of(make_row())

    settings.SESSION_COOKIE_AGE = 1

    assert not suffices(seen)


@pytest.mark.parametrize(
    ("settings_changed", "last_moment"),
    [
        ({"ACTIVITY_INTERVAL": timedelta(seconds=90)}, timedelta(seconds=90)),
        ({"IDLE_TIMEOUT": timedelta(seconds=300)}, timedelta(seconds=30)),
        ({"ABSOLUTE_LIFETIME": timedelta(seconds=20)}, timedelta(seconds=20)),
        ({"ROTATION_INTERVAL": timedelta(seconds=10)}, timedelta(seconds=10)),
    ],
    ids=["activity", "idle", "absolute", "rotation"],
)
def test_it_holds_until_something_is_due(
    make_row: MakeRow, settings: Any, settings_changed: dict[str, Any], last_moment: timedelta
) -> None:
    """Activity to write, an end, a key to rotate: at the first of them it is judged in full."""
    for name, value in settings_changed.items():
        setattr(settings, f"SESSIONS_PLUS_{name}", value)
    seen = fast_path.of(make_row())

    assert suffices(seen, after=last_moment - timedelta(milliseconds=1))
    assert not suffices(seen, after=last_moment)


@pytest.mark.parametrize(
    ("settings_changed", "facts", "is_near_at"),
    [
        ({"ACTIVITY_INTERVAL": timedelta(seconds=90)}, {}, 0.5),
        ({"IDLE_TIMEOUT": timedelta(seconds=300)}, {}, 0.5),
        ({"ROTATION_INTERVAL": timedelta(seconds=10)}, {}, 1.0),
        ({"ABSOLUTE_LIFETIME": None}, {}, 1.0),
        ({}, {"user_id": None}, 1.0),
        ({}, {"must_reauthenticate": True}, 1.0),
    ],
    ids=["interval", "idle", "ends sooner", "no absolute end", "nobody's", "to be proved again"],
)
def test_when_activity_is_near(
    make_row: MakeRow,
    settings: Any,
    settings_changed: dict[str, Any],
    facts: dict[str, Any],
    is_near_at: float,
) -> None:
    """From half of what goes unrecorded on; never, where it is recorded before the response."""
    for name, value in settings_changed.items():
        setattr(settings, f"SESSIONS_PLUS_{name}", value)
    row = make_row(**facts)
    seen = fast_path.of(row)

    began = row.last_activity.timestamp()
    assert seen.near - began == pytest.approx((seen.until - began) * is_near_at)


@pytest.mark.parametrize(
    "changes",
    [
        {"LIMITS": lambda facts: Limits(None, None)},
        {"NETWORK_CHANGE": "record"},
        {"ADOPT_KEEP_OLD": True},
    ],
    ids=["the site's own limits", "networks are told apart", "old code serves beside"],
)
def test_what_each_request_has_to_be_asked_for_is_never_on_the_fast_path(
    make_row: MakeRow, settings: Any, changes: dict[str, Any]
) -> None:
    """Then there is no moment until which it holds."""
    for name, value in changes.items():
        setattr(settings, f"SESSIONS_PLUS_{name}", value)

    assert not suffices(fast_path.of(make_row()))


@pytest.mark.skipif(not site.USE_TZ, reason="what it stores has no time zone anyhow")
def test_end_without_a_time_zone_is_the_same_for_whoever_asks(
    make_row: MakeRow, settings: Any
) -> None:
    """What a site stored before it had time zones is in its own, not in a visitor's."""
    settings.TIME_ZONE = "Europe/Berlin"  # two hours ahead
    ends = {"_session_expiry": "2026-06-01T14:00:20"}
    row = make_row()
    row.payload, row.limits = payloads.encode(ends), None

    with timezone.override("America/New_York"):
        seen = fast_path.of(row)

    assert suffices(seen, after=timedelta(seconds=19))
    assert not suffices(seen, after=timedelta(seconds=20))


@pytest.mark.parametrize("expiry", [20, "2026-06-01T12:00:20+00:00"], ids=["seconds", "moment"])
def test_it_holds_until_the_end_that_the_site_set(make_row: MakeRow, expiry: object) -> None:
    """``set_expiry()`` bounds it, too: a tenth of the seconds is when activity is due."""
    row = make_row()
    row.payload, row.limits = payloads.encode({"_session_expiry": expiry}), None
    last_moment = timedelta(seconds=2 if expiry == 20 else 20)
    seen = fast_path.of(row)

    assert suffices(seen, after=last_moment - timedelta(milliseconds=1))
    assert not suffices(seen, after=last_moment)


def test_key_that_is_never_rotated(make_row: MakeRow, settings: Any) -> None:
    """An interval beyond the calendar's end is a long one, and no error."""
    settings.SESSIONS_PLUS_ROTATION_INTERVAL = timedelta.max

    assert suffices(fast_path.of(make_row()))


def test_limits_of_api_clients_hold(make_row: MakeRow, settings: Any) -> None:
    """A refresh token's limits are its own, and a change of them counts at once."""
    settings.SESSIONS_PLUS_REFRESH_LIFETIME = timedelta(seconds=10)
    seen = fast_path.of(make_row(kind="api"))

    assert suffices(seen, is_browser=False)
    assert not suffices(seen, is_browser=False, after=timedelta(seconds=10))

    settings.SESSIONS_PLUS_REFRESH_LIFETIME = timedelta(seconds=5)
    assert not suffices(seen, is_browser=False)


def test_successor_that_was_never_used_has_to_be_proved(make_row: MakeRow) -> None:
    """The first use of a rotated key is written down, so it is no business of the fast path."""
    assert not suffices(fast_path.of(make_row(successor_seen=False)))


def test_any_browser_will_do_where_changes_are_ignored(make_row: MakeRow, settings: Any) -> None:
    """With ``CLIENT_CHANGE`` at ``ignore`` another browser changes nothing."""
    settings.SESSIONS_PLUS_CLIENT_CHANGE = "ignore"

    assert suffices(fast_path.of(make_row()), client=ClientInfo.of(user_agent=SAFARI))
