"""``SECRET_KEY`` is replaced as Django documents it: nobody is signed out by that."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from importlib import import_module
from itertools import permutations
from threading import Barrier
from typing import Any

import pytest
import time_machine
from asgiref.sync import sync_to_async
from django.conf import settings
from django.contrib.auth import HASH_SESSION_KEY, get_user, get_user_model, update_session_auth_hash
from django.contrib.auth.models import User
from django.core.cache import caches
from django.http import HttpRequest, HttpResponse
from django.test import override_settings
from django.urls import path
from django.utils import timezone

from sessions_plus.cache import copies
from sessions_plus.models import Event, Session, SessionEvent
from sessions_plus.store import rotation
from sessions_plus.tokens import refresh
from tests.conftest import World
from tests.support import sites
from tests.support.browsers import Browser
from tests.support.moments import START
from tests.support.pauses import PATIENCE_SECONDS, Pause, in_thread, stopped
from tests.support.stores import enter, stored, under_way, user_id_under
from tests.tokens.factories import new_tokens

OLD, NEW = settings.SECRET_KEY, "another key for tests only, which is as long as the first"
DJANGO = "django.contrib.sessions.backends.cached_db"
PARALLEL = 6


class Meeting:
    """Where views under way wait for each other, once each has read its session."""

    barrier: Barrier | None = None


def who_together(request: HttpRequest) -> HttpResponse:
    request.session.get("color")
    if Meeting.barrier is not None:
        Meeting.barrier.wait(PATIENCE_SECONDS)
    return HttpResponse(str(request.user))


def prove_again(request: HttpRequest) -> HttpResponse:
    """Raise a privilege, as a site's own page may: the user is known, then the key changes."""
    name = str(request.user)
    request.session.cycle_key()
    return HttpResponse(name)


def change_password(request: HttpRequest) -> HttpResponse:
    user: Any = request.user
    user.set_password("another one entirely")
    user.save()
    update_session_auth_hash(request, user)
    return HttpResponse("changed")


def fail_as_somebody(request: HttpRequest) -> HttpResponse:
    return HttpResponse(str(request.user), status=500)


VIEWS = [who_together, prove_again, change_password, fail_as_somebody]

urlpatterns = [
    *sites.urlpatterns,
    *[path(f"sync/{view.__name__}/", view) for view in VIEWS],
    *[path(f"async/{view.__name__}/", sync_to_async(view)) for view in VIEWS],
]

pytestmark = [pytest.mark.urls(__name__), pytest.mark.django_db(transaction=True)]


@pytest.fixture
def clock() -> Iterator[Any]:
    caches["default"].clear()
    with time_machine.travel(START, tick=False) as traveller:
        yield traveller
    copies.reset()  # it noted when it began


@pytest.fixture
def ann(engine: str, world: World, user: User, clock: Any) -> Iterator[Browser]:
    """Ann's browser, signed in an hour before the site's key was replaced."""
    browser = Browser(world)
    browser.get("sign-in", name="ann")
    clock.shift(timedelta(hours=1))
    with replaced():
        yield browser


def replaced() -> override_settings:
    return override_settings(SECRET_KEY=NEW, SECRET_KEY_FALLBACKS=[OLD])


def ask_together(browser: Browser) -> list[Browser]:
    """Let six requests be under way at once, all with the key of before; return them answered."""
    twins = [browser.twin() for _ in range(PARALLEL)]
    Meeting.barrier = Barrier(PARALLEL)
    try:
        running = [in_thread(lambda t=twin: t.text("who_together")) for twin in twins]  # type: ignore[misc]
        answers = [each.result(PATIENCE_SECONDS) for each in running]
    finally:
        Meeting.barrier = None
    assert answers == ["ann"] * PARALLEL
    return twins


def accused() -> bool:
    return SessionEvent.objects.filter(event=Event.KEY_REUSED).exists()


@pytest.mark.parametrize("engine", [DJANGO, "sessions_plus.backends.cached_db"])
def test_parallel_requests_as_with_django(engine: str, world: World, user: User) -> None:
    """Of six requests at once none is anonymous, nor is whoever goes on with any answer's key."""
    caches["default"].clear()
    with override_settings(SESSION_ENGINE=engine):
        browser = Browser(world)
        browser.get("sign-in", name="ann")
        with replaced():
            answered = ask_together(browser)

            assert [twin.text("who") for twin in answered] == ["ann"] * PARALLEL


