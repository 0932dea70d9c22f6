"""A save that names a user whom no sign-in was bound for is settled before it is written."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

import pytest
from django.contrib.auth import SESSION_KEY
from django.contrib.auth.models import User
from django.core.cache import caches

from sessions_plus.devices.recognition import SignIn
from sessions_plus.models import Session
from sessions_plus.store.session_store import SessionStore
from tests.conftest import World
from tests.support.stores import enter, signed_in, stored, under_way

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("engine")]

Settle = Callable[[Callable[[Any], None]], list[Any]]


@pytest.fixture
def settle(monkeypatch: pytest.MonkeyPatch) -> Settle:
    """Register what decides; it returns the stores that it was asked about."""
    caches["default"].clear()

    def register(act: Callable[[Any], None]) -> list[Any]:
        asked: list[Any] = []

        def settler(store: Any) -> None:
            asked.append(store)
            act(store)

        monkeypatch.setattr(SessionStore, "settler", settler)
        return asked

    return register


def leave(store: Any) -> None:
    """Decide nothing."""


def named(key: str | None, user: User) -> Any:
    """The store of a program that writes a user into the dictionary, as Django keeps it."""
    store = under_way(key)
    store[SESSION_KEY] = str(user.pk)
    return store


@pytest.mark.parametrize("beginning", [lambda: None, stored], ids=["new", "stored"])
def test_is_asked_of_whoever_is_named(
    settle: Settle, beginning: Callable[[], str | None], world: World, user: User
) -> None:
    """It is asked once, before anything is written, of an INSERT as of an UPDATE."""
    users: list[Any] = []
    asked = settle(lambda store: users.extend(Session.objects.values_list("user_id", flat=True)))
    store = named(beginning(), user)

    world(store, "save")

    assert asked == [store]
    assert users in ([], [None])
    assert Session.objects.get().user_id == user.pk


def test_is_asked_of_another_user(
    settle: Settle, world: World, user: User, other_user: User
) -> None:
    """A session that is somebody's does not become another's unasked."""
    key = signed_in(user)
    asked = settle(leave)

    world(named(key, other_user), "save")

    assert len(asked) == 1


def test_is_not_asked_of_a_sign_in(settle: Settle, world: World, user: User) -> None:
    """What is bound was decided; so was who is signed in already, or signs out."""
    asked = settle(leave)
    store = under_way(None)
    enter(store, user, world)
    world(store, "save")
    store["color"] = "blue"
    world(store, "save")
    del store[SESSION_KEY]
    world(store, "save")

    assert asked == []


def test_may_bind_a_sign_in(settle: Settle, world: World, user: User) -> None:
    """What it binds is written with the session: device, method, and a new key."""
    key = stored(color="blue")
    settle(lambda store: store.bind(SignIn(user, ("ext",))))
    store = named(key, user)

    world(store, "save")

    session = Session.objects.get()
    assert (session.user_id, session.auth_methods) == (user.pk, "ext")
    assert session.device is not None
    assert store.session_key != key


def test_may_let_nobody_in(settle: Settle, world: World, user: User) -> None:
    """What it takes out of the dictionary is not written."""
    settle(lambda store: store.pop(SESSION_KEY))
    store = named(stored(color="blue"), user)

    world(store, "save")

    assert Session.objects.get().user_id is None
    assert under_way(store.session_key)["color"] == "blue"


def test_may_begin_a_session_anew(
    settle: Settle, world: World, user: User, other_user: User
) -> None:
    """What it flushes ends, and what is stored then is a session of its own."""
    key = signed_in(user)

    def begin_anew(store: Any) -> None:
        store.flush()
        store.cycle_key()
        store["waits"] = True

    settle(begin_anew)
    store = named(key, other_user)
    world(store, "save")

    ended, anew = Session.objects.order_by("pk")
    assert ended.revoked_at is not None
    assert (anew.user_id, anew.get_decoded()) == (None, {"waits": True})
    assert import_module(store.__module__).SessionStore(store.session_key)["waits"]
