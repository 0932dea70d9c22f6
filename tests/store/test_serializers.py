"""Any ``SESSION_SERIALIZER``: the same promises, and a change of it signs out without an error."""

from __future__ import annotations

import zlib
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.contrib.auth.models import User
from django.contrib.sessions.serializers import JSONSerializer
from django.core.cache import caches
from django.utils import timezone

from sessions_plus.exceptions import NotSerialisable
from sessions_plus.models import Event, Session, SessionEvent
from tests.conftest import World
from tests.support.browsers import Browser
from tests.support.stores import stored, under_way, user_id_under

pytestmark = [
    pytest.mark.urls("tests.support.sites"),
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("engine"),
]


class Compressing:
    """Shows no key of the dictionary in its bytes, and knows nothing of Django's."""

    def dumps(self, obj: Any) -> bytes:
        return zlib.compress(JSONSerializer().dumps(obj))

    def loads(self, data: bytes) -> Any:
        return JSONSerializer().loads(zlib.decompress(data))


COMPRESSING = f"{__name__}.Compressing"


@pytest.fixture(autouse=True)
def _empty_cache() -> None:
    caches["default"].clear()


@pytest.fixture
def ann(world: World, user: User) -> Browser:
    ann = Browser(world)
    ann.get("sign-in", name="ann")
    return ann


def test_what_is_stored_comes_back(world: World, settings: Any) -> None:
    """The site's serializer makes what is stored, and reads it."""
    settings.SESSION_SERIALIZER = COMPRESSING
    store = under_way(None)
    store["cart"] = {"items": [1, 2]}

    world(store, "save")

    assert under_way(store.session_key)["cart"] == {"items": [1, 2]}


def test_custom_expiry_ends_the_session(ann: Browser, settings: Any) -> None:
    """``set_expiry`` holds whatever the dictionary's bytes look like."""
    settings.SESSION_SERIALIZER = COMPRESSING
    ann.get("sign-in", name="ann")
    ann.get("expire", seconds="300")
    assert ann.text("who") == "ann"
    key = ann.key

    with time_machine.travel(timezone.now() + timedelta(seconds=301), tick=False):
        assert ann.text("who") == "AnonymousUser"
        assert user_id_under(key) is None


def test_parallel_writes_are_merged(world: World, settings: Any) -> None:
    """Two requests that write different keys lose nothing."""
    settings.SESSION_SERIALIZER = COMPRESSING
    key = stored(color="blue")
    mine, other = under_way(key), under_way(key)
    mine["mine"], other["other"] = 1, 1
    other.save()

    world(mine, "save")

    assert dict(under_way(key).items()) == {"color": "blue", "mine": 1, "other": 1}


@pytest.mark.parametrize("serializer", [COMPRESSING, "", "django.core.signing.JSONSerializer"])
def test_value_that_cannot_be_stored_is_named(serializer: str, settings: Any) -> None:
    """Whichever serializer refuses a value, the message names its key."""
    settings.SESSION_SERIALIZER = serializer or settings.SESSION_SERIALIZER
    store = under_way(None)
    store.update({"fine": 1, "wrong": object()})

    with pytest.raises(NotSerialisable, match="'wrong'"):
        store.save()


def test_changing_the_serializer_signs_out(ann: Browser, settings: Any) -> None:
    """Sessions of before are no sessions: pages are answered, and the person can sign in."""
    settings.SESSION_SERIALIZER = COMPRESSING
    key = ann.key
    caches["default"].clear()

    assert ann.text("who") == "AnonymousUser"
    ann.key = key
    assert ann.text("write") == "written"
    ann.get("sign-in", name="ann")
    assert ann.text("who") == "ann"


def test_copies_of_another_serializer_are_no_error(ann: Browser, settings: Any) -> None:
    """The same where the cache still holds what the former serializer made."""
    ann.text("who")
    settings.SESSION_SERIALIZER = COMPRESSING

    response = ann.get("who")

    assert (response.status_code, response.content) == (200, b"AnonymousUser")


def test_unreadable_session_is_recorded_once(world: World, user: User) -> None:
    """However often a browser comes with a session that does not open, there is one event."""
    store = under_way(None)
    store["_auth_user_id"] = str(user.pk)
    store.save()
    Session.objects.update(
        data=b"\x01 these bytes were never sealed by anybody at all, or elsewhere"
    )

    for _ in range(5):
        assert world(under_way(store.session_key), "get", "_auth_user_id") is None

    assert SessionEvent.objects.filter(event=Event.SESSION_UNREADABLE).count() == 1
