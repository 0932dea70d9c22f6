"""The store: columns that follow the session's data, and writes that overwrite nothing."""

from __future__ import annotations

from datetime import timedelta
from importlib import import_module
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.contrib.sessions.backends.base import CreateError, SessionBase, UpdateError
from django.utils import timezone

from sessions_plus.client_info import ClientInfo
from sessions_plus.exceptions import NotSerialisable
from sessions_plus.models import Session, SessionEvent
from tests.conftest import World
from tests.support.browsers import FIREFOX

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def new_store(engine: str) -> Any:
    """Make a store of the engine: ``new_store(key)``."""
    return import_module(engine).SessionStore


def stored(new_store: Any, world: World, **data: Any) -> Any:
    store = new_store()
    store.update(data)
    world(store, "save")
    return store


def test_columns_follow_the_user_in_the_data(new_store: Any, world: World, user: User) -> None:
    """Whatever way the user gets into the data or out of it, the column says the same."""
    store = stored(new_store, world, _auth_user_id=str(user.pk))
    assert Session.objects.get().user == user
    assert Session.objects.get().authenticated_at is not None

    world(store, "pop", "_auth_user_id")
    world(store, "save")
    assert Session.objects.get().user_id is None
    assert Session.objects.get().authenticated_at is None

    world(store, "setdefault", "_auth_user_id", str(user.pk))
    world(store, "save")
    assert Session.objects.get().user == user


@pytest.mark.parametrize("value", ["nobody", "", "9" * 400, [], {"a": 1}])
def test_unusable_user_in_the_data_is_nobody(new_store: Any, world: World, value: Any) -> None:
    """A value that is no user's key is stored as anonymous, not as an error."""
    stored(new_store, world, _auth_user_id=value)

    assert Session.objects.get().user_id is None


def test_store_without_a_request_blanks_nothing(new_store: Any, world: World) -> None:
    """A program that saves a session leaves address and user agent as they were."""
    store = new_store()
    store.client = ClientInfo.of(ip_address="192.0.2.7", user_agent=FIREFOX)
    store["color"] = "blue"
    world(store, "save")

    program = new_store(store.session_key)
    program["color"] = "red"
    world(program, "save")

    session = Session.objects.get()
    assert (session.ip_address, session.browser, session.system) == (
        "192.0.2.7",
        "Firefox",
        "Linux",
    )
    assert session.get_decoded() == {"color": "red"}


@pytest.mark.parametrize("tracked", [True, False])
def test_anonymous_visitors_are_tracked_or_not(
    new_store: Any, world: World, settings: Any, tracked: bool
) -> None:
    """A setting decides whether a session that nobody signed in to tells of its visitor."""
    settings.SESSIONS_PLUS_TRACK_ANONYMOUS = tracked
    store = new_store()
    store.client = ClientInfo.of(ip_address="192.0.2.7", user_agent=FIREFOX)
    store["color"] = "blue"

    world(store, "save")

    session = Session.objects.get()
    assert (session.ip_address, session.browser) == (
        ("192.0.2.7", "Firefox") if tracked else (None, "")
    )


def test_parallel_writers_of_different_keys_lose_nothing(new_store: Any, world: World) -> None:
    """Two requests that change different keys, nested ones too, both persist."""
    store = stored(new_store, world, cart={"tea": 1}, theme="light")
    one, other = new_store(store.session_key), new_store(store.session_key)
    world(one, "get", "cart")
    world(other, "get", "cart")

    one["cart"]["cup"] = 2
    one.modified = True
    world(one, "save")
    other["cart"]["pot"] = 3
    other["theme"] = "dark"
    world(other, "save")

    expected = {"cart": {"tea": 1, "cup": 2, "pot": 3}, "theme": "dark"}
    assert Session.objects.get().get_decoded() == expected
    assert dict(other.items()) == expected


def test_a_save_does_not_revive_a_revoked_session(new_store: Any, world: World, user: User) -> None:
    """A session that ended while a request was under way stays ended, and empty."""
    from sessions_plus.lifecycle import revoke

    store = stored(new_store, world, _auth_user_id=str(user.pk))
    late = new_store(store.session_key)
    late["color"] = "blue"
    revoke(Session.objects.get())

    with pytest.raises(UpdateError):
        world(late, "save")

    assert Session.objects.get().get_decoded() == {}
    assert world(new_store(store.session_key), "load") == {}


