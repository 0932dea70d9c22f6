"""When a session ends, what its cookie says of it, and which requests count as activity."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.contrib.auth.models import User
from django.core.cache import caches
from django.core.exceptions import ImproperlyConfigured
from django.db import connection
from django.test import override_settings
from django.test.utils import CaptureQueriesContext

from sessions_plus.cache import copies
from sessions_plus.models import Session
from sessions_plus.policy import Limits, SessionFacts
from sessions_plus.rows.lifetime import limits_of_row
from sessions_plus.store import expiry
from tests.conftest import World
from tests.support.browsers import Browser
from tests.support.moments import START
from tests.support.stores import signed_in, under_way

pytestmark = [pytest.mark.urls("tests.support.sites"), pytest.mark.django_db(transaction=True)]

DAY, MINUTE, SECOND = timedelta(days=1), timedelta(minutes=1), timedelta(seconds=1)


@pytest.fixture
def clock() -> Iterator[Any]:
    caches["default"].clear()
    with time_machine.travel(START, tick=False) as traveller:
        yield traveller
    copies.reset()  # it noted when it began


@pytest.fixture
def ann(engine: str, world: World, user: User, clock: Any) -> Browser:
    browser = Browser(world)
    browser.response = browser.get("sign-in", name="ann")
    return browser


def age_of(response: Any) -> Any:
    """Return the age that a response gives the session's cookie; None: it does not set it."""
    morsel = response.cookies.get("sessionid")
    return None if morsel is None else morsel["max-age"]


def test_cookie_lasts_until_the_absolute_end(ann: Browser, clock: Any) -> None:
    """A signed-in session's cookie is kept until the end that no activity can move."""
    assert age_of(ann.response) == 30 * 24 * 3600

    clock.shift(2 * DAY)
    response = ann.get("who")  # with a new key

    assert age_of(response) == 28 * 24 * 3600


def test_signed_in_cookie_is_set_for_news_only(ann: Browser, clock: Any) -> None:
    """Neither activity nor a change of data sets it: a late response must bring no old key."""
    clock.shift(2 * MINUTE)
    assert age_of(ann.get("who")) is None
    assert age_of(ann.get("write")) is None


def test_custom_expiry_follows_activity(ann: Browser, clock: Any) -> None:
    """With ``set_expiry`` the cookie's age is the one that was asked for, and renewed."""
    assert age_of(ann.get("expire", seconds="600")) == 600
    clock.shift(MINUTE)
    assert age_of(ann.get("who")) == 600

    clock.shift(timedelta(seconds=600))
    assert ann.text("who") == "AnonymousUser"


def test_custom_expiry_can_be_taken_back(ann: Browser) -> None:
    """Without it the cookie lasts until the absolute end again."""
    ann.get("expire", seconds="600")

    assert age_of(ann.get("expire")) == 30 * 24 * 3600


def test_custom_expiry_ends_no_later_than_the_absolute_lifetime(ann: Browser, clock: Any) -> None:
    """A site that asks for a year gets what is left of the absolute lifetime."""
    clock.shift(DAY)

    assert age_of(ann.get("expire", seconds=str(365 * 24 * 3600))) == 29 * 24 * 3600


@pytest.mark.parametrize("profile", ["aal2", "aal3"])
def test_strict_profiles_keep_no_cookie(
    engine: str, world: World, user: User, profile: str
) -> None:
    """From ``aal2`` on the cookie goes with the browser's window (NIST SP 800-63B-4 §5.1)."""
    with override_settings(SESSIONS_PLUS_PROFILE=profile):
        browser = Browser(world)
        response = browser.get("sign-in", name="ann")
        lengthened = browser.get("expire", seconds="600")

    assert age_of(response) == ""
    assert response.cookies["sessionid"]["expires"] == ""
    assert age_of(lengthened) == ""


def test_cookie_for_one_sitting(ann: Browser) -> None:
    """``set_expiry(0)`` lets the cookie go with the browser's window; the session's limits stay."""
    response = ann.get("expire", seconds="0")

    assert age_of(response) == ""
    assert ann.text("who") == "ann"
    assert Session.objects.get().expire_date == START + 14 * DAY


def test_idle_session_ends(ann: Browser, clock: Any) -> None:
    """A session ends at its idle timeout, with that reason; a moment before it goes on."""
    clock.shift(14 * DAY - SECOND)
    assert ann.text("who") == "ann"

    clock.shift(14 * DAY)

    assert ann.text("who") == "AnonymousUser"
    assert not ann.has_key
    assert Session.objects.get().revoked_reason == "idle_timeout"


def test_busy_session_ends_too(ann: Browser, clock: Any) -> None:
    """However active, a session ends at its absolute lifetime."""
    for _ in range(29):
        clock.shift(DAY)
        assert ann.text("who") == "ann"
    clock.shift(DAY - SECOND)
    assert ann.text("who") == "ann"

    clock.shift(SECOND)

    assert ann.text("who") == "AnonymousUser"
    assert Session.objects.get().revoked_reason == "absolute_lifetime"


