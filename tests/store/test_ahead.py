"""From half the interval on a copy serves at once, and its activity is recorded afterwards."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from types import ModuleType
from typing import Any

import pytest
import time_machine
from django.contrib.auth.models import User
from django.core import mail
from django.core.cache import caches
from django.db import InterfaceError, OperationalError, connection, connections, transaction
from django.db.backends.sqlite3.base import DatabaseWrapper
from django.http import HttpResponse
from django.test import override_settings
from django.test.utils import CaptureQueriesContext

from sessions_plus.backends.cached_db import SessionStore
from sessions_plus.cache import copies
from sessions_plus.cache.fast_path import FastPath
from sessions_plus.client_info import ClientInfo
from sessions_plus.conf import conf
from sessions_plus.lifecycle import revoke
from sessions_plus.models import Reason, Session, SessionEvent
from sessions_plus.policy import Limits
from sessions_plus.rows import touches as rows
from sessions_plus.rows.lock_wait import LockWait, waiting
from sessions_plus.store import ahead, unwritable
from sessions_plus.store.ahead import Touch
from tests.conftest import World, people
from tests.support.browsers import FIREFOX, SAFARI, Browser
from tests.support.locks import locked_rows
from tests.support.moments import START
from tests.support.pauses import PATIENCE_SECONDS, in_thread
from tests.support.refusals import READ_ONLY, refusing
from tests.support.stores import signed_in

pytestmark = [pytest.mark.urls("tests.support.sites"), pytest.mark.django_db(transaction=True)]

INTERVAL = conf.ACTIVITY_INTERVAL
HALF = INTERVAL / 2
MOMENT = timedelta(milliseconds=1)


@pytest.fixture(autouse=True)
def _cached(settings: Any) -> Iterator[None]:
    settings.SESSION_ENGINE = "sessions_plus.backends.cached_db"
    caches["default"].clear()
    unwritable.warning.reset()
    yield
    unwritable.warning.reset()


@pytest.fixture
def clock() -> Iterator[Any]:
    with time_machine.travel(START, tick=False) as traveller:
        copies.reset()
        copies.tier()
        traveller.shift(timedelta(seconds=1))
        yield traveller
    copies.reset()


@pytest.fixture
def ann(clock: Any, world: World, user: User) -> Browser:
    """Ann's browser, who signed in a moment ago."""
    browser = Browser(world)
    browser.get("sign-in", name="ann")
    return browser


def statements(act: Callable[[], object]) -> list[str]:
    with CaptureQueriesContext(connection) as captured:
        act()
    return [query["sql"] for query in captured]


def last_activity() -> timedelta:
    """Return how long after the sign-in the last activity was."""
    row = Session.objects.get()
    assert row.authenticated_at is not None
    return row.last_activity - row.authenticated_at


def past_the_engine() -> Any:
    """Return all sessions, for a change that tells no cache: as SQL's."""
    return Session._base_manager.all()


def in_copy(row: Session) -> Any:
    """Return the last activity that the copy of a session knows of: so long it serves."""
    copy = copies.recall(row.public_id).copy
    return None if copy is None else copy.row().last_activity


def slot_holds_copy() -> bool:
    return copies.tier().peek(Session.objects.get().public_id) is not None


@pytest.mark.parametrize(
    ("after", "count", "recorded"),
    [
        pytest.param(HALF - MOMENT, 0, timedelta(0), id="before half of it"),
        pytest.param(HALF, 1, HALF, id="half exactly"),
        pytest.param(INTERVAL - MOMENT, 1, INTERVAL - MOMENT, id="before it is due"),
        pytest.param(INTERVAL, 1, INTERVAL, id="due"),
    ],
)
def test_when_activity_is_recorded(
    ann: Browser, clock: Any, after: timedelta, count: int, recorded: timedelta
) -> None:
    """From half the interval on, by one statement, and to the moment of the request."""
    clock.shift(after)

    assert len(statements(lambda: ann.get("read"))) == count
    assert last_activity() == recorded


def test_statements_of_a_busy_session(ann: Browser, clock: Any) -> None:
    """Of sixty requests in a minute two record activity; none asks the database anything else."""

    def minute() -> None:
        for _ in range(60):
            clock.shift(timedelta(seconds=1))
            ann.get("read")

    assert len(statements(minute)) == 2


