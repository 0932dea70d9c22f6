"""Who must have a browser that binds its session to a key of its device."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.contrib.auth.models import User
from django.core.cache import caches
from django.test import override_settings

from sessions_plus.cache import copies
from sessions_plus.models import Session
from tests.conftest import PASSWORD, World
from tests.support.device_keys import KeyBrowser

pytestmark = [
    pytest.mark.urls("tests.support.bound_sites"),
    pytest.mark.django_db(transaction=True),
]

START = datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)
MINUTE, MOMENT = timedelta(minutes=1), timedelta(seconds=1)
DEVICES = "/account/devices/"


def is_staff(user: Any) -> bool:
    return bool(user.is_staff)


@pytest.fixture(autouse=True)
def _site() -> Iterator[None]:
    caches["default"].clear()
    with override_settings(
        SESSION_COOKIE_SECURE=True,
        SESSION_COOKIE_NAME="__Host-sessionid",
        SESSIONS_PLUS_DEVICE_BINDING="enforce",
        SESSIONS_PLUS_DEVICE_BINDING_REQUIRED=is_staff,
    ):
        yield


@pytest.fixture
def clock() -> Iterator[Any]:
    with time_machine.travel(START, tick=False) as traveller:
        yield traveller
    copies.reset()  # it noted when it began


@pytest.fixture
def root(engine: str, world: World, staff: User, clock: Any) -> KeyBrowser:
    """A member of staff whose browser bound nothing."""
    browser = KeyBrowser(world)
    browser.sign_in("root")
    return browser


def test_a_browser_has_a_minute_to_bind(root: KeyBrowser, clock: Any) -> None:
    """Then nothing opens; the page says calmly which browsers can."""
    clock.shift(MINUTE)
    assert root.ask("GET", DEVICES).status_code == 200

    clock.shift(MOMENT)
    answer = root.ask("GET", DEVICES)

    assert answer.status_code == 403
    assert "Chrome and Edge on Windows" in answer.content.decode()
    assert "/account/reauthenticate/?next=%2Faccount%2Fdevices%2F" in answer.content.decode()


def test_a_bound_session_is_let_in(root: KeyBrowser, clock: Any) -> None:
    root.register()
    root.text("who")
    clock.shift(2 * MINUTE)

    assert root.ask("GET", DEVICES).status_code == 200


def test_others_need_none(engine: str, world: World, user: User, clock: Any) -> None:
    """Only those of whom the function says so."""
    browser = KeyBrowser(world)
    browser.sign_in("ann")
    clock.shift(2 * MINUTE)

    assert browser.ask("GET", DEVICES).status_code == 200


def test_programs_are_told_the_code(root: KeyBrowser, clock: Any) -> None:
    """A script of a page, with the session's cookie."""
    clock.shift(2 * MINUTE)

    answer = root.ask("GET", DEVICES, sec_fetch_dest="empty")

    assert answer.status_code == 403
    assert answer.json()["code"] == "device_binding_required"


def test_proving_oneself_again_offers_it_again(root: KeyBrowser, clock: Any) -> None:
    """The page for it is open, and a browser that can then binds the session."""
    clock.shift(2 * MINUTE)
    assert root.ask("GET", "/account/reauthenticate/").status_code == 200

    answer = root.ask("POST", "/account/reauthenticate/", data={"password": PASSWORD})

    root.offer = answer.headers["Secure-Session-Registration"]
    assert root.register().status_code == 200
    root.text("who")
    clock.shift(2 * MINUTE)
    assert root.ask("GET", DEVICES).status_code == 200
    assert Session.objects.get().is_bound


def test_a_dotted_path_says_the_same(root: KeyBrowser, clock: Any) -> None:
    clock.shift(2 * MINUTE)
    with override_settings(SESSIONS_PLUS_DEVICE_BINDING_REQUIRED=f"{__name__}.is_staff"):
        assert root.ask("GET", DEVICES).status_code == 403
    with override_settings(SESSIONS_PLUS_DEVICE_BINDING_REQUIRED=None):
        assert root.ask("GET", DEVICES).status_code == 200
