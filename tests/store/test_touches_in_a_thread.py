"""Touches are made together, by a thread that lives as long as there are any."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.cache import caches
from django.db import InterfaceError, router
from django.utils import timezone

from sessions_plus.cache import copies
from sessions_plus.models import Session
from sessions_plus.store import ahead, unwritable
from sessions_plus.store.ahead import Touch, waiting
from tests.conftest import World
from tests.support.browsers import Browser
from tests.support.forks import forked, was_right
from tests.support.pauses import PATIENCE_SECONDS, Pause, in_thread
from tests.support.services.process import wait_until

pytestmark = [pytest.mark.urls("tests.support.sites"), pytest.mark.django_db(transaction=True)]

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def _in_a_thread(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Wait for others until the test says so."""
    settings.SESSION_ENGINE = "sessions_plus.backends.cached_db"
    caches["default"].clear()
    copies.tier()
    unwritable.warning.reset()
    monkeypatch.setattr(ahead, "may_use_thread", lambda alias: True)
    monkeypatch.setattr(ahead, "GATHERING_SECONDS", 3600.0)
    monkeypatch.setattr(ahead, "DRAIN_SECONDS", PATIENCE_SECONDS)
    yield
    waiting.drain()


def people_signed_in(world: World, count: int) -> list[Browser]:
    """Return browsers in which Ann is signed in, and of whose interval half is over."""
    browsers = [Browser(world) for _ in range(count)]
    for browser in browsers:
        browser.get("sign-in", name="ann")
    Session.objects.update(last_activity=timezone.now() - timedelta(seconds=45))
    for browser in browsers:
        browser.get("read")
    return browsers


