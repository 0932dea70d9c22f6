"""A sign-in's session, device and events are written together: few statements, all or nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.contrib.sessions.backends.base import UpdateError
from django.contrib.sessions.exceptions import SessionInterrupted
from django.core.cache import caches
from django.db import DatabaseError, connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from sessions_plus import events
from sessions_plus.crypto import Purpose
from sessions_plus.devices import recognition
from sessions_plus.devices.recognition import SignIn
from sessions_plus.exceptions import SessionNotStored
from sessions_plus.keys import new_public_id, new_token
from sessions_plus.models import Device, Event, Reason, Session, SessionEvent
from sessions_plus.rows import lock_wait, one_statement, together
from sessions_plus.rows.table import returned
from sessions_plus.signals import event_recorded
from tests.conftest import World
from tests.support.browsers import Browser
from tests.support.locks import locked_rows, wait_until_somebody_waits
from tests.support.pauses import Pause, in_thread, stopped
from tests.support.stores import signed_in, stored, under_way

pytestmark = [pytest.mark.urls("tests.support.sites"), pytest.mark.django_db(transaction=True)]

ROOT = Path(__file__).resolve().parents[2]
IS_POSTGRESQL = connection.vendor == "postgresql"

needs_row_locks = pytest.mark.skipif(
    connection.vendor == "sqlite", reason="SQLite locks the whole database"
)
in_steps = pytest.mark.skipif(IS_POSTGRESQL, reason="PostgreSQL needs one step alone")


@pytest.fixture
def browser(engine: str, world: World, user: User) -> Browser:
    """A browser that nobody signed in with yet."""
    caches["default"].clear()
    return Browser(world)


def nothing(browser: Browser) -> None:
    """It is the first that this browser asks."""


def visit(browser: Browser) -> None:
    browser.get("write")


def come_back(browser: Browser) -> None:
    browser.get("sign-in", name="ann")
    browser.get("sign-out")


def lose_session(browser: Browser) -> None:
    browser.get("sign-in", name="ann")
    del browser.cookies["sessionid"]


# What came before, and the statements of a sign-in: two are Django's own, for the user, whom
# the view also reads. A visitor's session is read, and given a new key by login().
STATEMENTS = {
    "new device": (nothing, 4, 6),
    "visitor on a new device": (visit, 6, 8),
    "known device": (come_back, 5, 7),
    "replaces a session": (lose_session, 7, 9),
}


@pytest.mark.parametrize("case", list(STATEMENTS))
def test_number_of_statements(browser: Browser, case: str) -> None:
    """A sign-in takes as many statements as it has to, and one transaction for all that it is."""
    before, at_once, in_a_row = STATEMENTS[case]
    before(browser)
    if case.startswith("visitor") and "cached" in os.environ.get("PYTEST_CURRENT_TEST", ""):
        at_once, in_a_row = at_once - 1, in_a_row - 1  # it is read from its copy

    with CaptureQueriesContext(connection) as captured:
        browser.get("sign-in", name="ann")

    sent = [query["sql"] for query in captured if query["sql"]]
    frames = [sql for sql in sent if sql in ("BEGIN", "BEGIN IMMEDIATE", "COMMIT")]
    assert len(sent) - len(frames) == (at_once if IS_POSTGRESQL else in_a_row)
    assert len(frames) == (0 if IS_POSTGRESQL else 2)


@pytest.mark.skipif(not IS_POSTGRESQL, reason="one statement, on PostgreSQL alone")
@pytest.mark.parametrize("before", [nothing, visit, come_back])
def test_statement_is_one_that_psycopg_keeps(
    browser: Browser, before: Callable[[Browser], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A longer one, or one with more parameters, it would read anew each time."""
    before(browser)
    sent: list[tuple[str, int]] = []

    def noting(connection: Any, sql: str, params: list[Any]) -> Any:
        sent.append((sql, len(params)))
        return returned(connection, sql, params)

    monkeypatch.setattr(one_statement, "returned", noting)
    browser.get("sign-in", name="ann")

    ((sql, count),) = sent
    assert (len(sql) <= 4096, count <= 50) == (True, True), (len(sql), count)