def test_parallel_requests_get_one_successor(ann: Browser) -> None:
    """Six requests at once are all told the same new key."""
    before = ann.key

    answered = ask_together(ann)

    keys = {twin.key for twin in answered}
    assert len(keys - {before}) == 1
    # One who came while the row was locked went on with the old key, and hears of it now.
    assert {twin.key for twin in answered if twin.get("who")} == keys - {before}
    assert Session.objects.get().revoked_at is None
    assert not accused()


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_responses_out_of_order(ann: Browser, order: tuple[int, ...]) -> None:
    """Whichever answer comes last, the browser goes on with it."""
    under_way = [ann.twin() for _ in order]
    for request in under_way:
        request.get("who")

    for number in order:
        ann.key = under_way[number].key

    assert ann.text("who") == "ann"
    assert not accused()


def test_responses_are_lost(ann: Browser, clock: Any) -> None:
    """A browser that hears of no new key goes on with the one it has, however much later."""
    ask_together(ann)

    clock.shift(timedelta(days=1))

    assert ann.text("who") == "ann"
    assert ann.text("who") == "ann"
    assert not accused()


@pytest.mark.parametrize(
    ("engine", "name"),
    [(DJANGO, "AnonymousUser"), ("sessions_plus.backends.cached_db", "ann")],
    ids=["Django", "ours"],
)
def test_request_that_comes_later_than_with_django(
    engine: str, name: str, world: World, user: User
) -> None:
    """Who comes with the old key after the first answer goes on; Django's engine knows it not."""
    caches["default"].clear()
    with override_settings(SESSION_ENGINE=engine):
        browser = Browser(world)
        browser.get("sign-in", name="ann")
        late = browser.twin()
        with replaced():
            browser.text("who")

            assert late.text("who") == name


def test_late_request_is_told(ann: Browser) -> None:
    """A request that arrives with the old key when the new is in use is told the new one."""
    late = ann.twin()
    ann.text("who")
    ann.text("who")

    assert late.text("who") == "ann"
    assert late.key == ann.key


def test_between_the_new_key_and_the_new_hash(ann: Browser) -> None:
    """A request that comes while another has made the key but not stored the hash is told it."""
    first, second = ann.twin(), ann.twin()

    with stopped(lambda: first.text("who"), at=Pause(rotation, "rotate")):
        assert second.text("who") == "ann"

    assert first.key == second.key != ann.key
    assert ann.text("who") == "ann"
    assert not accused()


def test_hash_is_stored(ann: Browser, user: User) -> None:
    """Whoever used their session goes on when the old key is taken away, too."""
    ann.text("who")

    stored_hash = Session.objects.get().get_decoded()[HASH_SESSION_KEY]
    with override_settings(SECRET_KEY_FALLBACKS=[]):
        assert stored_hash == user.get_session_auth_hash()
        assert ann.text("who") == "ann"


def test_failing_view_leaves_all_as_it_was(ann: Browser) -> None:
    """A response that fails stores nothing and changes no key; the next does both."""
    before = ann.key
    ann.get("fail_as_somebody")

    assert ann.key == before
    assert Session.objects.get().rotated_at is None
    assert ann.text("who") == "ann"
    assert ann.key != before


def test_key_is_not_replaced_twice_in_a_moment(ann: Browser, clock: Any) -> None:
    """Where a key is new already, requests under way with the one before it stay let in."""
    late = ann.twin()
    due = timezone.now() - timedelta(days=2)
    Session.objects.update(rotated_at=due, authenticated_at=due)
    with override_settings(SECRET_KEY=OLD, SECRET_KEY_FALLBACKS=[]):
        ann.text("who")
    ann.text("who")

    assert late.text("who") == "ann"
    assert late.key == ann.key


@pytest.mark.parametrize("view", ["prove_again", "change_password"])
def test_change_of_privilege_lets_the_key_die(ann: Browser, clock: Any, view: str) -> None:
    """What else replaces the key in the same request leaves no successor under the old one."""
    before = ann.twin()

    ann.get(view)

    assert Session.objects.get().sealed_successor is None
    assert before.text("who") == "AnonymousUser"
    assert ann.text("who") == "ann"


