"""
Servers with both engines at once, as while a site moves from one to the other.

One process has ``db``, the other ``cached_db`` and a copy. What the first does is told to the
cache, where the site's settings name it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import override_settings

from sessions_plus.cache import copies
from sessions_plus.lifecycle import revoke, revoke_all
from sessions_plus.models import Device, Session
from sessions_plus.store.engine import has_cache
from tests.conftest import World
from tests.support import caches
from tests.support.browsers import Browser
from tests.support.cache_fixtures import KINDS

pytestmark = [pytest.mark.urls("tests.support.sites"), pytest.mark.django_db(transaction=True)]


@pytest.fixture(params=["core Redis", "Memcached", "files"])
def site(request: pytest.FixtureRequest, tmp_path: Any) -> Iterator[None]:
    """A site whose settings name the session cache, on a server that keeps copies."""
    cache = KINDS[request.param](request)
    with caches.site_with(cache, SESSION_CACHE_ALIAS="default"):
        yield


@contextmanager
def server_without_copies() -> Iterator[None]:
    engine = "sessions_plus.backends.db"
    with override_settings(SESSION_ENGINE=engine), caches.as_another_process():
        yield


@pytest.fixture
def visitor(site: None, world: World, user: User) -> Browser:
    """Somebody who is signed in, and of whose session there is a copy."""
    visitor = Browser(world)
    visitor.get("sign-in", name="ann")
    visitor.get("write", color="red")
    visitor.get("read")
    assert copies.recall(Session.objects.get().public_id).copy is not None
    return visitor


ENDS: dict[str, Callable[[Browser], object]] = {
    "revoke": lambda visitor: revoke(Session.objects.get()),
    "revoke all": lambda visitor: revoke_all(User.objects.get()),
    "sign out": lambda visitor: visitor.get("sign-out"),
    "remove the device": lambda visitor: Device.objects.get().delete(),
    "delete the row": lambda visitor: Session.objects.all().delete(),
    "disable the user": lambda visitor: User.objects.update(is_active=False),
}


@pytest.mark.parametrize("act", list(ENDS))
def test_end_is_told(visitor: Browser, world: World, act: str) -> None:
    """However a session is ended on the other server, no copy goes on here."""
    other = Browser(world)
    other.key = visitor.key
    with server_without_copies():
        ENDS[act](visitor)

    assert other.text("who") == "AnonymousUser"


def test_revocation_says_what_became_of_it(
    visitor: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that keeps no copies says that the cache was reached only where it was."""

    def fail(*_: object, **__: object) -> None:
        raise ConnectionError("cut off")

    with server_without_copies(), monkeypatch.context() as patch:
        patch.setattr(copies.tier().driver, "mark_ended", fail)

        assert not revoke(Session.objects.get()).cache_reached


def test_change_is_told(visitor: Browser) -> None:
    """What is stored on the other server is read here at once."""
    with server_without_copies():
        visitor.get("write", color="blue")

    assert visitor.text("read") == "blue"


def test_new_key_is_told(visitor: Browser, world: World) -> None:
    """A key that was changed on the other server is dead here at once."""
    thief = Browser(world)
    thief.key = visitor.key
    with server_without_copies():
        visitor.get("sign-in", name="ann")

    assert thief.text("who") == "AnonymousUser"
    assert visitor.text("who") == "ann"


def test_cache_that_is_not_named_is_left_alone(world: World, user: User) -> None:
    """With the engine ``db``, and no word of a session cache, none is touched."""
    with override_settings(SESSION_ENGINE="sessions_plus.backends.db", CACHES={}):
        visitor = Browser(world)
        visitor.get("sign-in", name="ann")
        visitor.get("write", color="red")

        assert revoke(Session.objects.get()).cache_reached
        assert not has_cache()
