"""No lost updates (invariant 3): what parallel requests store all stays, and no error lies."""

from __future__ import annotations

import threading
from collections.abc import Callable
from importlib import import_module
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.contrib.sessions.backends.base import UpdateError
from django.contrib.sessions.exceptions import SessionInterrupted
from django.core.cache import caches
from django.db import DatabaseError, connection
from django.test import Client, override_settings

from sessions_plus.exceptions import NotSerialisable
from sessions_plus.lifecycle import revoke
from sessions_plus.models import Session
from tests.conftest import World
from tests.support.pauses import in_thread

pytestmark = [pytest.mark.urls("tests.support.sites"), pytest.mark.django_db(transaction=True)]

ROUNDS = 200


@pytest.fixture
def new_store(engine: str) -> Any:
    caches["default"].clear()
    return import_module(engine).SessionStore


def stored(new_store: Any, **data: Any) -> str:
    store = new_store()
    store.update(data)
    store.save()
    return str(store.session_key)


def in_step(count: int, change: Callable[[Any, int], None], load: Callable[[], Any]) -> None:
    """Let ``count`` threads load, then all change and save what they loaded, in every round."""
    barrier = threading.Barrier(count, timeout=120)

    def work(number: int) -> None:
        for _ in range(ROUNDS):
            store = load()
            barrier.wait()
            change(store, number)
            barrier.wait()

    for running in [in_thread(lambda n=number: work(n)) for number in range(count)]:  # type: ignore[misc]
        running.result(120)


def test_two_writers_of_different_keys(new_store: Any, world: World) -> None:
    """In two hundred rounds of two writers that loaded the same, nothing is lost."""
    key = stored(new_store, a=0, b=0)

    def load() -> Any:
        store = new_store(key)
        world(store, "get", "a")
        return store

    def change(store: Any, number: int) -> None:
        name = "ab"[number]
        store[name] += 1
        world(store, "save")

    in_step(2, change, load)

    final = new_store(key)
    assert (final["a"], final["b"]) == (ROUNDS, ROUNDS)


def test_two_writers_into_one_nested_dictionary(new_store: Any, world: World) -> None:
    """The same inside a dictionary of the session, changed in place with ``modified``."""
    key = stored(new_store, cart={"items": {"a": 0, "b": 0}})

    def load() -> Any:
        store = new_store(key)
        world(store, "get", "cart")
        return store

    def change(store: Any, number: int) -> None:
        store["cart"]["items"]["ab"[number]] += 1
        store.modified = True
        world(store, "save")

    in_step(2, change, load)

    assert new_store(key)["cart"] == {"items": {"a": ROUNDS, "b": ROUNDS}}


def test_later_save_of_one_key_wins(new_store: Any, world: World) -> None:
    """Two writes of the same key, or of a list, do not mix: the later save's stands."""
    key = stored(new_store, color="red", items=[1])
    early, late = new_store(key), new_store(key)
    for store, color, item in ((early, "green", 2), (late, "blue", 3)):
        world(store, "set", "color", color) if world.is_async else store.__setitem__("color", color)
        store["items"] = [*store["items"], item]

    world(early, "save")
    world(late, "save")

    assert dict(new_store(key).items()) == {"color": "blue", "items": [1, 3]}


def test_deleted_key_stays_deleted(new_store: Any, world: World) -> None:
    """A key that one request removed is not brought back by another's save."""
    key = stored(new_store, coupon="x", color="red")
    remover, other = new_store(key), new_store(key)
    del remover["coupon"]
    other["color"] = "blue"

    world(remover, "save")
    world(other, "save")

    assert dict(new_store(key).items()) == {"color": "blue"}


def test_no_conflict_costs_nothing(new_store: Any, django_assert_num_queries: Any) -> None:
    """A save that nobody crosses is one statement."""
    store = new_store(stored(new_store, color="red"))
    store["color"] = "blue"

    with django_assert_num_queries(1):
        store.save()


def test_a_save_never_revives(new_store: Any, world: World, user: User) -> None:
    """Saving what was loaded before a revocation says so, and writes nothing."""
    store = new_store(stored(new_store, _auth_user_id=str(user.pk)))
    world(store, "get", "color")
    revoke(Session.objects.get())
    world(store, "update", {"color": "revived"})

    with pytest.raises(UpdateError):
        world(store, "save")

    assert bytes(Session.objects.get().data) == b""


def test_a_new_key_never_revives(new_store: Any, world: World, user: User) -> None:
    """A request that changes the key of a session revoked meanwhile is told so, and gets none."""
    store = new_store(stored(new_store, _auth_user_id=str(user.pk), color="red"))
    world(store, "get", "color")
    revoke(Session.objects.get())

    with pytest.raises(SessionInterrupted):
        world(store, "cycle_key")

    assert new_store(store.session_key).get("color") is None
    assert Session.objects.filter(revoked_at=None).count() == 0


def test_unserialisable_value_is_named(new_store: Any, world: World) -> None:
    """A value that cannot be stored is an error that names its key."""
    store = new_store()
    world(store, "update", {"fine": 1, "wrong": object()})

    with pytest.raises(NotSerialisable, match="'wrong'"):
        world(store, "save")


def test_database_error_stays_one(new_store: Any, world: World) -> None:
    """A database that fails at a save is not mistaken for a session that ended."""
    store = new_store(stored(new_store, color="red"))
    store["color"] = "blue"

    def fail(*_: Any) -> None:
        raise DatabaseError("the disk is full")

    with connection.execute_wrapper(fail), pytest.raises(DatabaseError) as error:
        world(store, "save")

    assert not isinstance(error.value, UpdateError)


def test_database_error_leaves_the_cookie(engine: str, user: User) -> None:
    """A request that meets a broken database fails as such, and deletes no cookie."""
    with override_settings(SESSION_ENGINE=engine):
        client = Client(raise_request_exception=False)
        client.get("/sync/sign-in/", {"name": "ann"})
        caches["default"].clear()

        def fail(*_: Any) -> None:
            raise DatabaseError("the disk is full")

        with connection.execute_wrapper(fail):
            response = client.get("/sync/read/")

        assert response.status_code == 500
        assert "sessionid" not in response.cookies
        assert client.get("/sync/who/").content == b"ann"