def test_a_setting_stands_above_the_profile(
    engine: str, world: World, user: User, clock: Any
) -> None:
    """Each limit of a profile can be set alone."""
    with override_settings(SESSIONS_PLUS_PROFILE="aal2", SESSIONS_PLUS_IDLE_TIMEOUT=5 * MINUTE):
        Browser(world).get("sign-in", name="ann")

    assert Session.objects.get().expire_date == START + 5 * MINUTE


def test_each_save_has_limits_of_its_own(engine: str) -> None:
    """What a session was written with before says nothing of what it is written with now."""
    store = under_way(None)
    for seconds in (60, 3600):
        store.set_expiry(seconds)
        store.save()

        assert store.row.limits == limits_of_row(store.row)
        assert store.row.limits.idle_timeout == timedelta(seconds=seconds)


def test_limits_of_an_earlier_write_say_nothing_of_the_cookie(engine: str, user: User) -> None:
    """Only what was just saved is known to have the limits that it was saved with."""
    row = under_way(signed_in(user)).row
    row.limits = Limits(MINUTE, None)

    def tells(*, was_saved: bool) -> bool:
        return expiry.has_news(
            row,
            {},
            was_saved=was_saved,
            is_touched=True,
            known_expiry=None,
            goes_with_browser=lambda: False,
        )

    with override_settings(SESSIONS_PLUS_ABSOLUTE_LIFETIME=DAY):
        assert (tells(was_saved=True), tells(was_saved=False)) == (True, False)


def of_staff(session: SessionFacts) -> Limits | None:
    return Limits(5 * MINUTE, 30 * MINUTE) if session.data.get("color") == "red" else None


class TestLimitsOfTheSitesOwn:
    @pytest.mark.parametrize("given", [of_staff, f"{__name__}.of_staff"], ids=["itself", "path"])
    def test_a_function_gives_a_session_its_own_limits(
        self, ann: Browser, clock: Any, given: Any
    ) -> None:
        """What it returns holds for that session, from its next write on; None: the settings."""
        with override_settings(SESSIONS_PLUS_LIMITS=given):
            ann.get("write", color="green")
            assert Session.objects.get().expire_date == START + 14 * DAY
            ann.get("write", color="red")
            assert Session.objects.get().expire_date == START + 5 * MINUTE

            clock.shift(5 * MINUTE)
            assert ann.text("who") == "AnonymousUser"

    def test_it_is_told_who_and_how(self, engine: str, world: World, user: User) -> None:
        """It learns the user, the kind and the methods of the sign-in."""
        told: list[SessionFacts] = []
        with override_settings(SESSIONS_PLUS_LIMITS=told.append):
            Browser(world).get("sign-in", name="ann")

        assert (told[-1].user_id, told[-1].kind) == (user.pk, "browser")
        assert told[-1].auth_methods == ("pwd",)

    def test_anything_else_is_an_error(self, engine: str, world: World) -> None:
        """A function that returns no Limits is told what it should return."""
        with (
            override_settings(SESSIONS_PLUS_LIMITS=lambda session: MINUTE),
            pytest.raises(ImproperlyConfigured, match=r"sessions_plus\.policy\.Limits"),
        ):
            Browser(world).get("write")


@pytest.fixture
def polling(world: World) -> Iterator[None]:
    with override_settings(SESSIONS_PLUS_PASSIVE_PATHS=[f"/{world.name}/who/"]):
        yield


@pytest.mark.usefixtures("polling")
class TestPassivePaths:
    def test_polling_prolongs_nothing(self, ann: Browser, clock: Any) -> None:
        """A page that polls for two weeks is over as if nobody had been there."""
        for _ in range(13):
            clock.shift(DAY)
            assert ann.text("who") == "ann"
        assert Session.objects.get().last_activity == START

        clock.shift(DAY)

        assert ann.text("who") == "AnonymousUser"

    def test_polling_writes_nothing(self, ann: Browser, clock: Any) -> None:
        """It costs reading at most, and sets no cookie."""
        clock.shift(2 * MINUTE)

        with CaptureQueriesContext(connection) as captured:
            response = ann.get("who")

        assert {query["sql"].split()[0] for query in captured} == {"SELECT"}
        assert not response.cookies

    def test_polling_shows_a_revocation_at_once(self, ann: Browser, clock: Any) -> None:
        """A lease that is over is not taken for granted: the row is asked."""
        clock.shift(2 * MINUTE)
        Session.objects.all()._raw_delete("default")

        assert ann.text("who") == "AnonymousUser"

    def test_a_passive_write_prolongs_nothing(self, ann: Browser, clock: Any) -> None:
        """A passive request may change the session, and it still ends when it would have."""
        with override_settings(SESSIONS_PLUS_PASSIVE_PATHS=["/"]):
            clock.shift(DAY - SECOND)
            ann.get("write", color="red")

        session = Session.objects.get()
        assert session.get_decoded()["color"] == "red"
        assert (session.last_activity, session.expire_date) == (START, START + 14 * DAY)

    def test_a_new_key_may_come_with_a_poll(self, ann: Browser, clock: Any) -> None:
        """Rotation goes on: a key that polls get does not grow old either."""
        key = ann.key
        clock.shift(DAY)
        ann.text("who")
        ann.text("who")

        assert ann.key != key
        assert Session.objects.get().successor_seen
        assert Session.objects.get().last_activity == START
