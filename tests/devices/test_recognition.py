"""One browser is one device, and holds one session of each person."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User

from sessions_plus.models import Device, Session, SessionEvent
from tests.conftest import World
from tests.support.browsers import SAFARI, Browser

pytestmark = [pytest.mark.urls("tests.support.sites"), pytest.mark.django_db(transaction=True)]


def test_sign_in_binds_user_device_and_methods(engine: str, world: World, user: User) -> None:
    """Whatever calls login() gives the session its user, device, moment, methods and key."""
    visitor = Browser(world)
    visitor.get("write")
    anonymous_key = visitor.key
    visitor.get("sign-in", name="ann")

    session = Session.objects.get()
    assert session.user == user
    assert session.device is not None
    assert session.device.user == user
    assert session.authenticated_at is not None
    assert session.auth_methods == "pwd"
    assert (session.browser, session.system, session.ip_address) == (
        "Firefox",
        "Linux",
        "127.0.0.1",
    )
    assert visitor.key != anonymous_key
    assert visitor.text("read") == "blue"


def test_same_user_signing_in_again_gets_a_new_key(engine: str, world: World, user: User) -> None:
    """Django keeps the key when the same user signs in again; we do not (ASVS 7.2.4)."""
    visitor = Browser(world)
    visitor.get("sign-in", name="ann")
    first = visitor.key

    visitor.get("sign-in", name="ann")

    assert visitor.key != first
    assert Session.objects.count() == 1
    stranger = Browser(world)
    stranger.key = first
    assert stranger.text("who") == "AnonymousUser"
    assert visitor.text("who") == "ann"


def test_signing_in_again_on_a_device_replaces_its_session(
    engine: str, world: World, user: User
) -> None:
    """A browser that lost its session and signs in again leaves no second one behind."""
    visitor = Browser(world)
    visitor.get("sign-in", name="ann")
    del visitor.cookies["sessionid"]

    visitor.get("sign-in", name="ann")

    assert Device.objects.count() == 1
    older, newer = Session.objects.order_by("pk")
    assert older.revoked_reason == "replaced"
    assert newer.revoked_at is None


def test_each_browser_is_a_device(engine: str, world: World, user: User) -> None:
    """Two browsers are two devices with a session each, and the second is news."""
    Browser(world).get("sign-in", name="ann")
    Browser(world, user_agent=SAFARI).get("sign-in", name="ann")

    assert Session.objects.active().count() == 2
    assert set(Device.objects.values_list("agent_kind", flat=True)) == {"desktop", "mobile"}
    assert SessionEvent.objects.filter(event="device.first_seen").count() == 2


def test_two_people_in_one_browser_have_a_device_each(
    engine: str, world: World, user: User, other_user: User
) -> None:
    """People who share a browser share its cookie and nothing else."""
    visitor = Browser(world)
    visitor.get("sign-in", name="ann")
    visitor.get("sign-in", name="ben")

    assert Device.objects.for_user(user).count() == 1
    assert Device.objects.for_user(other_user).count() == 1
    assert visitor.text("who") == "ben"
    assert Session.objects.for_user(user).active().count() == 0


def test_forged_device_cookie_is_replaced(engine: str, world: World, user: User) -> None:
    """A device cookie that we never issued recognises nobody."""
    visitor = Browser(world)
    visitor.cookies["device"] = "A" * 76

    visitor.get("sign-in", name="ann")

    assert visitor.cookies["device"].value != "A" * 76
    cookie = visitor.cookies["device"]
    assert cookie["httponly"]
    assert cookie["samesite"] == "Lax"


def test_device_cookie_goes_where_the_sessions_goes(
    engine: str, world: World, user: User, settings: Any
) -> None:
    """In other sites' frames both cookies come with a request, so that it accuses nobody."""
    settings.SESSION_COOKIE_SAMESITE = "None"
    settings.SESSION_COOKIE_SECURE = True

    cookies = Browser(world).get("sign-in", name="ann").cookies

    assert cookies["sessionid"]["samesite"] == cookies["__Host-device"]["samesite"] == "None"


def test_device_token_is_stored_as_a_digest(engine: str, world: World, user: User) -> None:
    """The database does not hold the cookie's value."""
    visitor = Browser(world)
    visitor.get("sign-in", name="ann")

    token = visitor.cookies["device"].value
    assert Device.objects.filter(token_hash=token).count() == 0
    assert len(Device.objects.get().token_hash or "") == 64