@pytest.mark.parametrize("before", [nothing, visit, come_back])
def test_what_is_written(browser: Browser, before: Callable[[Browser], None]) -> None:
    """The events name session and device, in the order in which things happened."""
    before(browser)
    SessionEvent.objects.all().delete()
    known = Device.objects.exists()
    browser.get("sign-in", name="ann")

    device, session = Device.objects.get(), Session.objects.get(revoked_at=None)
    happened = SessionEvent.objects.order_by("pk")
    assert session.device == device
    assert [event.event for event in happened] == [
        Event.SESSION_STARTED,
        *([] if known else [Event.DEVICE_FIRST_SEEN]),
    ]
    assert {(event.session_public_id, event.device) for event in happened} == {
        (session.public_id, device)
    }


def test_whoever_is_told_gets_what_is_stored(user: User) -> None:
    """Listeners to the signal get events with the keys of their rows, and of the device's."""
    told: list[Any] = []

    def listen(event: SessionEvent, **_: Any) -> None:
        told.append((event.pk, event.event, event.device_id, event.device.pk, event._state.adding))  # type: ignore[union-attr]

    event_recorded.connect(listen)
    try:
        signed_in(user)
    finally:
        event_recorded.disconnect(listen)

    device = Device.objects.get().pk
    assert told == [
        (event.pk, event.event, device, device, False)
        for event in SessionEvent.objects.order_by("pk")
    ]


def counts() -> tuple[int, int, int]:
    """Return how many devices, live sessions and events there are, for whoever else looks."""
    return in_thread(
        lambda: (
            Device.objects.count(),
            Session.objects.filter(revoked_at=None).count(),
            SessionEvent.objects.count(),
        )
    ).result(20)


@in_steps
@pytest.mark.parametrize("step", ["_write_session", "_write_events"])
def test_nobody_sees_a_part(user: User, step: str) -> None:
    """Between the statements others see nothing; afterwards all of it."""
    with stopped(lambda: signed_in(user), at=Pause(together, step, before=True)):
        assert counts() == (0, 0, 0)

    assert counts() == (1, 1, 2)


