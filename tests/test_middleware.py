"""What a request costs and what its response sets, on each engine and in each world."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from asgiref.sync import async_to_sync
from django.conf import settings
from django.contrib.auth.models import User
from django.core.cache import caches
from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.test import AsyncRequestFactory, RequestFactory, override_settings
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from sessions_plus.cache import copies
from sessions_plus.lifecycle import revoke
from sessions_plus.middleware import SessionMiddleware
from sessions_plus.models import Session
from tests.conftest import World
from tests.support.browsers import Browser
from tests.support.sql import verb_of

pytestmark = [pytest.mark.urls("tests.support.sites"), pytest.mark.django_db(transaction=True)]


@pytest.fixture(autouse=True)
def _empty_cache() -> None:
    caches["default"].clear()
    copies.tier()  # copies of before a process first used the cache do not count


@pytest.fixture
def visitor(engine: str, world: World) -> Browser:
    return Browser(world)


@contextmanager
def statements() -> Iterator[list[str]]:
    """Collect the verb of each SQL statement."""
    found: list[str] = []
    with CaptureQueriesContext(connection) as captured:
        yield found
    found += [verb_of(query["sql"]) for query in captured]


def is_cached(engine: str) -> bool:
    return engine.endswith("cached_db")


def test_ignoring_the_session_costs_nothing(visitor: Browser) -> None:
    """A view that does not look at the session causes no statement, also with a live one."""
    with statements() as anonymous:
        response = visitor.get("nothing")
    visitor.get("write")
    with statements() as live:
        visitor.get("nothing")

    assert anonymous == live == []
    assert "sessionid" not in response.cookies
    assert "Cookie" not in response.headers.get("Vary", "")


@pytest.mark.parametrize("name", ["", "ann"], ids=["anonymous", "signed in"])
def test_a_request_is_freed_when_it_was_served(visitor: Browser, user: User, name: str) -> None:
    """Nothing of ours ties request and session to each other, for the garbage collector to undo."""
    if name and visitor.world.is_async:
        pytest.skip("a hop to a thread leaves garbage of asgiref's own")
    if name:
        visitor.get("sign-in", name=name)
    factory = AsyncRequestFactory() if visitor.world.is_async else RequestFactory()
    factory.cookies = visitor.cookies
    request = factory.get("/")
    seen = weakref.ref(request)

    gc.disable()
    try:
        serve(request, visitor.world).close()
        del request
        assert seen() is None
    finally:
        gc.enable()


def serve(request: HttpRequest, world: World) -> Any:
    """Let a view read the session behind our middleware alone."""

    def read(request: HttpRequest) -> HttpResponse:
        return HttpResponse(request.session.get("color"))

    async def aread(request: HttpRequest) -> HttpResponse:
        return HttpResponse(await request.session.aget("color"))

    middleware: Any = SessionMiddleware(aread if world.is_async else read)
    return async_to_sync(middleware)(request) if world.is_async else middleware(request)


def test_anonymous_read_costs_nothing(visitor: Browser) -> None:
    """A visitor without a session who is only read to gets no row, cookie or query."""
    with statements() as found:
        response = visitor.get("read")

    assert found == []
    assert not response.cookies
    assert Session.objects.count() == 0


def test_bogus_cookie_costs_nothing(visitor: Browser) -> None:
    """A cookie that was never issued is refused without a statement, and no row is made."""
    visitor.key = "A" * 76

    with statements() as found:
        text = visitor.text("read")

    assert (found, text) == ([], "none")
    assert Session.objects.count() == 0


def test_first_write_is_one_insert(visitor: Browser) -> None:
    """A new session is stored with one statement, without a transaction around it."""
    with statements() as found:
        visitor.get("write")

    assert found == ["INSERT"]


def test_read_costs_one_select_or_one_cache_read(visitor: Browser, engine: str) -> None:
    """A stored session is read with one statement, and with none where there is a copy."""
    visitor.get("write")

    with statements() as found:
        text = visitor.text("read")

    assert text == "blue"
    assert found == ([] if is_cached(engine) else ["SELECT"])


def test_change_is_one_update(visitor: Browser, engine: str) -> None:
    """Changing a key costs the read and one UPDATE, without a savepoint."""
    visitor.get("write")

    with statements() as found:
        visitor.get("write", color="red")

    assert found == (["UPDATE"] if is_cached(engine) else ["SELECT", "UPDATE"])
    assert visitor.text("read") == "red"


def test_touch_is_one_more_update(visitor: Browser, engine: str) -> None:
    """Once per interval a read records activity, with one UPDATE; then not again."""
    visitor.get("write")
    later = timezone.now() + timedelta(seconds=61)

    with time_machine.travel(later, tick=False):
        with statements() as first:
            visitor.get("read")
        with statements() as second:
            visitor.get("read")

    reading = [] if is_cached(engine) else ["SELECT"]
    assert first == [*reading, "UPDATE"]
    assert second == reading
    assert Session.objects.get().last_activity == later


def test_touch_renews_the_cookie_and_nothing_else(visitor: Browser) -> None:
    """A touch moves the cookie's end, keeps the key, and does not count as a change."""
    visitor.get("write")
    key = visitor.key
    version = Session.objects.get().version

    with time_machine.travel(timezone.now() + timedelta(days=1), tick=False):
        response = visitor.get("read")

    assert response.cookies["sessionid"].value == key
    assert Session.objects.get().version == version


