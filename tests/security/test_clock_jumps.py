"""A server's clock that jumps ends nobody's session, and prolongs none."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.contrib.auth.models import User
from django.core.cache import caches

from sessions_plus.cache import copies
from sessions_plus.lifecycle import revoke
from sessions_plus.models import Session
from tests.conftest import World
from tests.support.browsers import Browser
from tests.support.moments import START

pytestmark = [pytest.mark.urls("tests.support.sites"), pytest.mark.django_db(transaction=True)]

DAY = timedelta(days=1)


@pytest.fixture
def clock() -> Iterator[Any]:
    caches["default"].clear()
    with time_machine.travel(START, tick=False) as traveller:
        yield traveller
    copies.reset()  # it noted when it began


@pytest.fixture
def ann(engine: str, world: World, user: User, clock: Any) -> Browser:
    browser = Browser(world)
    browser.get("sign-in", name="ann")
    return browser


@pytest.mark.parametrize("jump", [timedelta(seconds=30), timedelta(hours=1), 400 * DAY])
def test_a_clock_set_back_signs_nobody_out(ann: Browser, clock: Any, jump: timedelta) -> None:
    """Sessions of what now is the future go on."""
    clock.shift(-jump)

    assert ann.text("who") == "ann"


def test_a_clock_set_back_is_no_way_round_a_revocation(ann: Browser, clock: Any) -> None:
    """What was revoked stays so, and a lease from the future is checked at once."""
    clock.shift(-DAY)
    revoke(Session.objects.get())
    caches["default"].clear()

    assert ann.text("who") == "AnonymousUser"


def test_a_session_of_the_future_is_checked_all_the_same(ann: Browser, clock: Any) -> None:
    """After a clock was put right, an activity of the future counts as old, not as fresh."""
    clock.shift(DAY)
    ann.text("read")
    clock.shift(-DAY)

    ann.text("who")

    assert Session.objects.get().last_activity == START


def test_activity_of_the_future_does_not_prolong(ann: Browser, clock: Any) -> None:
    """A day in which a server's clock was a year ahead leaves no session of a year."""
    clock.shift(13 * DAY)
    ann.text("read")
    clock.shift(-13 * DAY)
    ann.text("who")

    assert Session.objects.get().expire_date == START + 14 * DAY


def test_servers_whose_clocks_differ_share_a_rotation(ann: Browser, clock: Any) -> None:
    """A rotation on a server some seconds ahead is understood by one behind."""
    clock.shift(DAY + timedelta(seconds=20))
    tab = Browser(ann.world)
    tab.client.cookies.load({name: m.value for name, m in ann.cookies.items()})
    ann.text("who")
    clock.shift(timedelta(seconds=-20))

    assert tab.text("who") == "ann"
    assert tab.key == ann.key
    assert ann.text("who") == "ann"
