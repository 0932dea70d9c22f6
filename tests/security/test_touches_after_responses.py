"""
Activity that is recorded after the response brings nothing back that ended meanwhile.

The request was answered, so whatever happens then happens between it and its touch: the session
is revoked, gets another key, is saved by another request, or its user is disabled.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.cache import caches as django_caches
from django.db.models import F
from django.utils import timezone

from sessions_plus.cache import copies
from sessions_plus.cache.tier import Tier
from sessions_plus.lifecycle import revoke, revoke_all
from sessions_plus.models import Session
from sessions_plus.rows import touches
from sessions_plus.store import ahead
from tests.conftest import World, people
from tests.security.test_revocation_races import is_over
from tests.support.browsers import Browser
from tests.support.pauses import Pause, stopped

pytestmark = [pytest.mark.urls("tests.support.sites"), pytest.mark.django_db(transaction=True)]


@pytest.fixture
def visitor(raced_tier: Tier, world: World, user: User) -> Browser:
    """Somebody who is signed in, and of whose session there is a copy for which half is over."""
    visitor = Browser(world)
    visitor.get("sign-in", name="ann")
    half_is_over(visitor)
    return visitor


def half_is_over(visitor: Browser) -> None:
    Session.objects.update(last_activity=timezone.now() - timedelta(seconds=45))
    while copies.recall(Session.objects.get().public_id).copy is None:
        visitor.get("read")  # some caches keep one only after the second


# When the touch stops: before it asks the database, before it tells the cache, after all.
STEPS = {
    "before its statement": lambda: Pause(touches, "touch_many", before=True),
    "after its statement": lambda: Pause(touches, "touch_many"),
    "before the copy is kept": lambda: Pause(copies, "keep", before=True),
    "after the copy is kept": lambda: Pause(copies, "keep"),
}


@pytest.fixture(params=list(STEPS))
def step(request: pytest.FixtureRequest) -> Pause:
    return STEPS[request.param]()


@pytest.fixture(params=["", "and the tombstone is lost"])
def evict(request: pytest.FixtureRequest) -> Callable[[], None]:
    return django_caches["default"].clear if request.param else lambda: None


@pytest.fixture(params=["alone", "with all others"])
def end(request: pytest.FixtureRequest, user: User) -> Callable[[], object]:
    if request.param == "alone":
        return lambda: revoke(Session.objects.get())
    return lambda: revoke_all(user)


def test_revoked_after_the_response(
    visitor: Browser, step: Pause, end: Callable[[], object], evict: Callable[[], None]
) -> None:
    """Whatever a touch does beside a revocation, what ended stays so, for every request."""
    with stopped(lambda: visitor.get("read"), at=step):
        end()
        evict()
        assert is_over(visitor)

    assert is_over(visitor)
    assert Session.objects.get().revoked_reason == "revoked"


def test_revoked_while_the_touch_waits(visitor: Browser, end: Callable[[], object]) -> None:
    """A touch that waited for others meets a session that ended long since."""
    waiting: list[Any] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ahead, "make_calmly", waiting.extend)
        visitor.get("read")
    end()

    ahead.make(waiting)

    assert len(waiting) == 1
    assert is_over(visitor)


def test_user_was_disabled_after_the_response(visitor: Browser, step: Pause) -> None:
    """Past every signal; the session ends, with the touch or when the next is due."""
    with stopped(lambda: visitor.get("read"), at=step):
        people().update(is_active=False)

    assert visitor.text("who") == "AnonymousUser"
    assert is_over(visitor)


def test_saved_after_the_response(visitor: Browser, step: Pause) -> None:
    """The copy of before does not come back over what another request saved."""
    other = visitor.twin()
    with stopped(lambda: visitor.get("read"), at=step):
        other.get("write", color="red")

    assert {visitor.text("read") for _ in range(3)} == {"red"}
    assert Session.objects.get().last_activity > timezone.now() - timedelta(seconds=45)


def test_new_key_after_the_response(visitor: Browser, step: Pause) -> None:
    """The old key opens nothing again, and the new one does."""
    other = visitor.twin()
    with stopped(lambda: visitor.get("read"), at=step):
        other.get("sign-in", name="ann")

    assert visitor.key != other.key
    assert visitor.text("who") == "AnonymousUser"
    assert {other.text("who") for _ in range(3)} == {"ann"}


def test_old_copy_is_not_renewed(visitor: Browser) -> None:
    """A copy that its writer could not void is renewed by no touch, and serves until it is due."""
    waiting: list[Any] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ahead, "make_calmly", waiting.extend)
        visitor.get("read")
    # Past the cache, as of a writer that could not reach it.
    Session._base_manager.update(version=F("version") + 1)
    before = Session.objects.get().last_activity

    ahead.make(waiting)

    assert Session.objects.get().last_activity == before
