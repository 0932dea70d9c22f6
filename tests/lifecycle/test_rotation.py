"""Rotation: whoever was let in stays in, and an old key is answered or tells of a theft."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from importlib import import_module
from typing import Any
from uuid import UUID

import pytest
import time_machine
from django.contrib.auth.models import User
from django.core.cache import caches
from django.utils import timezone

from sessions_plus.cache import copies
from sessions_plus.conf import conf
from sessions_plus.models import Reason, Session, SessionEvent
from sessions_plus.rows import session_row
from tests.conftest import World
from tests.support.browsers import Browser
from tests.support.moments import START

pytestmark = [pytest.mark.urls("tests.support.sites"), pytest.mark.django_db(transaction=True)]

ROTATION_INTERVAL = timedelta(hours=24)
MOMENT = timedelta(seconds=1)


@pytest.fixture(autouse=True)
def _empty_cache() -> None:
    caches["default"].clear()


@pytest.fixture
def clock() -> Iterator[Any]:
    with time_machine.travel(START, tick=False) as traveller:
        yield traveller
    copies.reset()  # it noted when it began


@pytest.fixture
def ann(engine: str, world: World, user: User, clock: Any) -> Browser:
    """Ann's browser, signed in, with its next rotation due."""
    browser = Browser(world)
    browser.get("sign-in", name="ann")
    clock.shift(ROTATION_INTERVAL)
    return browser


def like(browser: Browser, *, key: str | None = None, device: bool = True) -> Browser:
    """Make a second window of a browser: the same cookies, in a jar of its own."""
    twin = Browser(browser.world)
    for name, morsel in browser.cookies.items():
        if device or name != "device":
            twin.cookies[name] = morsel.value
    if key is not None:
        twin.key = key
    return twin


def test_key_is_replaced_once_per_interval(ann: Browser, clock: Any) -> None:
    """A session in use gets a new key when its interval is over, and not before."""
    first = ann.key
    ann.text("who")
    second = ann.key
    clock.shift(ROTATION_INTERVAL - MOMENT)
    ann.text("who")
    assert ann.key == second != first

    clock.shift(MOMENT)
    ann.text("who")

    assert ann.key != second
    assert Session.objects.get().revoked_at is None


def test_parallel_requests_get_one_successor(ann: Browser) -> None:
    """Whoever comes with the replaced key within the grace period is told the same new one."""
    tabs = [like(ann) for _ in range(4)]

    for tab in tabs:
        assert tab.text("who") == "ann"

    assert len({tab.key for tab in tabs}) == 1


def test_lost_response_can_be_asked_for_at_any_time(ann: Browser, clock: Any) -> None:
    """A successor that never arrived is told after a long pause, too: nobody else has it."""
    lost = like(ann)
    lost.text("who")

    clock.shift(timedelta(days=6))

    assert ann.text("who") == "ann"
    assert ann.key == lost.key


def test_predecessor_is_refused_once_its_successor_was_seen(ann: Browser, clock: Any) -> None:
    """Past the grace period, a key whose successor was used ends the session, and only it."""
    other = Browser(ann.world)
    other.get("sign-in", name="ann")
    thief = like(ann)
    ann.text("who")
    ann.text("who")

    clock.shift(conf.ROTATION_GRACE_PERIOD + MOMENT)

    assert thief.text("who") == "AnonymousUser"
    assert ann.text("who") == "AnonymousUser"
    assert other.text("who") == "ann"
    ended = Session.objects.exclude(revoked_at=None).get()
    assert ended.revoked_reason == Reason.KEY_REUSED
    assert SessionEvent.objects.filter(event="key.reused").count() == 1


def test_grace_period_includes_its_end(ann: Browser, clock: Any) -> None:
    """The old key is still answered at the very end of the grace period."""
    slow = like(ann)
    ann.text("who")
    ann.text("who")

    clock.shift(conf.ROTATION_GRACE_PERIOD)

    assert slow.text("who") == "ann"
    assert slow.key == ann.key


def test_another_device_is_not_told_the_successor(ann: Browser) -> None:
    """A replaced key without its device's cookie ends the session, also within the grace period."""
    thief = like(ann, device=False)
    ann.text("who")

    assert thief.text("who") == "AnonymousUser"
    assert not thief.has_key
    assert ann.text("who") == "AnonymousUser"