def test_rotation_keeps_the_row(new_store: Any, world: World, user: User) -> None:
    """A new key is one UPDATE: the row, its public id and its age survive."""
    store = stored(new_store, world, _auth_user_id=str(user.pk), color="blue")
    before, old_key = Session.objects.get(), store.session_key

    world(store, "cycle_key")

    after = Session.objects.get()
    assert (after.pk, after.public_id, after.created_at) == (
        before.pk,
        before.public_id,
        before.created_at,
    )
    assert store.session_key != old_key
    assert world(new_store(old_key), "load") == {}
    assert world(new_store(store.session_key), "load")["color"] == "blue"


def test_cycling_a_key_takes_a_newer_write_along(new_store: Any, world: World) -> None:
    """A key that is changed while another request writes keeps both changes."""
    store = stored(new_store, world, color="blue")
    world(store, "get", "color")
    other = new_store(store.session_key)
    other["size"] = "big"
    world(other, "save")

    store["color"] = "red"
    world(store, "cycle_key")
    world(store, "save")

    assert Session.objects.get().get_decoded() == {"color": "red", "size": "big"}


def test_unstored_session_gets_its_key_without_a_row(new_store: Any, world: World) -> None:
    """Cycling the key of a session that is not stored makes no row; its save does."""
    store = new_store()

    world(store, "cycle_key")
    assert store.session_key
    assert Session.objects.count() == 0

    world(store, "save")
    assert world(new_store(store.session_key), "exists", store.session_key)


def test_creating_twice_is_refused(new_store: Any, world: World) -> None:
    """A session that is stored cannot be created again."""
    store = stored(new_store, world, color="blue")

    with pytest.raises(CreateError):
        world(store, "save", must_create=True)

    assert Session.objects.count() == 1


def test_unserialisable_value_is_named(new_store: Any, world: World) -> None:
    """What cannot be stored fails loudly, with the name of its key, and stores nothing."""
    store = stored(new_store, world, color="blue")
    store["when"] = timezone.now()

    with pytest.raises(NotSerialisable, match=r"'when'.*datetime"):
        world(store, "save")

    assert Session.objects.get().get_decoded() == {"color": "blue"}


def test_clearing_writes_an_empty_dictionary(new_store: Any, world: World) -> None:
    """``clear()`` without a read empties what is stored."""
    store = stored(new_store, world, color="blue")

    again = new_store(store.session_key)
    again.clear()
    world(again, "save")

    assert Session.objects.get().get_decoded() == {}


def test_unreadable_data_is_no_session(
    new_store: Any, world: World, user: User, settings: Any
) -> None:
    """Data that does not open is no session and one event, and never an error."""
    store = stored(new_store, world, _auth_user_id=str(user.pk))
    row = Session.objects.get()
    sealed = bytes(row.data)
    Session.objects.update(data=sealed[:-1] + bytes([sealed[-1] ^ 1]))

    assert world(new_store(store.session_key), "load") == {}
    assert SessionEvent.objects.filter(event="session.unreadable").count() == 1


def test_custom_expiry_shortens_and_lengthens(new_store: Any, world: World) -> None:
    """``set_expiry`` with seconds is the idle timeout of that one session."""
    store = stored(new_store, world, color="blue")

    store.set_expiry(30)
    world(store, "save")

    session = Session.objects.get()
    assert session.expire_date - session.last_activity == timedelta(seconds=30)


def test_renewing_what_has_to_be_proved_again(new_store: Any, world: World, user: User) -> None:
    """A session that waits to be proved is asked after, and not prolonged."""
    key = stored(new_store, world, _auth_user_id=str(user.pk)).session_key
    Session.objects.update(must_reauthenticate=True)
    before = Session.objects.get().last_activity

    assert new_store(key).renew(timezone.now() + timedelta(hours=1))

    assert Session.objects.get().last_activity == before


def test_asking_for_an_age_reads_nothing(
    new_store: Any, world: World, django_assert_num_queries: Any
) -> None:
    """An age that is worked out from what was given costs no look at the session."""
    store = new_store(stored(new_store, world, color="blue").session_key)

    with django_assert_num_queries(0):
        assert world(store, "get_expiry_age", expiry=10) == 10

    assert not store.accessed


def test_session_key_is_in_no_repr(new_store: Any, world: World) -> None:
    """Neither the store nor the row shows the key or a digest of it."""
    store = stored(new_store, world, color="blue")
    session = Session.objects.get()

    shown = repr(store) + repr(session) + str(session)

    assert store.session_key not in shown
    assert session.key_hash not in shown


def test_a_new_store_is_as_django_makes_it(new_store: Any) -> None:
    """It has all the attributes that Django's own store begins with, and the same values."""
    store = new_store()

    django = vars(SessionBase(store.session_key))

    assert {name: vars(store)[name] for name in django} == django