@contextmanager
def djangos_own_sessions(engine: str) -> Iterator[None]:
    """Serve the site with Django's engine and middleware in place of ours."""
    middleware = [
        name.replace("sessions_plus.middleware", "django.contrib.sessions.middleware")
        for name in settings.MIDDLEWARE
    ]
    path = engine.replace("sessions_plus", "django.contrib.sessions")
    with override_settings(SESSION_ENGINE=path, MIDDLEWARE=middleware):
        yield


def test_sign_in_costs_no_more_than_djangos(world: World, engine: str, user: User) -> None:
    """Signing in takes no more statements than with Django's engine, device and event included."""
    with djangos_own_sessions(engine):
        visitor = Browser(world)
        with statements() as djangos:
            visitor.get("sign-in", name="ann")

    visitor = Browser(world)
    with statements() as new_device:
        visitor.get("sign-in", name="ann")
    visitor.get("sign-out")
    with statements() as known_device:
        visitor.get("sign-in", name="ann")

    assert len(new_device) <= len(djangos), (new_device, djangos)
    assert len(known_device) <= len(djangos), (known_device, djangos)


def test_failed_response_stores_nothing(visitor: Browser) -> None:
    """A response of 500 and above stores no session and sets no cookie."""
    response = visitor.get("fail")

    assert not response.cookies
    assert Session.objects.count() == 0


def test_revoked_session_is_a_stranger_at_its_next_request(visitor: Browser, user: User) -> None:
    """Who was revoked is anonymous at once, and the dead cookie is taken away."""
    visitor.get("sign-in", name="ann")
    assert visitor.text("who") == "ann"

    assert revoke(Session.objects.get())

    assert visitor.text("who") == "AnonymousUser"
    assert not visitor.has_key


def test_sign_out_ends_the_session_with_its_reason(visitor: Browser, user: User) -> None:
    """Signing out ends the row for good and wipes its data."""
    visitor.get("sign-in", name="ann")
    key = visitor.key

    visitor.get("sign-out")

    session = Session.objects.get()
    assert session.revoked_reason == "signed_out"
    assert bytes(session.data) == b""
    visitor.key = key
    assert visitor.text("who") == "AnonymousUser"


def test_parallel_request_with_the_old_key_leaves_the_new_cookie_alone(
    visitor: Browser, world: World, user: User
) -> None:
    """A request under way during a sign-in is a stranger, but takes no cookie away."""
    visitor.get("write")
    tab = Browser(world)
    tab.key = visitor.key
    visitor.get("sign-in", name="ann")

    response = tab.get("who")

    assert response.content == b"AnonymousUser"
    assert not response.cookies
    assert visitor.text("who") == "ann"