def test_thief_who_rotates_first_is_found_out(ann: Browser) -> None:
    """Where a thief's request made the successor, the person's own next request ends it."""
    thief = like(ann, device=False)
    assert thief.text("who") == "ann"

    assert ann.text("who") == "AnonymousUser"
    assert thief.text("who") == "AnonymousUser"


def test_key_before_the_previous_one_ends_the_session(ann: Browser, clock: Any) -> None:
    """A key that was replaced twice is nobody's to hold."""
    oldest = like(ann)
    ann.text("who")
    clock.shift(ROTATION_INTERVAL)
    ann.text("who")

    assert oldest.text("who") == "AnonymousUser"
    assert ann.text("who") == "AnonymousUser"


def test_slow_request_is_not_taken_for_a_thief(
    ann: Browser, clock: Any, store_of: Callable[[Browser], Any]
) -> None:
    """A request that began with a good key ends well, however long others rotated it away."""
    slow = store_of(ann)
    assert slow.get("_auth_user_id") is not None
    ann.text("who")
    ann.text("who")

    clock.shift(timedelta(minutes=10))
    slow.rotate(timezone.now())

    assert slow.session_key == ann.key
    assert ann.text("who") == "ann"


def test_keys_replaced_just_before_a_change_of_privilege_accuse_nobody(
    ann: Browser, clock: Any
) -> None:
    """Requests under way while privilege changes are strangers, whichever key they came with."""
    under_way = like(ann)
    ann.text("who")
    ann.get("sign-in", name="ann")

    assert under_way.text("who") == "AnonymousUser"
    assert under_way.key != ann.key
    assert ann.text("who") == "ann"


def test_signing_in_again_replaces_the_key_for_good(ann: Browser) -> None:
    """Signing in when a rotation is due, too, leaves no successor under the old key."""
    before = like(ann)
    ann.get("sign-in", name="ann")

    assert before.text("who") == "AnonymousUser"
    assert Session.objects.get().sealed_successor is None
    assert ann.text("who") == "ann"


def test_signing_in_with_a_replaced_key_makes_a_third(ann: Browser) -> None:
    """A sign-in makes a key of its own, also where it was just told a successor."""
    tab = like(ann)
    ann.text("who")

    tab.get("sign-in", name="ann")

    assert tab.key != ann.key
    assert tab.text("who") == "ann"
    assert ann.text("who") == "AnonymousUser"


@pytest.mark.parametrize("name", ["ann", "ben"], ids=["same user", "another"])
def test_signing_in_with_a_replaced_key_confirms_no_key(
    ann: Browser, other_user: User, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sign-in makes a key of its own, so that it asks after no other: the row is read once."""
    tab = like(ann)
    ann.text("who")
    fetch, fetched = session_row.fetch, []

    def counted(public_id: UUID) -> Any:
        fetched.append(public_id)
        return fetch(public_id)

    monkeypatch.setattr(session_row, "fetch", counted)
    tab.get("sign-in", name=name)

    assert len(fetched) == 1
    assert tab.text("who") == name


def test_sign_in_that_meets_a_newer_row_stores_the_key_it_gives_out(
    ann: Browser, store_of: Callable[[Browser], Any], user: User
) -> None:
    """A sign-in that has to write twice, as another request wrote, gives out the key it stored."""
    from sessions_plus.devices.recognition import SignIn

    store = store_of(ann)
    store["color"] = "blue"
    ann.get("write", color="red")
    store.bind(SignIn(user, ("pwd",)))
    store.save()

    assert type(store)(store.session_key).get("color") == "blue"
    assert Session.objects.get().revoked_at is None


def test_unseen_successor_of_an_expired_session_leaves_a_stranger(ann: Browser, clock: Any) -> None:
    """Whoever returns to an expired session begins anew, without an error."""
    lost = like(ann)
    lost.text("who")
    clock.shift(timedelta(days=40))

    assert ann.text("write") == "written"
    assert ann.text("read") == "blue"
    assert ann.text("who") == "AnonymousUser"


@pytest.fixture
def store_of(engine: str) -> Callable[[Browser], Any]:
    """Make the store of a request under way: ``store_of(browser)``."""

    def make(browser: Browser) -> Any:
        store = import_module(engine).SessionStore(browser.key)
        store.device_token = browser.cookies["device"].value
        return store

    return make
