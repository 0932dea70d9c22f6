"""What a site's own tests sign people in with."""

from __future__ import annotations

from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth.models import User
from django.test import AsyncClient, Client

from sessions_plus.models import Device, Event, Session, SessionEvent
from sessions_plus.testing import asign_in, sign_in
from tests.support.authenticators import enrol

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.support.doors")]


@pytest.mark.parametrize("policy", ["optional", "staff", "required"])
def test_staff_with_a_factor_are_in(staff: User, policy: str, engine: str, settings: Any) -> None:
    """Also where a policy asks for a second factor, and by default with one."""
    settings.SESSIONS_PLUS_MFA_POLICY = policy
    enrol(staff)
    client = Client()

    sign_in(client, staff)

    assert client.get("/admin/").status_code == 200
    assert client.get("/two/").content == b"two factors"
    assert client.get("/all-fresh/").content == b"all fresh"


def test_by_password_alone(user: User) -> None:
    """What was not proved is not there: who says so has the password alone."""
    client = Client()

    sign_in(client, user, methods=("pwd",))

    assert client.get("/").content == b"hello ann"
    assert client.get("/two/").status_code == 302


def test_in_the_async_world(user: User, engine: str) -> None:
    """The twin does the same for Django's asynchronous client."""
    client = AsyncClient()

    async def walk() -> bytes:
        await asign_in(client, user)
        return bytes((await client.get("/async/who/")).content)

    assert async_to_sync(walk)() == b"ann"


def test_a_real_browser_gets_the_cookies(user: User) -> None:
    """What is returned, set by hand, is the same session on the same device."""
    cookies = sign_in(None, user)
    browser = Client()
    for name, value in cookies.items():
        browser.cookies[name] = value

    assert browser.get("/").content == b"hello ann"
    assert set(cookies) == {"sessionid", "device"}


def test_it_leaves_what_a_sign_in_leaves(user: User) -> None:
    """A device and its event are there, for tests of what a site makes of them."""
    sign_in(Client(), user, methods=("pwd", "rcv"))

    session = Session.objects.get(user=user)
    assert session.methods == ["pwd", "rcv"]
    assert Device.objects.for_user(user).get() == session.device
    assert SessionEvent.objects.filter(event=Event.SESSION_STARTED, user=user).count() == 1


def test_a_client_may_change_person(user: User, other_user: User) -> None:
    """Signing another person in takes the first one's place."""
    client = Client()
    sign_in(client, user)

    sign_in(client, other_user)

    assert client.get("/").content == b"hello ben"
