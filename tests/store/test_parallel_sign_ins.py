"""Signing in twice at once, as a double click does: the person ends up signed in."""

from __future__ import annotations

from threading import Barrier
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.cache import caches

from sessions_plus.crypto import Purpose
from sessions_plus.devices.recognition import SignIn
from sessions_plus.keys import new_public_id, new_token
from sessions_plus.models import Device, Session
from sessions_plus.store.presentation import KeyState
from tests.conftest import World
from tests.support.browsers import Browser
from tests.support.pauses import Pause, in_thread, stopped
from tests.support.stores import enter, signed_in, under_way, user_id_under

pytestmark = [
    pytest.mark.urls("tests.support.sites"),
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("engine"),
]

ROUNDS = 15


@pytest.fixture
def visitor(world: World, user: User) -> Browser:
    """Somebody with an anonymous session in a browser that they signed in with before."""
    caches["default"].clear()
    visitor = Browser(world)
    visitor.get("sign-in", name="ann")
    visitor.get("sign-out")
    visitor.get("write")
    return visitor


def live() -> int:
    return Session.objects.filter(revoked_at=None).count()


def test_form_sent_twice(visitor: Browser) -> None:
    """The second of two sign-ins with one key is answered with a cookie, and it is good."""
    second = visitor.twin()
    visitor.get("sign-in", name="ann")

    response = second.get("sign-in", name="ann")

    assert "sessionid" in response.cookies
    assert second.text("who") == "ann"
    assert live() == 1


def test_form_sent_twice_from_a_new_browser(world: World, user: User) -> None:
    """The same where neither request has a device cookie yet."""
    first = Browser(world)
    first.get("write")
    second = first.twin()
    first.get("sign-in", name="ann")

    second.get("sign-in", name="ann")

    assert second.text("who") == "ann"


def test_sign_in_that_ends_last_does_not_end_the_other(visitor: Browser) -> None:
    """Of two sign-ins on one device, each stored before the other looked, one stays."""
    second = visitor.twin()

    with stopped(
        lambda: visitor.get("sign-in", name="ann"), at=Pause(SignIn, "written", before=True)
    ):
        second.get("sign-in", name="ann")

    assert live() == 1
    assert {visitor.text("who"), second.text("who")} == {"ann", "AnonymousUser"}


def test_many_at_once_on_one_device(user: User) -> None:
    """However the steps of two parallel sign-ins fall, one is left; the next replaces them all."""
    token = new_token(new_public_id(), purpose=Purpose.DEVICE_TOKEN)
    signed_in(user, device_token=token)
    barrier = Barrier(2, timeout=120)

    def sign_in() -> str:
        barrier.wait()
        return signed_in(user, device_token=token)

    for _ in range(ROUNDS):
        keys = [running.result(120) for running in [in_thread(sign_in), in_thread(sign_in)]]

        assert str(user.pk) in [user_id_under(key) for key in keys]
        signed_in(user, device_token=token)
        assert live() == 1
    assert Device.objects.count() == 1


def test_many_at_once_with_one_anonymous_key(visitor: Browser, user: User) -> None:
    """At least one of two requests that sign in with the same key gets a key that is good."""
    barrier = Barrier(2, timeout=120)

    def sign_in(browser: Browser) -> str:
        barrier.wait()
        browser.get("sign-in", name="ann")
        return browser.key

    for _ in range(ROUNDS):
        visitor.get("sign-out")
        visitor.get("write")
        twins = [visitor.twin(), visitor.twin()]
        running = [in_thread(lambda t=twin: sign_in(t)) for twin in twins]  # type: ignore[misc]

        keys = [one.result(120) for one in running]

        assert str(user.pk) in [user_id_under(key) for key in keys]


def test_stored_in_the_other_order(world: World, user: User) -> None:
    """Only a request whose key is good tells the browser of it, whichever is stored first."""
    key = under_way(None)
    key["color"] = "blue"
    key.save()
    stores = [under_way(key.session_key), under_way(key.session_key)]
    for store in stores:
        enter(store, user, world)

    for store in reversed(stores):
        world(store, "save")

    told = [store for store in stores if store.key_state is not KeyState.SUPERSEDED]
    assert told
    assert {user_id_under(store.session_key) for store in told} == {str(user.pk)}


def test_superseded_requests_leave_no_rows(visitor: Browser) -> None:
    """Requests that come with the key from before a sign-in store nothing that no cookie names."""
    late: Any = visitor.twin()
    key = late.key
    visitor.get("sign-in", name="ann")
    before = Session.objects.count()

    for _ in range(3):
        late.key = key
        response = late.get("write", color="late")
        assert (response.status_code, "sessionid" in response.cookies) == (200, False)

    assert Session.objects.count() == before
    assert visitor.text("read") == "blue"