@pytest.fixture
def batches(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many touches each batch had."""
    sizes: list[int] = []
    make = ahead.make

    def counting(touches: list[Touch]) -> None:
        sizes.append(len(touches))
        make(touches)

    monkeypatch.setattr(ahead, "make", counting)
    return sizes


def were_recorded() -> int:
    recent = timezone.now() - timedelta(seconds=44)
    return Session.objects.filter(last_activity__gt=recent).count()


def test_touches_of_many_requests_are_one_batch(
    world: World, user: User, batches: list[int]
) -> None:
    """Nothing is recorded before others may have come; then all of it, once for each session."""
    browsers = people_signed_in(world, 4)
    for _ in range(3):
        for browser in browsers:
            assert browser.text("who") == "ann"
    assert (batches, len(waiting), were_recorded()) == ([], 4, 0)

    waiting.drain()

    assert (batches, len(waiting), were_recorded()) == ([4], 0, 4)


def test_batch_has_an_end(
    world: World, user: User, batches: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One statement keeps no more rows locked than so many."""
    monkeypatch.setattr(ahead, "MOST_AT_ONCE", 2)
    for browser in people_signed_in(world, 5):
        browser.get("read")

    waiting.drain()

    assert batches == [2, 2, 1]
    assert were_recorded() == 5


def test_no_more_wait_than_so_many(
    world: World, user: User, batches: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What comes on top is recorded when it is due."""
    monkeypatch.setattr(ahead, "MOST_WAITING", 2)
    for browser in people_signed_in(world, 3):
        browser.get("read")

    assert len(waiting) == 2


def test_thread_goes_when_nothing_waits(
    world: World, user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And the next touch begins another: a quiet worker holds no connection."""
    monkeypatch.setattr(ahead, "GATHERING_SECONDS", 0.01)
    (browser,) = people_signed_in(world, 1)
    for _ in range(2):
        Session.objects.update(last_activity=timezone.now() - timedelta(seconds=45))
        browser.get("read")
        browser.get("read")
        wait_until(lambda: not threads(), what="the end of the thread")

        assert were_recorded() == 1


def threads() -> list[threading.Thread]:
    return [one for one in threading.enumerate() if one.name == "sessions_plus touches"]


def test_thread_goes_on_after_a_failure(
    world: World,
    user: User,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Whatever fails fails for one batch, and is in the log."""
    browsers = people_signed_in(world, 1)

    def fail(touches: object) -> None:
        raise LookupError("of the site's")

    with monkeypatch.context() as patch, caplog.at_level(logging.ERROR, "sessions_plus"):
        patch.setattr(ahead, "make", fail)
        browsers[0].get("read")
        waiting.drain()
    assert [record.exc_info is not None for record in caplog.records] == [True]
    browsers[0].get("read")
    waiting.drain()

    assert were_recorded() == 1


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.parametrize("where", ["make", "close_old_connections"])
def test_thread_that_is_ended_leaves_room_for_another(
    world: World, user: User, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    """Whatever ends it, as a library of green threads may, the next touch is made."""
    browsers = people_signed_in(world, 1)

    def end(*_: object) -> None:
        raise SystemExit

    with monkeypatch.context() as patch:
        patch.setattr(ahead, where, end)
        browsers[0].get("read")
        waiting.drain()
        wait_until(lambda: not threads(), what="the end of the thread")
    browsers[0].get("read")
    waiting.drain()

    assert were_recorded() == 1


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_what_an_ended_thread_left_is_made_by_the_next(
    world: World, user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody takes it for waiting then: the next request of such a session begins a thread."""
    browsers = people_signed_in(world, 2)

    def end(*_: object) -> None:
        raise SystemExit

    with monkeypatch.context() as patch:
        patch.setattr(ahead, "MOST_AT_ONCE", 1)
        patch.setattr(ahead, "make", end)
        for browser in browsers:
            browser.get("read")
        waiting.drain()
        wait_until(lambda: not threads(), what="the end of the thread")
    assert (len(waiting), were_recorded()) == (1, 0)
    for count, browser in enumerate(reversed(browsers), start=1):
        browser.get("read")
        waiting.drain()

        assert were_recorded() == count


def test_one_touch_waits_for_each_session(
    world: World, user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As long as it waits, the session's other requests merely read."""
    taken = []
    add = waiting.add

    def adding(touch: Touch, seen_in: ahead.Databases) -> bool:
        taken.append(touch)
        return add(touch, seen_in)

    monkeypatch.setattr(waiting, "add", adding)
    for browser in people_signed_in(world, 2):
        for _ in range(3):
            browser.get("read")

    assert len(taken) == 2


def test_what_waits_holds_nothing_of_the_request(world: World, user: User) -> None:
    """A server's request has its socket, its body and its cookies, for as long as it is known."""
    (browser,) = people_signed_in(world, 1)
    browser.get("read", secret="of the URL")

    (left,) = waiting._touches.values()
    assert left.touch.client is not None
    assert left.touch.client._meta.keys() <= {"REMOTE_ADDR", "HTTP_USER_AGENT"}


def test_connection_that_cannot_be_closed(
    world: World, user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The thread outlives that as any other failure."""
    browsers = people_signed_in(world, 1)

    def fail() -> None:
        raise InterfaceError("connection already closed")

    with monkeypatch.context() as patch:
        patch.setattr(ahead, "close_old_connections", fail)
        browsers[0].get("read")
        waiting.drain()
    browsers[0].get("read")
    waiting.drain()

    assert were_recorded() == 1


class ForEachThread:
    """A router that finds the database of this thread's tenant: the main thread has one."""

    def db_for_write(self, model: type, **hints: Any) -> str | None:
        is_ours = threading.current_thread().name != "sessions_plus touches"
        return "default" if is_ours else "nobody's"


@pytest.mark.parametrize("whose", ["Session", "User"])
def test_database_of_another_thread(
    world: World,
    user: User,
    settings: Any,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    whose: str,
) -> None:
    """What a router sends this thread elsewhere for is left to the moment when it is due."""

    class Router(ForEachThread):
        def db_for_write(self, model: type, **hints: Any) -> str | None:
            return super().db_for_write(model) if model.__name__ == whose else None

    monkeypatch.setattr(router, "routers", [Router()])
    (browser,) = people_signed_in(world, 1)
    with caplog.at_level(logging.WARNING, "sessions_plus"):
        browser.get("read")
        waiting.drain()

    assert caplog.records == []
    assert were_recorded() == 0
    assert copies.tier().peek(Session.objects.get().public_id) is not None
    assert browser.text("who") == "ann"


def test_where_no_thread_can_begin(
    world: World, user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who serves the request records it."""
    (browser,) = people_signed_in(world, 1)
    start = threading.Thread.start

    def refuse(thread: threading.Thread) -> None:
        if thread.name == "sessions_plus touches":
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", refuse)
    browser.get("read")

    assert (len(waiting), were_recorded()) == (0, 1)


def test_end_of_the_process_is_not_put_off_for_ever(
    world: World, user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A database that does not answer is given up."""
    monkeypatch.setattr(ahead, "DRAIN_SECONDS", 0.01)
    (browser,) = people_signed_in(world, 1)
    with Pause(ahead, "make", before=True) as pause:
        browser.get("read")
        waiting.drain()
        pause.wait()
        pause.release()
    monkeypatch.setattr(ahead, "DRAIN_SECONDS", PATIENCE_SECONDS)
    waiting.drain()

    assert were_recorded() == 1


def test_session_that_is_touched_while_another_batch_is_made(world: World, user: User) -> None:
    """What comes meanwhile is made as well, by the same thread."""
    first, second = people_signed_in(world, 2)
    with Pause(ahead, "make", before=True) as pause:
        first.get("read")
        draining = in_thread(waiting.drain)
        pause.wait()
        second.get("read")
        assert len(threads()) == 1
        pause.release()
        draining.result(PATIENCE_SECONDS)

    assert were_recorded() == 2


@pytest.mark.skipif(not hasattr(os, "fork"), reason="This system has no fork.")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_child_leaves_it_to_its_parent(world: World, user: User) -> None:
    """A worker that is forked begins with nothing, and with a thread of its own."""
    (browser,) = people_signed_in(world, 1)
    browser.get("read")
    assert len(waiting) == 1

    child = forked(lambda: not len(waiting) and not waiting._is_working)

    assert was_right(child)
    waiting.drain()
    assert were_recorded() == 1


def test_process_that_ends_records_first() -> None:
    """What waits when a worker is told to end is recorded before it does."""
    code = (
        "from sessions_plus.store import ahead\n"
        "ahead.GATHERING_SECONDS = 3600.0\n"
        "ahead.make = lambda touches: print('recorded', len(touches), flush=True)\n"
        "class copy: public_id = 1\n"
        "touch = ahead.Touch(copy, None, 0.0, None)\n"
        "assert ahead.waiting.add(touch, ahead.databases())\n"
        "raise SystemExit\n"
    )
    setup = "import django; django.setup()\n"
    done = subprocess.run(
        [sys.executable, "-c", setup + code],
        cwd=ROOT,
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings"},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )

    assert (done.stdout.strip(), done.stderr) == ("recorded 1", "")
