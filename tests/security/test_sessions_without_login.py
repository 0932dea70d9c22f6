"""
Code that writes a user into a session past ``login()`` leaves behind what ``login()`` does.

Bridges of single sign-on, sockets and test helpers do. A rule of the row: on both engines, in
both worlds, with and without a request.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.auth.models import User
from django.contrib.auth.signals import user_logged_in
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest, HttpResponse
from django.test import AsyncClient, Client
from django.urls import include, path

from sessions_plus.models import Challenge, Device, Event, Session, SessionEvent
from sessions_plus.store.session_store import SessionStore
from tests.conftest import World
from tests.support import doors
from tests.support.authenticators import enrol
from tests.support.sites import BACKEND

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.urls(__name__),
    pytest.mark.usefixtures("engine"),
]


def credentials_of(user: Any) -> dict[str, str]:
    """Return what Django's ``login()`` writes into the session's dictionary."""
    return {
        SESSION_KEY: str(user.pk),
        BACKEND_SESSION_KEY: BACKEND,
        HASH_SESSION_KEY: user.get_session_auth_hash(),
    }


def bridge(request: HttpRequest) -> HttpResponse:
    request.session.update(credentials_of(User.objects.get(username="ann")))
    return HttpResponse("signed in by a bridge")


async def abridge(request: HttpRequest) -> HttpResponse:
    user = await User.objects.aget(username="ann")
    for name, value in credentials_of(user).items():
        await request.session.aset(name, value)
    return HttpResponse("signed in by a bridge")


urlpatterns = [
    path("sync/bridge/", bridge),
    path("async/bridge/", abridge),
    path("", include(doors.urlpatterns)),
]


def by_view(world: World, user: User) -> str:
    """A view writes into its request's session."""
    client: Any = AsyncClient() if world.is_async else Client()
    get = async_to_sync(client.get) if world.is_async else client.get
    get(f"/{world}/bridge/")
    return str(client.cookies["sessionid"].value)


def by_program(world: World, user: User) -> str:
    """A program makes a session and saves it; there is no request."""
    store = import_module(settings.SESSION_ENGINE).SessionStore()
    store.update(credentials_of(user))
    world(store, "save")
    return str(store.session_key)


def by_socket(world: World, user: User) -> str:
    """Channels' ``login(scope, user)``: the signal without a request, then a save."""
    store = import_module(settings.SESSION_ENGINE).SessionStore()
    world(store, "cycle_key")
    store.update(credentials_of(user))
    user_logged_in.send(sender=type(user), request=None, user=user)
    world(store, "save")
    return str(store.session_key)


def over_a_cart(world: World, user: User) -> str:
    """A program signs somebody in to a session that a visitor had stored."""
    engine = import_module(settings.SESSION_ENGINE).SessionStore
    store = engine()
    store["cart"] = [1]
    store.save()
    again = engine(store.session_key)
    again.update(credentials_of(user))
    world(again, "save")
    return str(again.session_key)


WAYS = [by_view, by_program, by_socket, over_a_cart]


def browser_with(key: str) -> Client:
    client = Client()
    client.cookies["sessionid"] = key
    return client


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_somebody_with_a_factor_waits(user: User, world: World, way: Any) -> None:
    """The session is anonymous and waits; no door is open, the admin's neither."""
    User.objects.filter(pk=user.pk).update(is_staff=True, is_superuser=True)
    app = enrol(user)

    client = browser_with(way(world, user))

    assert client.get("/sync/who/").content == b"AnonymousUser"
    assert client.get("/admin/").status_code == 302
    assert not Session.objects.filter(user=user).exists()
    assert Challenge.objects.filter(user_id=user.pk, closed_at=None).count() == 1
    assert not SessionEvent.objects.filter(event=Event.SESSION_STARTED).exists()
    client.post("/account/challenge/", {"code": app.code()})
    assert client.get("/sync/who/").content == b"ann"
    assert Session.objects.get(user=user).methods == ["ext", "otp"]


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_somebody_without_one_is_signed_in_as_ever(user: User, world: World, way: Any) -> None:
    """With a device, a method, an event: the list and the audit know of it."""
    client = browser_with(way(world, user))

    assert client.get("/sync/who/").content == b"ann"
    session = Session.objects.get(user=user, revoked_at=None)
    assert session.methods == ["ext"]
    assert session.device == Device.objects.for_user(user).get()
    assert SessionEvent.objects.filter(event=Event.SESSION_STARTED, user=user).count() == 1


def test_a_cart_survives(user: User, world: World) -> None:
    """What the visitor had is there when the second factor was proved."""
    enrol(user)

    key = over_a_cart(world, user)

    assert import_module(settings.SESSION_ENGINE).SessionStore(key)["cart"] == [1]


def test_nobody_is_signed_in_who_may_not(user: User, world: World) -> None:
    """A disabled user, and one whom no backend of the site knows, is left out."""
    User.objects.filter(pk=user.pk).update(is_active=False)

    key = by_program(world, user)

    assert not Session.objects.filter(user=user).exists()
    assert SESSION_KEY not in import_module(settings.SESSION_ENGINE).SessionStore(key)


def test_saving_again_asks_nothing(user: User, world: World) -> None:
    """What was settled is the session's: later saves make no second device or event."""
    key = by_program(world, user)
    store = import_module(settings.SESSION_ENGINE).SessionStore(key)
    store["color"] = "blue"

    world(store, "save")

    assert Device.objects.for_user(user).count() == 1
    assert SessionEvent.objects.filter(event=Event.SESSION_STARTED).count() == 1


def test_where_nobody_decides_nothing_is_saved(
    user: User, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An engine without the app says so, and lets nobody in."""
    monkeypatch.setattr(SessionStore, "settler", None)

    with pytest.raises(ImproperlyConfigured, match="INSTALLED_APPS"):
        by_program(world, user)

    assert not Session.objects.filter(user=user).exists()