def test_nobody_waits_for_it(ann: Browser, clock: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """All was sent before the database was asked anything. Under asyncio that takes a thread."""
    if ann.world.is_async:
        pytest.skip("See test_touches_in_a_thread.py.")
    before: list[int] = []
    close = HttpResponse.close

    def closing(response: HttpResponse) -> None:
        before.append(len(captured))
        close(response)

    monkeypatch.setattr(HttpResponse, "close", closing)
    clock.shift(HALF)
    with CaptureQueriesContext(connection) as captured:
        ann.get("read")

        assert (before, len(captured)) == ([0], 1)


def test_what_is_due_is_recorded_before_anybody_is_served(
    ann: Browser, clock: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A session that ended past the engine serves until it is due at most, as ever."""
    past_the_engine().update(revoked_at=START)
    monkeypatch.setattr(ahead, "make", lambda touches: None)

    clock.shift(INTERVAL - MOMENT)
    assert ann.text("who") == "ann"
    clock.shift(MOMENT)
    assert ann.text("who") == "AnonymousUser"


def test_lost_touch_costs_some_activity_and_nothing_else(
    ann: Browser, clock: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next request that is due records as ever."""
    with monkeypatch.context() as patch:
        patch.setattr(ahead, "make", lambda touches: None)
        clock.shift(HALF)
        ann.get("read")
        assert last_activity() == timedelta(0)
    clock.shift(HALF)

    assert ann.text("who") == "ann"
    assert last_activity() == INTERVAL


@override_settings(SESSIONS_PLUS_IDLE_TIMEOUT=timedelta(minutes=5))
def test_idle_end_is_judged_by_what_was_recorded(ann: Browser, clock: Any) -> None:
    """A session ends five minutes after the activity that was recorded, not a moment later."""
    clock.shift(timedelta(seconds=15))  # half of what goes unrecorded where so little is allowed
    ann.get("read")
    recorded = Session.objects.get()
    assert recorded.expire_date == recorded.last_activity + timedelta(minutes=5)

    clock.shift(timedelta(minutes=5) - MOMENT)
    assert ann.twin().text("who") == "ann"
    clock.shift(timedelta(minutes=5))
    assert ann.text("who") == "AnonymousUser"
    assert Session.objects.get().revoked_reason == "idle_timeout"


@override_settings(SESSIONS_PLUS_IDLE_TIMEOUT=timedelta(seconds=50))
def test_touch_that_comes_too_late_revives_nothing(ann: Browser, clock: Any) -> None:
    """What a worker had to do, and did after the session was over, is left undone."""
    row = Session.objects.get()
    touch = touch_of(row)
    clock.shift(timedelta(seconds=50))

    ahead.make([touch])

    assert last_activity() == timedelta(0)
    assert ann.text("who") == "AnonymousUser"


def touch_of(row: Session, *, seconds: int = 31, ip_address: str | None = None) -> Touch:
    """Return what a request that came so long after the last activity would leave to do."""
    recalled = copies.recall(row.public_id)
    assert recalled.copy is not None
    known = recalled.copy.row()
    client = ClientInfo.of(ip_address=ip_address or known.ip_address, user_agent=known.user_agent)
    moment = (known.last_activity + timedelta(seconds=seconds)).timestamp()
    return Touch(recalled.copy, client, moment, recalled)


def without_absolute_end(settings: Any) -> None:
    settings.SESSIONS_PLUS_LIMITS = lambda facts: Limits(timedelta(days=1), None)


def passive(settings: Any) -> None:
    settings.SESSIONS_PLUS_PASSIVE_PATHS = ["/sync", "/async"]


@pytest.mark.parametrize("where", [without_absolute_end, passive])
def test_what_is_not_recorded_ahead(
    ann: Browser, clock: Any, settings: Any, where: Callable[[Any], None]
) -> None:
    """Where the cookie lives longer with it, so a response tells of it; and what is no activity."""
    where(settings)
    ann.get("read")
    clock.shift(HALF)

    assert statements(lambda: ann.get("read")) == []
    assert last_activity() == timedelta(0)


def test_who_has_to_prove_themselves_keeps_nothing_alive(ann: Browser, clock: Any) -> None:
    """A thief who is refused everything records no activity."""
    Session.objects.update(must_reauthenticate=True)
    ann.get("read")
    clock.shift(HALF)

    assert statements(lambda: ann.get("read")) == []


@pytest.mark.parametrize("absolute_lifetime", [None, timedelta(days=30)])
def test_session_of_nobody_is_not_touched_ahead(
    clock: Any, world: World, settings: Any, absolute_lifetime: timedelta | None
) -> None:
    """Its cookie lives longer with each touch, so that is proved before it is told."""
    settings.SESSIONS_PLUS_LIMITS = lambda facts: Limits(timedelta(days=1), absolute_lifetime)
    browser = Browser(world)
    browser.get("write")
    clock.shift(HALF)
    assert statements(lambda: browser.get("read")) == []
    clock.shift(HALF)

    response = browser.get("read")

    assert "sessionid" in response.cookies


def test_set_expiry_is_not_touched_ahead(ann: Browser, clock: Any) -> None:
    """Nor one whose cookie follows what ``set_expiry`` said."""
    ann.get("expire", seconds="600")
    ann.get("read")
    clock.shift(HALF)

    assert statements(lambda: ann.get("read")) == []


def test_request_that_writes_has_recorded_it(ann: Browser, clock: Any) -> None:
    """Then there is nothing more to do: one statement, that of the write."""
    ann.get("read")
    clock.shift(HALF)

    assert len(statements(lambda: ann.get("write"))) == 1
    assert last_activity() == HALF


def test_request_that_reads_its_session_twice(ann: Browser, clock: Any) -> None:
    """What other tabs did between is not set back to when it read it first."""
    clock.shift(HALF)
    store, response = SessionStore(ann.key), HttpResponse()
    store.cookies = {}
    store.load()
    clock.shift(HALF / 2)
    ann.get("read")
    store.load()

    store.hand_over_touch(response)
    for act in response._resource_closers:  # type: ignore[attr-defined]  # as when it was sent
        act()

    assert last_activity() == HALF + HALF / 2


def test_session_that_comes_to_be_due_meanwhile(
    ann: Browser, clock: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who has to prove themselves keeps nothing alive, either, in the moment when it does."""
    Session.objects.update(must_reauthenticate=True)
    ann.get("read")
    clock.shift(INTERVAL - MOMENT)
    suffices = FastPath.suffices

    def slowly(*args: Any, **values: Any) -> bool:
        is_enough = suffices(*args, **values)
        clock.shift(2 * MOMENT)
        return is_enough

    monkeypatch.setattr(FastPath, "suffices", slowly)

    assert statements(lambda: ann.get("read")) == []


def test_request_that_signs_out(ann: Browser, clock: Any) -> None:
    clock.shift(HALF)
    ann.get("sign-out")

    assert Session.objects.get().revoked_reason == Reason.SIGNED_OUT
    assert not slot_holds_copy()
    assert ann.text("who") == "AnonymousUser"


def test_news_of_the_client_are_recorded_with_it(ann: Browser, clock: Any) -> None:
    """A browser that was updated and another address, as with the touch of today."""
    clock.shift(HALF)
    ann.user_agent = FIREFOX.replace("140.0", "141.0")

    ann.get("read")

    row = Session.objects.get()
    assert (row.browser_version.partition(".")[0], row.user_agent) == ("141", ann.user_agent)
    assert last_activity() == HALF


def test_other_client_goes_the_way_of_today(ann: Browser, clock: Any) -> None:
    """Another browser is judged and written down before it is served."""
    clock.shift(HALF)
    ann.user_agent = SAFARI

    ann.get("read")

    assert Session.objects.get().client_changed_at is not None
    assert SessionEvent.objects.filter(event="session.client_changed").exists()


def test_site_that_tells_networks_apart(ann: Browser, clock: Any, settings: Any) -> None:
    """What is judged in full at each request is touched ahead as well."""
    settings.SESSIONS_PLUS_NETWORK_CHANGE = "record"
    ann.get("read")
    clock.shift(HALF - MOMENT)
    assert statements(lambda: ann.get("read")) == []
    clock.shift(MOMENT)

    assert len(statements(lambda: ann.get("read"))) == 1
    assert last_activity() == HALF


def test_copy_is_renewed(ann: Browser, clock: Any) -> None:
    """After the touch a copy serves for another half of the interval without a look at the row."""
    clock.shift(HALF)
    ann.get("read")
    clock.shift(HALF - MOMENT)

    assert statements(lambda: ann.get("read")) == []


# What is over


def test_user_who_was_disabled_past_us(ann: Browser, clock: Any, user: User) -> None:
    """Their activity is not recorded, and their sessions end on the request on which it is due."""
    people().filter(pk=user.pk).update(is_active=False)
    clock.shift(HALF)
    assert ann.text("who") == "AnonymousUser"
    assert last_activity() == timedelta(0)

    clock.shift(HALF)
    assert ann.text("read") == "none"
    assert Session.objects.get().revoked_reason == Reason.USER_INACTIVE
    assert not slot_holds_copy()


@pytest.mark.parametrize("how", ["UPDATE", "DELETE"])
def test_session_that_ended_past_us(ann: Browser, clock: Any, how: str) -> None:
    """SQL tells no cache. The touch finds it half an interval sooner than it is due."""
    public_id = Session.objects.get().public_id
    if how == "UPDATE":
        past_the_engine().update(revoked_at=START)
    else:
        past_the_engine()._raw_delete("default")
    clock.shift(HALF)

    assert ann.text("who") == "ann"
    assert copies.tier().peek(public_id) is None
    assert ann.text("who") == "AnonymousUser"


def test_row_that_moved_on_keeps_its_copies(ann: Browser, clock: Any) -> None:
    """A touch that met a row with a new key proves nothing, and takes nothing from it."""
    touch = touch_of(Session.objects.get())
    ann.get("sign-in", name="ann")  # which changes the key
    ann.get("read")
    before = last_activity()

    ahead.make([touch])

    assert last_activity() == before
    assert slot_holds_copy()
    assert statements(lambda: ann.get("read")) == []


def test_other_worker_was_faster(ann: Browser, clock: Any) -> None:
    """Of two touches of one copy one is made, and the copy of that stays."""
    row = Session.objects.get()
    first, second = touch_of(row), touch_of(row, seconds=32)
    later = row.last_activity + timedelta(seconds=32)
    ahead.make([second])

    ahead.make([first])

    assert Session.objects.get().last_activity == later
    assert slot_holds_copy()


def test_locked_row_keeps_nobody_waiting(clock: Any, user: User, other_user: User) -> None:
    """It is left as it is, with its copy; the others of the batch are touched."""
    for person in (user, other_user):
        signed_in(person)
    batch = [touch_of(row) for row in Session.objects.order_by("pk")]
    soon = waiting(connection, LockWait.NONE)  # SQLite would wait as long as the site has set
    with locked_rows(where=f"user_id = {user.pk}"), soon:
        ahead.make(batch)

    is_all = connection.vendor == "sqlite"  # which locks the whole database
    rows_now = list(Session.objects.order_by("pk"))
    assert [row.last_activity == row.created_at for row in rows_now] == [True, is_all]
    assert [in_copy(row) for row in rows_now] == [row.last_activity for row in rows_now]


# Many at once


@pytest.mark.parametrize("count", [1, 7])
def test_statements_of_a_batch(clock: Any, user: User, count: int) -> None:
    """PostgreSQL takes any number in one; others one each, between BEGIN and COMMIT."""
    for _ in range(count):
        signed_in(user)
    batch = [touch_of(row) for row in Session.objects.all()]
    is_one = connection.vendor == "postgresql"
    found = statements(lambda: ahead.make(batch))

    assert len([sql for sql in found if "UPDATE" in sql]) == (1 if is_one else count)
    assert not [sql for sql in found if sql.startswith("SELECT")]
    assert {row.last_activity for row in Session.objects.all()} == {
        touch.on_row().columns["last_activity"] for touch in batch
    }


def test_batch_with_some_of_each_kind(clock: Any, user: User, other_user: User) -> None:
    """Those that live are touched; of the others no copy serves, and one SELECT is enough."""
    for person in (user, user, other_user, user):
        signed_in(person)
    living, ended, gone, moving = Session.objects.order_by("pk")
    batch = [touch_of(living), touch_of(ended), touch_of(gone)]
    batch.append(touch_of(moving, ip_address="203.0.113.9"))
    revoke(ended)
    people().filter(pk=other_user.pk).update(is_active=False)

    found = statements(lambda: ahead.make(batch))

    states = [
        (row.last_activity > row.created_at, row.revoked_reason)
        for row in Session.objects.order_by("pk")
    ]
    assert states == [(True, ""), (False, "revoked"), (False, ""), (True, "")]
    assert Session.objects.get(pk=moving.pk).ip_address == "203.0.113.9"
    of_rows = [sql for sql in found if sql.startswith("SELECT") and " IN (" in sql]
    assert len([sql for sql in of_rows if Session._meta.db_table in sql]) >= 1
    kept = [copies.tier().peek(row.public_id) is not None for row in Session.objects.order_by("pk")]
    assert kept == [True, False, True, True]


# A database that takes no writes, or does not answer


def test_database_that_takes_no_writes(
    ann: Browser, clock: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """Who lives goes on, and one warning a minute tells of it."""
    clock.shift(HALF)
    with refusing(READ_ONLY), caplog.at_level(logging.WARNING, "sessions_plus"):
        assert [ann.text("who") for _ in range(3)] == ["ann"] * 3

    assert len([r for r in caplog.records if "refused to write" in r.message]) == 1
    assert last_activity() == timedelta(0)
    row = Session.objects.get()
    assert in_copy(row) == row.last_activity


def test_what_ended_is_found_without_writing(ann: Browser, clock: Any) -> None:
    """Where nothing can be written, reading proves that a session is over."""
    past_the_engine().update(revoked_at=START)
    clock.shift(HALF)
    with refusing(READ_ONLY):
        ann.get("read")

        assert ann.text("who") == "AnonymousUser"


@pytest.mark.parametrize("kind", [OperationalError, InterfaceError])
def test_database_that_does_not_answer(
    ann: Browser,
    clock: Any,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    kind: type[Exception],
) -> None:
    """Nobody waits for it, so nobody is told but the log, whichever of Django's errors it is."""

    def fail(touches: object) -> None:
        raise kind("the server closed the connection")

    monkeypatch.setattr(rows, "touch_many", fail)
    clock.shift(HALF)
    with caplog.at_level(logging.WARNING, "sessions_plus"):
        assert [ann.text("read") for _ in range(2)] == ["none"] * 2

    assert len([r for r in caplog.records if "ahead of time" in r.message]) == 1


# Which thread may do it


def test_thread_of_others_where_it_can_ask_for_the_row(
    own_choice: Callable[[], bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not within a transaction, nor where the database is in this process's memory."""
    monkeypatch.setattr(ahead, "is_in_memory", lambda alias: False)
    with transaction.atomic():
        assert not own_choice()
    assert own_choice()
    monkeypatch.setattr(ahead, "is_in_memory", lambda alias: True)
    assert not own_choice()


@pytest.fixture
def own_choice(monkeypatch: pytest.MonkeyPatch) -> Callable[[], bool]:
    """What is said where no test runs."""
    monkeypatch.delattr(mail, "outbox")
    return lambda: ahead.may_use_thread("default")


def test_no_thread_in_a_test(
    own_choice: Callable[[], bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    Its transaction goes around everything, and may be another thread's, as in an async one.

    A thread would find no row there, take it for over, and outlive the test.
    """
    monkeypatch.setattr(ahead, "is_in_memory", lambda alias: False)
    with transaction.atomic():
        assert in_thread(own_choice).result(PATIENCE_SECONDS)  # which sees no transaction
    monkeypatch.setattr(mail, "outbox", [], raising=False)

    assert not own_choice()


class OfTenants(DatabaseWrapper):
    """As django-tenants' does, this says with each cursor in which schema to look."""

    def _cursor(self, name: str | None = None) -> Any:
        return super()._cursor(name)  # type: ignore[misc]  # the stubs do not know it


def test_no_thread_where_cursors_are_the_sites(
    own_choice: Callable[[], bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A thread of nobody's tenant would look into another schema, also without a function."""
    monkeypatch.setattr(ahead, "is_in_memory", lambda alias: False)
    assert own_choice()
    backend = ModuleType("tenants.base")
    backend.DatabaseWrapper = OfTenants  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, backend.__name__, backend)
    monkeypatch.setitem(sys.modules, "tenants", ModuleType("tenants"))
    monkeypatch.setitem(connections.settings["default"], "ENGINE", "tenants")

    assert not own_choice()


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (":memory:", True),
        ("file:memorydb_default?mode=memory&cache=shared", True),
        ("shop", False),
    ],
)
def test_database_in_memory(monkeypatch: pytest.MonkeyPatch, name: str, expected: bool) -> None:
    monkeypatch.setitem(connections.settings["default"], "NAME", name)

    assert ahead.is_in_memory("default") is expected


def by_tenant(key: str, prefix: str, version: int) -> str:
    return f"tenant:{prefix}:{version}:{key}"


def test_no_thread_where_names_are_the_sites(
    settings: Any, own_choice: Callable[[], bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its function may ask which tenant this thread's connection serves."""
    monkeypatch.setattr(ahead, "is_in_memory", lambda alias: False)
    assert own_choice()
    cache = {**settings.CACHES["default"], "KEY_FUNCTION": f"{__name__}.by_tenant"}
    with override_settings(CACHES={"default": cache}):
        assert not own_choice()
