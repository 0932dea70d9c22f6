"""How many sessions a user may hold, and what one sign-in too many does."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from threading import Barrier, Thread

import pytest
import time_machine
from django.contrib.auth.models import User
from django.core.cache import caches
from django.db import connection, transaction
from django.test import Client, override_settings
from django.utils import timezone

from sessions_plus.exceptions import SessionLimitReached
from sessions_plus.models import Kind, Reason, Session, SessionEvent
from tests.conftest import World
from tests.support.browsers import Browser

pytestmark = [pytest.mark.urls("tests.support.sites"), pytest.mark.django_db(transaction=True)]

REFUSE = {"SESSIONS_PLUS_MAX_SESSIONS_PER_USER": 2, "SESSIONS_PLUS_ON_SESSION_LIMIT": "refuse"}


@pytest.fixture(autouse=True)
def _limit() -> Iterator[None]:
    caches["default"].clear()
    with override_settings(SESSIONS_PLUS_MAX_SESSIONS_PER_USER=2):
        yield


@pytest.fixture
def _refusing() -> Iterator[None]:
    with override_settings(**REFUSE):
        yield


def signed_in(world: World, name: str = "ann") -> Browser:
    browser = Browser(world)
    browser.response = browser.get("sign-in", name=name)
    return browser


def live() -> int:
    return Session.objects.active().exclude(user=None).count()


def test_the_oldest_makes_room(engine: str, world: World, user: User) -> None:
    """One browser too many ends the session that was signed in to longest ago."""
    first, second, third = (signed_in(world) for _ in range(3))

    assert [browser.text("who") for browser in (first, second, third)] == [
        "AnonymousUser",
        "ann",
        "ann",
    ]
    assert Session.objects.exclude(revoked_at=None).get().revoked_reason == Reason.LIMIT
    event = SessionEvent.objects.get(event="session_limit.reached")
    assert (event.outcome, event.reason) == ("success", "revoke_oldest")


def test_the_oldest_is_the_one_signed_in_to_longest_ago(
    engine: str, world: World, user: User
) -> None:
    """A visitor's session from long ago counts as new when somebody signs in to it."""
    visitor = Browser(world)
    visitor.get("write")
    first = signed_in(world)
    signed_in(world)

    visitor.get("sign-in", name="ann")

    assert visitor.text("who") == "ann"
    assert first.text("who") == "AnonymousUser"


def test_each_user_has_a_limit_of_their_own(
    engine: str, world: World, user: User, other_user: User
) -> None:
    """Others' sessions do not count."""
    browsers = [signed_in(world, name) for name in ("ann", "ann", "ben", "ben")]

    assert [browser.text("who") for browser in browsers] == ["ann", "ann", "ben", "ben"]


def test_signing_in_again_on_one_device_takes_no_place(
    engine: str, world: World, user: User
) -> None:
    """One browser holds one session, however often it signs in."""
    other, browser = signed_in(world), signed_in(world)

    for _ in range(3):
        browser.get("sign-in", name="ann")

    assert other.text("who") == "ann"


def test_expired_sessions_take_no_place(engine: str, world: World, user: User) -> None:
    """A session that nobody returned to does not count any more."""
    with time_machine.travel(timezone.now() - timedelta(days=20)):
        signed_in(world)
        signed_in(world)

    with override_settings(**REFUSE):
        assert signed_in(world).text("who") == "ann"


def test_api_clients_are_counted_apart(engine: str, world: World, user: User) -> None:
    """The limit of browsers leaves API clients alone, and the other way round."""
    signed_in(world)
    Session.objects.update(kind=Kind.API)

    with override_settings(SESSIONS_PLUS_MAX_API_SESSIONS_PER_USER=1):
        browsers = [signed_in(world), signed_in(world)]

    assert [browser.text("who") for browser in browsers] == ["ann", "ann"]
    assert live() == 3


@pytest.mark.usefixtures("_refusing")
class TestRefusing:
    def test_one_too_many_is_refused(self, engine: str, world: World, user: User) -> None:
        """The sign-in is answered calmly; the sessions that are there go on."""
        first, second, third = (signed_in(world) for _ in range(3))

        assert third.response.status_code == 403
        assert b"as many devices as this site allows" in third.response.content
        assert not third.has_key
        assert third.text("who") == "AnonymousUser"
        assert [first.text("who"), second.text("who")] == ["ann", "ann"]
        event = SessionEvent.objects.get(event="session_limit.reached")
        assert (event.outcome, event.reason) == ("failure", "refuse")

    def test_nothing_says_that_they_signed_in(self, engine: str, world: World, user: User) -> None:
        """A refused sign-in leaves no event of a session that began."""
        for _ in range(3):
            signed_in(world)

        assert SessionEvent.objects.filter(event="session.started").count() == 2

    def test_programs_get_a_code(self, engine: str, user: User) -> None:
        """Whoever asks for JSON is told by a code."""
        for _ in range(2):
            Client().get("/sync/sign-in/", {"name": "ann"})

        response = Client().get(
            "/sync/sign-in/", {"name": "ann"}, headers={"accept": "application/json"}
        )

        assert response.status_code == 403
        assert response.json()["code"] == "session_limit_reached"

    def test_room_that_was_made_is_given(self, engine: str, world: World, user: User) -> None:
        """After signing out on one device, another may sign in."""
        first, _second = signed_in(world), signed_in(world)
        first.get("sign-out")

        assert signed_in(world).text("who") == "ann"

    def test_in_a_transaction_it_is_held_after_the_commit(self, engine: str, user: User) -> None:
        """A sign-in that is saved inside a transaction is over once that is committed."""
        from importlib import import_module

        from sessions_plus.devices.recognition import SignIn

        for _ in range(2):
            Client().get("/sync/sign-in/", {"name": "ann"})
        store = import_module(engine).SessionStore()
        store["_auth_user_id"] = str(user.pk)
        store.bind(SignIn(user, ("pwd",)))
        with transaction.atomic():
            store.save()
            refused = store.public_id

        assert live() == 2
        assert Session.objects.get(public_id=refused).revoked_reason == Reason.LIMIT
        assert store.public_id is None
        assert isinstance(store.refusal, SessionLimitReached)


def sign_in_at_once(count: int) -> list[int]:
    """Sign in ``count`` new browsers in as many threads; return the answers' codes."""
    barrier, codes = Barrier(count), []

    def run() -> None:
        try:
            client = Client()
            barrier.wait()
            codes.append(client.get("/sync/sign-in/", {"name": "ann"}).status_code)
        finally:
            connection.close()

    threads = [Thread(target=run) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return codes


@pytest.mark.parametrize("limit", [1, 3])
def test_twenty_at_once_leave_as_many_as_allowed(engine: str, user: User, limit: int) -> None:
    """Twenty parallel sign-ins leave exactly the limit, with the oldest ended."""
    with override_settings(SESSIONS_PLUS_MAX_SESSIONS_PER_USER=limit):
        codes = sign_in_at_once(20)

    assert codes == [200] * 20
    assert live() == limit


@pytest.mark.parametrize("limit", [1, 3])
def test_twenty_at_once_let_in_as_many_as_allowed(engine: str, user: User, limit: int) -> None:
    """Of twenty parallel sign-ins exactly as many succeed as there is room for."""
    with override_settings(**REFUSE | {"SESSIONS_PLUS_MAX_SESSIONS_PER_USER": limit}):
        codes = sign_in_at_once(20)

    assert (codes.count(200), codes.count(403)) == (limit, 20 - limit)
    assert live() == limit
