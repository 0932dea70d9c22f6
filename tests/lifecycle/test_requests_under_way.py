"""Requests that are under way while the key changes: none is accused, none undoes the newer one."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from asgiref.sync import sync_to_async
from django.contrib.auth.models import User
from django.core.cache import caches
from django.http import HttpRequest, HttpResponse
from django.test import override_settings
from django.urls import path
from django.utils import timezone

from sessions_plus.backends.db import SessionStore
from sessions_plus.cache import copies
from sessions_plus.conf import conf
from sessions_plus.models import Event, Session, SessionEvent
from sessions_plus.policy import Verdict
from sessions_plus.rows import session_row
from sessions_plus.store.ending import expire
from sessions_plus.store.engine import site_copies
from tests.conftest import World
from tests.support import sites
from tests.support.browsers import Browser
from tests.support.moments import START
from tests.support.pauses import Pause, stopped
from tests.support.stores import user_id_under

MOMENT = timedelta(seconds=1)


def prove_again(request: HttpRequest) -> HttpResponse:
    request.session.cycle_key()
    return HttpResponse("proved")


def flush(request: HttpRequest) -> HttpResponse:
    request.session.flush()
    return HttpResponse("flushed")


class Report:
    """What a slow view does after it looked at its session."""

    def make(self) -> None:
        """Take long, where a test says so."""


def answer_late(request: HttpRequest) -> HttpResponse:
    request.session.get("color")
    Report().make()
    return HttpResponse("late")


def choose_late(request: HttpRequest) -> HttpResponse:
    request.session.get("color")
    Report().make()
    request.session.set_expiry(3600)  # news for the cookie
    return HttpResponse("late")


VIEWS = [prove_again, flush, answer_late, choose_late]

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
def ann(engine: str, world: World, user: User, clock: Any) -> Browser:
    """Ann's browser, signed in, with its next rotation due."""
    browser = Browser(world)
    browser.get("sign-in", name="ann")
    clock.shift(conf.ROTATION_INTERVAL)
    return browser


def accused() -> bool:
    return SessionEvent.objects.filter(event=Event.KEY_REUSED).exists()


def test_browser_that_lost_the_response_opens_with_several_tabs(ann: Browser, clock: Any) -> None:
    """The grace period begins anew when a successor is told late, so that all tabs are let in."""
    lost = ann.twin()
    lost.text("who")
    clock.shift(conf.ROTATION_GRACE_PERIOD + timedelta(minutes=5))
    early, late = ann.twin(), ann.twin()

    assert early.text("who") == "ann"
    assert early.text("who") == "ann"  # what the page loads: the successor was seen
    clock.shift(conf.ROTATION_GRACE_PERIOD)

    assert late.text("who") == "ann"
    assert late.key == early.key


def test_polling_begins_the_grace_period_anew(ann: Browser, clock: Any) -> None:
    """So it does where the first tab to come back only polls, which is no activity."""
    ann.twin().text("who")
    clock.shift(conf.ROTATION_GRACE_PERIOD + timedelta(minutes=5))
    early, late = ann.twin(), ann.twin()
    before = Session.objects.get().last_activity

    with override_settings(SESSIONS_PLUS_PASSIVE_PATHS=["/"]):
        assert early.text("who") == "ann"
        assert early.text("who") == "ann"

    assert Session.objects.get().last_activity == before
    assert late.text("who") == "ann"
    assert not accused()


def test_grace_period_that_began_anew_ends(ann: Browser, clock: Any) -> None:
    """After it, the old key of a browser that was told late tells of a theft, as any other."""
    ann.twin().text("who")
    clock.shift(conf.ROTATION_GRACE_PERIOD + timedelta(minutes=5))
    early, thief = ann.twin(), ann.twin()
    early.text("who")
    early.text("who")

    clock.shift(conf.ROTATION_GRACE_PERIOD + MOMENT)

    assert thief.text("who") == "AnonymousUser"
    assert accused()


def test_program_with_an_old_key_accuses_nobody(ann: Browser) -> None:
    """A store that is built from the key alone, as for a socket, is a stranger and no thief."""
    old = ann.key
    ann.text("who")

    assert user_id_under(old) is None

    assert not accused()
    assert ann.text("who") == "ann"


def test_slow_response_leaves_a_newer_key(ann: Browser) -> None:
    """A response that was told a successor does not put it in the place of a newer key."""
    slow = ann.twin()
    ann.text("who")

    presented = slow.key

    with stopped(lambda: slow.get("answer_late"), at=Pause(Report, "make")):
        ann.get("prove_again")

    assert slow.key == presented  # it was given none, so that the newer one stays
    assert ann.text("who") == "ann"


@pytest.mark.parametrize("act", ["who", "flush", "answer_late"])
def test_superseded_key_takes_no_cookie_away(ann: Browser, act: str) -> None:
    """A request under way while privilege changed is a stranger's, and deletes no cookie."""
    late = ann.twin()
    presented = late.key
    ann.get("prove_again")

    late.get(act)

    assert late.key == presented  # the answer with the newer one may have arrived before
    assert ann.text("who") == "ann"


def test_write_that_met_a_newer_key_sets_no_cookie(ann: Browser, clock: Any) -> None:
    """What a slow request wrote is kept, and the browser keeps the key that it got meanwhile."""
    clock.move_to(START)  # no rotation is due
    slow = ann.twin()
    answers: list[HttpResponse] = []

    with stopped(lambda: answers.append(slow.get("choose_late")), at=Pause(Report, "make")):
        ann.get("prove_again")

    assert "sessionid" not in answers[0].cookies
    assert user_id_under(ann.key) is not None
    assert SessionStore(ann.key).get_expiry_age() == 3600


def test_flush_under_the_key_before(ann: Browser) -> None:
    """Whoever flushes with a key that was replaced a moment ago ends the session all the same."""
    late = ann.twin()
    ann.text("who")

    late.get("flush")

    assert Session.objects.get().revoked_at is not None
    assert ann.text("who") == "AnonymousUser"


def test_verdict_on_what_was_read_before_ends_nothing(ann: Browser, clock: Any) -> None:
    """A session that another request renewed does not expire by an older reading of its row."""
    ann.text("who")
    stale = session_row.fetch(Session.objects.get().public_id)
    clock.shift(timedelta(minutes=5))
    ann.text("who")

    assert stale is not None
    now = timezone.now()
    assert not expire(stale, Verdict.IDLE, client=None, now=now, copies=site_copies())

    assert Session.objects.get().revoked_at is None
    assert not SessionEvent.objects.filter(event=Event.SESSION_EXPIRED).exists()
    assert ann.text("who") == "ann"