@pytest.fixture
def _bad_event(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let the last event be one that the database refuses."""
    original = events.values_of

    def values(rows: Any) -> list[dict[str, Any]]:
        *good, last = original(rows)
        return [*good, last | {"count": -1}]

    with monkeypatch.context() as patch:
        patch.setattr(events, "values_of", values)
        yield


@pytest.mark.usefixtures("_bad_event")
@pytest.mark.parametrize("key", [None, "a visitor's"])
def test_event_that_is_refused(user: User, world: World, key: str | None) -> None:
    """Without its events there is no session, no device, and nobody is signed in."""
    visitor = stored() if key else None

    with pytest.raises(DatabaseError):
        sign_in_with(visitor, user, world)

    assert Device.objects.count() == SessionEvent.objects.count() == 0
    assert not Session.objects.exclude(user=None).exists()
    assert visitor is None or under_way(visitor)["color"] == "blue"


def sign_in_with(key: str | None, user: User, world: World) -> None:
    store = under_way(key)
    store["_auth_user_id"] = str(user.pk)
    store.bind(SignIn(user, ("pwd",)))
    world(store, "save")


@pytest.mark.parametrize("step", ["_write_device", "_write_session", "_write_events", ""])
def test_process_that_is_killed(user: User, step: str) -> None:
    """Whenever a process dies that signs somebody in, all of it is there, or nothing."""
    if step == "" and not IS_POSTGRESQL:
        pytest.skip("killed at each step instead")
    if step and IS_POSTGRESQL:
        pytest.skip("it has no steps")
    command = [sys.executable, "-m", "tests.support.killed"]
    words = [*command, str(connection.settings_dict["NAME"]), step]
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings"}
    process: Any = None
    try:
        if step:
            process = subprocess.Popen(words, cwd=ROOT, env=environment)
            assert process.wait(200) == -signal.SIGKILL
        else:
            with transaction.atomic():  # its events have to wait for this
                connection.cursor().execute(f"LOCK {SessionEvent._meta.db_table} IN EXCLUSIVE MODE")
                process = subprocess.Popen(words, cwd=ROOT, env=environment)
                wait_until_somebody_waits()
                process.kill()
                process.wait(200)
    finally:
        if process is not None and process.poll() is None:
            process.kill()

    assert counts() in ((0, 0, 0), (1, 1, 2))


def test_another_request_stores_the_device_first(user: User) -> None:
    """Of two sign-ins with one token that nobody knows, both are on one device."""
    token = new_token(new_public_id(), purpose=Purpose.DEVICE_TOKEN)

    with stopped(
        lambda: signed_in(user, device_token=token), at=Pause(together, "write", before=True)
    ):
        signed_in(user, device_token=token)

    device = Device.objects.get()
    started = SessionEvent.objects.filter(event=Event.SESSION_STARTED)
    assert [event.device for event in started] == [device, device]
    assert SessionEvent.objects.filter(event=Event.DEVICE_FIRST_SEEN).count() == 1
    assert set(Session.objects.values_list("device_id", flat=True)) == {device.pk}


def test_device_that_was_ended_by_hand(user: User) -> None:
    """One that kept its token gives it up to the new one of the same browser."""
    token = new_token(new_public_id(), purpose=Purpose.DEVICE_TOKEN)
    signed_in(user, device_token=token)
    Device.objects.update(revoked_at=timezone.now())

    signed_in(user, device_token=token)

    assert Device.objects.active().get().token_hash is not None
    assert Device.objects.exclude(revoked_at=None).get().token_hash is None


@needs_row_locks
def test_second_sign_in_waits_for_the_first(user: User) -> None:
    """Two on one device come one after the other, so that the second ends the first."""
    token = new_token(new_public_id(), purpose=Purpose.DEVICE_TOKEN)
    signed_in(user, device_token=token)

    with transaction.atomic():
        signed_in(user, device_token=token)  # holds the device's row
        second = in_thread(lambda: signed_in(user, device_token=token))
        wait_until_somebody_waits()
    second.result(120)

    assert Session.objects.filter(revoked_at=None).count() == 1
    assert set(Session.objects.exclude(revoked_at=None).values_list("revoked_reason")) == {
        (Reason.REPLACED,)
    }


@needs_row_locks
def test_device_is_removed_while_it_is_waited_for(user: User) -> None:
    """Then nothing of the sign-in is written: removing wins."""
    token = new_token(new_public_id(), purpose=Purpose.DEVICE_TOKEN)
    signed_in(user, device_token=token)
    before = counts()

    with transaction.atomic():
        Device.objects.update(revoked_at=timezone.now())
        sign_in = in_thread(lambda: signed_in(user, device_token=token))
        wait_until_somebody_waits()
    with pytest.raises(SessionInterrupted):
        sign_in.result(20)

    assert counts() == before


@needs_row_locks
def test_locked_device(user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever holds the device's row for long is not waited for: the person may try again."""
    monkeypatch.setattr(lock_wait, "LONGEST_WAIT", timedelta(seconds=1))
    monkeypatch.setattr(one_statement, "_compose", one_statement._compose.__wrapped__)
    token = new_token(new_public_id(), purpose=Purpose.DEVICE_TOKEN)
    signed_in(user, device_token=token)

    with locked_rows(Device._meta.db_table), pytest.raises(SessionNotStored):
        signed_in(user, device_token=token)


@pytest.mark.parametrize("kind", ["new", "known"])
def test_session_that_moved_on(user: User, kind: str) -> None:
    """A sign-in to a session that changes meanwhile keeps both, and writes nothing twice."""
    token = new_token(new_public_id(), purpose=Purpose.DEVICE_TOKEN)
    if kind == "known":
        signed_in(user, device_token=token)
    key = stored(color="blue")
    before = SessionEvent.objects.filter(event=Event.SESSION_STARTED).count()

    def sign_in() -> str:
        store = under_way(key, device_token=token)
        store["_auth_user_id"] = str(user.pk)
        store.bind(SignIn(user, ("pwd",)))
        store.save()
        return str(store.session_key)

    with stopped(sign_in, at=Pause(together, "write", before=True)):
        other = under_way(key)
        other["size"] = "large"
        other.save()

    session = Session.objects.get(user=user, revoked_at=None)
    assert session.device == Device.objects.get()
    after = SessionEvent.objects.filter(event=Event.SESSION_STARTED).count()
    assert (after - before, Device.objects.count()) == (1, 1)


def test_session_that_ended(user: User) -> None:
    """A sign-in to a session that ends meanwhile leaves no device, and no event of its own."""
    key = stored(color="blue")

    with (
        pytest.raises(UpdateError),
        stopped(
            lambda: sign_in_with(key, user, World("sync")), at=Pause(together, "write", before=True)
        ),
    ):
        under_way(key).delete()

    assert counts() == (0, 0, 0)


def test_no_look_for_a_token_of_this_request(user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    """A token that was made just now is nobody's, and no query asks whose."""

    def find(*_: Any, **__: Any) -> None:
        raise AssertionError("it was looked for")

    monkeypatch.setattr(recognition, "find_device", find)

    signed_in(user)

    assert Device.objects.count() == 1
