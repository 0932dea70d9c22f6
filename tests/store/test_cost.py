"""What most requests cost, counted in calls: the same on every machine and at any load."""

from __future__ import annotations

import sys
import typing
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.cache import caches
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory, override_settings
from django.utils import timezone

import sessions_plus
from sessions_plus.backends.cached_db import SessionStore
from sessions_plus.cache import copies
from sessions_plus.device_proof.proof_cookie import name_of, new_value
from sessions_plus.keys import new_public_id
from sessions_plus.middleware import SessionMiddleware
from sessions_plus.models.session import unseal_data
from sessions_plus.moments import in_local
from sessions_plus.rows import session_row
from tests.support.stores import signed_in

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("_adopts")]

OURS = str(Path(sessions_plus.__file__).parent)

# A number that grows is a cost for every request of every site: first look for a way without.
CALLS_OF_A_READ = 33
CALLS_OF_AN_ASYNC_READ = 36
CALLS_OF_A_REQUEST = 43
CALLS_OF_A_PROOF = 10
CALLS_OF_A_CHANGE = 225  # on PostgreSQL; elsewhere one less


def calls(act: Callable[[], object]) -> list[str]:
    """Return the names of the functions of ours that were called."""
    found: list[str] = []

    def count(frame: FrameType, event: str, _: Any) -> None:
        if event == "call" and frame.f_code.co_filename.startswith(OURS):
            found.append(f"{Path(frame.f_code.co_filename).stem}.{frame.f_code.co_name}")

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        act()
    finally:
        sys.setprofile(before)
    return found


@pytest.fixture(params=[None, "django.contrib.sessions.backends.db"], ids=["", "while moving in"])
def _adopts(request: pytest.FixtureRequest, settings: Any) -> None:
    """Whether sessions of another engine are taken over, which costs our own nothing."""
    settings.SESSIONS_PLUS_ADOPT_FROM = request.param
    settings.SESSIONS_PLUS_ADOPT_UNTIL = in_local(timezone.now()).date() + timedelta(days=1)


@pytest.fixture
def key(user: User) -> Iterator[str]:
    """The key of a session that somebody is signed in to, and of which a copy is kept."""
    with override_settings(SESSION_ENGINE="sessions_plus.backends.cached_db"):
        caches["default"].clear()
        copies.tier()
        key = signed_in(user)
        SessionStore(key).load()
        yield key


def test_cached_read(key: str) -> None:
    """A session is read from its copy in no more calls than it ever was."""
    found = calls(lambda: SessionStore(key).load())

    assert len(found) <= CALLS_OF_A_READ, found


def test_tag_of_a_key(key: str) -> None:
    """It is checked by one pair of prepared states: no read derives a key, or prepares one."""
    found = [name for name in calls(lambda: SessionStore(key).load()) if name.startswith("crypto.")]

    assert found.count("crypto.tag_is_ours") == found.count("crypto.of") == 1
    assert not {"crypto.__init__", "crypto._derive", "crypto._expand", "crypto._mac"} & {*found}


def test_types_cost_nothing(key: str) -> None:
    """A request calls nothing that only its types are for."""
    change = request_that_changes(key)
    change()
    found: list[str] = []

    def count(frame: FrameType, event: str, _: Any) -> None:
        if event == "call" and frame.f_code is typing.cast.__code__ and frame.f_back is not None:
            found.append(frame.f_back.f_code.co_qualname)

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        change()
    finally:
        sys.setprofile(before)
    assert found == []


def request_that_changes(key: str) -> Callable[[], object]:
    """Return what does a request that changes a session's data."""

    def view(request: HttpRequest) -> HttpResponse:
        request.session["color"] = "blue"
        return HttpResponse()

    middleware: Any = SessionMiddleware(view)
    request = RequestFactory().get("/")
    request.COOKIES["sessionid"] = key
    return lambda: middleware(request)


def test_cached_request(key: str) -> None:
    """So is a request that looks at its session, from the middleware and back to it."""

    def view(request: HttpRequest) -> HttpResponse:
        return HttpResponse(request.session.get("color"))

    middleware: Any = SessionMiddleware(view)
    request = RequestFactory().get("/")
    request.COOKIES["sessionid"] = key
    found = calls(lambda: middleware(request))

    assert len(found) <= CALLS_OF_A_REQUEST, found


def test_change(key: str) -> None:
    """A change works out its limits once, and reads the address once."""

    change = request_that_changes(key)
    for _ in range(2):
        change()
    found = calls(change)

    assert found.count("lifetime.limits_of") == 1
    assert found.count("ip_address.parse_address") == 1
    assert len(found) <= CALLS_OF_A_CHANGE, (len(found), found)


def test_copy_of_a_change(key: str, django_assert_num_queries: Any) -> None:
    """The copy is made of the values just written: it is the row, which nobody has read again."""
    store = SessionStore(key)
    store["color"] = "blue"
    with django_assert_num_queries(1) as asked:
        found = calls(store.save)

    assert "UPDATE" in asked[0]["sql"]
    assert found.count("entries.encode") == 1
    assert store.public_id is not None
    copy, row = copies.recall(store.public_id).copy, session_row.fetch(store.public_id)
    assert copy is not None
    assert row is not None
    row.payload = unseal_data(row.data, row.public_id, row.user_id)
    assert copy.row() == replace(row, data=b"", sealed_successor=None)


def test_change_waits_for_no_commit(key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was written outside of a transaction is committed, and its copy kept at once."""
    monkeypatch.setattr(transaction, "on_commit", None)
    store = SessionStore(key)
    store["color"] = "blue"

    store.save()

    assert SessionStore(key)["color"] == "blue"


def test_cached_read_in_async(key: str) -> None:
    """In async it takes as many, and waits for nobody."""

    def read() -> None:
        with pytest.raises(StopIteration):
            SessionStore(key).aload().send(None)

    assert len(calls(read)) <= CALLS_OF_AN_ASYNC_READ


def test_a_session_bound_to_nothing(key: str) -> None:
    """It costs a site that binds sessions no call more than one that does not."""

    def read() -> None:
        SessionStore(key).load()

    with override_settings(SESSIONS_PLUS_DEVICE_BINDING="off"):
        read()  # the settings were changed
        usual = calls(read)
    with override_settings(SESSIONS_PLUS_DEVICE_BINDING="enforce"):
        read()
        found = calls(read)

    assert found == usual
    assert not any("proof" in name for name in found)


def test_a_session_bound_to_its_device(key: str) -> None:
    """Its proof costs a few calls more, and is checked where the copy is."""
    store = SessionStore(key)
    store.load()
    device_key, now = new_public_id(), timezone.now()
    store.bind_to_device(device_key, now)
    assert store.public_id is not None
    value = new_value(store.public_id.bytes, device_key.bytes, now=now.timestamp())
    cookies = {name_of(device_key.bytes): value}

    def read() -> SessionStore:
        found = SessionStore(key)
        found.cookies = cookies
        found.load()
        return found

    read()  # the first proof is written down
    found = calls(read)

    assert read().row is not None
    assert len(found) <= CALLS_OF_A_READ + CALLS_OF_A_PROOF, found
