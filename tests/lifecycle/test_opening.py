"""A task or a socket opens a session by its public id: it sees what lives, and holds no key."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
import time_machine
from asgiref.sync import async_to_sync
from django.conf import settings
from django.contrib.auth import SESSION_KEY
from django.contrib.auth.models import User
from django.contrib.sessions.backends.base import UpdateError
from django.core.cache import caches
from django.db import transaction
from django.utils import timezone

from sessions_plus.cache import copies
from sessions_plus.conf import conf
from sessions_plus.devices.recognition import SignIn
from sessions_plus.exceptions import OpenedByName
from sessions_plus.keys import read_token
from sessions_plus.lifecycle import aopen_session, open_session, revoke_all
from sessions_plus.models import Session, SessionEvent
from sessions_plus.tokens import refresh
from tests.conftest import World
from tests.support.browsers import Browser
from tests.support.moments import START
from tests.support.stores import stored, user_id_under
from tests.tokens.factories import new_tokens

pytestmark = [pytest.mark.urls("tests.support.sites"), pytest.mark.django_db(transaction=True)]

MOMENT = timedelta(seconds=1)
IDLE_TIMEOUT = timedelta(seconds=settings.SESSION_COOKIE_AGE)


@pytest.fixture
def clock() -> Iterator[Any]:
    caches["default"].clear()
    with time_machine.travel(START, tick=False) as traveller:
        yield traveller
    copies.reset()  # it noted when it began


@pytest.fixture
def ann(engine: str, world: World, user: User, clock: Any) -> Browser:
    """Ann's browser, signed in."""
    browser = Browser(world)
    browser.get("sign-in", name="ann")
    return browser


def name_of(browser: Browser) -> UUID:
    public_id = read_token(browser.key)
    assert public_id is not None
    return public_id


def opened(browser: Browser, *, is_passive: bool = True) -> Any:
    """Open the browser's session by its name, in the browser's world."""
    act = async_to_sync(aopen_session) if browser.world.is_async else open_session
    return act(name_of(browser), is_passive=is_passive)


def test_what_is_saved_is_seen(ann: Browser) -> None:
    """What a task saves is in the next request, and what requests saved is in the task."""
    ann.get("write", color="red")
    session = opened(ann)
    assert session["color"] == "red"

    session["report"] = "ready"
    ann.get("write", color="green")
    ann.world(session, "save")

    assert dict(opened(ann).items()).items() >= {"color": "green", "report": "ready"}.items()
    assert ann.text("read") == "green"


def test_holder_outlives_rotations(ann: Browser, clock: Any) -> None:
    """A socket that holds a session for days saves to it, whichever key the browser has by now."""
    session = opened(ann)
    for number in range(3):
        clock.shift(conf.ROTATION_INTERVAL)
        before = ann.key
        ann.text("who")
        ann.text("who")
        assert ann.key != before

        session["count"] = number
        ann.world(session, "save")

        assert opened(ann)["count"] == number
    assert ann.text("who") == "ann"
    assert not SessionEvent.objects.filter(event="key.reused").exists()


def test_holder_tells_no_key(ann: Browser, clock: Any) -> None:
    """What stands for its key is the name, which opens nothing, before and after it saves."""
    session = opened(ann)

    assert session.session_key == str(name_of(ann))
    session["color"] = "red"
    ann.world(session, "save")
    clock.shift(conf.ROTATION_INTERVAL)
    session.rotate(timezone.now())

    assert session.session_key == str(name_of(ann))
    assert user_id_under(session.session_key) is None
    assert Session.objects.get().rotated_at is None
    assert ann.text("who") == "ann"


def end_all(user: User) -> None:
    revoke_all(user)


def disable_unnoticed(user: User) -> None:
    User.objects.filter(pk=user.pk).update(is_active=False)


def remove_rows(user: User) -> None:
    Session.objects.all().delete()


@pytest.mark.parametrize("end", [end_all, remove_rows])
def test_what_ended_is_not_opened(ann: Browser, user: User, end: Any) -> None:
    """There is nothing to open once it ended; and who holds it saves nothing."""
    session = opened(ann)
    session["color"] = "late"

    end(user)

    assert opened(ann) is None
    with pytest.raises(UpdateError):
        ann.world(session, "save")
    assert opened(ann) is None


def test_what_expired_is_not_opened(ann: Browser, clock: Any) -> None:
    """A session that nobody used for too long is over, for a task as for anybody."""
    clock.shift(IDLE_TIMEOUT + MOMENT)

    assert opened(ann) is None


def test_user_who_was_disabled_unnoticed(ann: Browser, user: User, clock: Any) -> None:
    """Nor does one of a disabled user open, once its lease is over."""
    disable_unnoticed(user)
    clock.shift(conf.ACTIVITY_INTERVAL)

    assert opened(ann) is None