def test_signing_in_again_lets_the_key_die(ann: Browser) -> None:
    """So does a sign-in, whose form may be filled in with the hash of before."""
    before = ann.twin()

    ann.get("sign-in", name="ann")

    assert before.text("who") == "AnonymousUser"
    assert ann.text("who") == "ann"


# Whose hash stands in the session, as its key is replaced; and whether the old key finds the new.
Hash = Callable[[User, User], str]


def hash_of_today(user: User, other: User) -> str:
    return user.get_session_auth_hash()


def hash_of_before(user: User, other: User) -> str:
    return next(iter(user.get_session_auth_fallback_hash()))


def hash_of_another(user: User, other: User) -> str:
    return next(iter(other.get_session_auth_fallback_hash()))


def no_hash(user: User, other: User) -> str:
    return ""


@pytest.mark.parametrize(
    ("made", "fallbacks", "is_found"),
    [
        pytest.param(hash_of_before, [OLD], True, id="of a key of before"),
        pytest.param(hash_of_today, [OLD], False, id="of today's key"),
        pytest.param(hash_of_today, [NEW], False, id="of today's key, which is in both lists"),
        pytest.param(hash_of_another, [OLD], False, id="of another user"),
        pytest.param(no_hash, [OLD], False, id="none"),
    ],
)
def test_what_keeps_a_successor(
    engine: str,
    world: World,
    user: User,
    other_user: User,
    made: Hash,
    fallbacks: list[str],
    is_found: bool,
) -> None:
    """``cycle_key()`` leaves a successor only where the hash is this user's, of an older key."""
    with override_settings(SECRET_KEY=NEW, SECRET_KEY_FALLBACKS=fallbacks):
        store = under_way(None)
        enter(store, user, world)
        store[HASH_SESSION_KEY] = made(user, other_user)
        store.save()
        before = store.session_key
        later = under_way(before)

        world(later, "cycle_key")

        assert later.session_key != before
        assert (Session.objects.get().sealed_successor is not None) is is_found
        assert (user_id_under(before) is not None) is is_found


def test_anonymous_session_keeps_none(engine: str, world: World) -> None:
    """Nobody's session gets a key for good, whatever the site's keys are."""
    with replaced():
        before = stored(color="blue")
        store = under_way(before)

        world(store, "cycle_key")

        assert Session.objects.get().sealed_successor is None
        assert under_way(before).get("color") is None


def test_user_who_is_gone_keeps_none(engine: str, world: World, user: User) -> None:
    """Where nobody is left to whom the hash could belong, the old key is dead."""
    store = under_way(None)
    enter(store, user, world)
    store.save()
    get_user_model()._default_manager.filter(pk=user.pk)._raw_delete("default")
    with replaced():
        world(store, "cycle_key")

    assert Session.objects.get().sealed_successor is None


def test_program_signs_nobody_out(ann: Browser) -> None:
    """A program that asks who a key is of rotates it, and the browser is told the new one."""
    before = ann.key
    request = HttpRequest()
    request.session = import_module(settings.SESSION_ENGINE).SessionStore(before)

    assert get_user(request).is_authenticated
    request.session.save()

    assert request.session.session_key != before
    assert ann.text("who") == "ann"
    assert ann.key == request.session.session_key
    assert not accused()


def test_no_query_without_older_keys(
    engine: str, user: User, django_assert_num_queries: Any
) -> None:
    """Where the site names no older key, the user is not read: a new key is one UPDATE."""
    store = under_way(None)
    enter(store, user, World("sync"))
    store.save()

    with django_assert_num_queries(1):
        store.cycle_key()


def test_refresh_token_outlasts_the_old_key(engine: str, user: User) -> None:
    """An API client that refreshes while both keys count goes on with the new one alone."""
    tokens = new_tokens(user)
    with replaced():
        tokens = refresh.refresh(tokens.refresh, client=None, now=timezone.now())
        hashed = Session.objects.get().get_decoded()[HASH_SESSION_KEY]

        assert hashed == user.get_session_auth_hash()
        assert refresh.refresh(tokens.refresh, client=None, now=timezone.now()).access