def test_what_never_was(engine: str, world: World, db: None) -> None:
    """A name of nothing opens nothing."""
    act = async_to_sync(aopen_session) if world.is_async else open_session

    assert act(uuid4()) is None


def test_task_keeps_nothing_alive(ann: Browser, clock: Any) -> None:
    """Neither opening nor saving is activity: a session that only tasks use ends."""
    before = Session.objects.get().last_activity
    for _ in range(3):
        clock.shift(IDLE_TIMEOUT / 4)
        session = opened(ann)
        session["count"] = 1
        ann.world(session, "save")

    assert Session.objects.get().last_activity == before
    clock.shift(IDLE_TIMEOUT / 4)
    assert opened(ann) is None


def test_person_at_a_socket_is_activity(ann: Browser, clock: Any) -> None:
    """Where a person did something, opening counts as a request does, once an interval."""
    for _ in range(3):
        clock.shift(IDLE_TIMEOUT / 2)
        assert opened(ann, is_passive=False) is not None

    assert Session.objects.get().last_activity == timezone.now()


def test_activity_waits_for_the_commit(ann: Browser, clock: Any) -> None:
    """Inside a transaction it is recorded after it, so that the row is not kept locked."""
    before = Session.objects.get().last_activity
    clock.shift(IDLE_TIMEOUT / 2)

    with transaction.atomic():
        assert open_session(name_of(ann), is_passive=False) is not None
        assert Session.objects.get().last_activity == before

    assert Session.objects.get().last_activity == timezone.now()


def test_session_of_an_api_client(engine: str, user: User) -> None:
    """Programs' sessions open as well, and their refresh token goes on."""
    tokens = new_tokens(user)

    session = open_session(tokens.session.public_id)

    assert session is not None
    session["job"] = "done"
    session.save()
    assert refresh.refresh(tokens.refresh, client=None, now=timezone.now()).access


def test_holder_of_somebody_elses_session(
    engine: str, world: World, user: User, clock: Any
) -> None:
    """Who opened nobody's session neither reads nor changes it once somebody signed in."""
    visitor = Browser(world)
    visitor.get("write", color="blue")
    session = opened(visitor)
    visitor.get("sign-in", name="ann")

    session["color"] = "planted"
    with pytest.raises(UpdateError):
        world(session, "save")

    assert visitor.text("read") == "blue"
    assert SESSION_KEY not in session


@pytest.mark.parametrize("act", ["cycle_key", "create"])
def test_no_new_key(ann: Browser, act: str) -> None:
    """Nobody could be told a new key, so none is made: the browser goes on."""
    with pytest.raises(OpenedByName):
        ann.world(opened(ann), act)

    assert ann.text("who") == "ann"


def test_no_sign_in(engine: str, world: World, user: User, other_user: User, clock: Any) -> None:
    """Nobody signs in to it, neither by what login() does nor by a user that was written in."""
    stored_id = read_token(stored(color="blue"))
    assert stored_id is not None
    session: Any = open_session(stored_id)
    with pytest.raises(OpenedByName):
        session.bind(SignIn(user, ("pwd",)))

    session[SESSION_KEY] = str(user.pk)
    with pytest.raises(OpenedByName):
        world(session, "save")

    assert Session.objects.get().user_id is None


def test_ending_it(ann: Browser) -> None:
    """A task may end the session."""
    session = opened(ann)

    ann.world(session, "flush")

    assert ann.text("who") == "AnonymousUser"
    assert Session.objects.get().revoked_at is not None
    with pytest.raises(OpenedByName):
        ann.world(session, "save")


def test_program_with_any_old_key(ann: Browser, clock: Any) -> None:
    """Whoever kept a key past every grace period has an empty session, and accuses nobody."""
    oldest = ann.key
    for _ in range(2):
        clock.shift(conf.ROTATION_INTERVAL)
        ann.text("who")
        ann.text("who")
        clock.shift(conf.ROTATION_GRACE_PERIOD + MOMENT)

    assert user_id_under(oldest) is None

    assert ann.text("who") == "ann"
    assert not SessionEvent.objects.filter(event="key.reused").exists()


def test_browser_with_that_key_is_one(ann: Browser, clock: Any) -> None:
    """The same key in a request ends the session: it was kept by somebody else."""
    thief = ann.twin()
    for _ in range(2):
        clock.shift(conf.ROTATION_INTERVAL)
        ann.text("who")
        ann.text("who")

    assert thief.text("who") == "AnonymousUser"
    assert ann.text("who") == "AnonymousUser"


def test_opening_is_one_cache_read(
    engine: str, user: User, ann: Browser, django_assert_num_queries: Any
) -> None:
    """With a copy in the cache no SQL is needed, whoever opens it."""
    statements = 0 if engine.endswith("cached_db") else 1

    with django_assert_num_queries(statements):
        assert open_session(name_of(ann)) is not None
