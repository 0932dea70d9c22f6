"""Metrics: what each process did, with closed attributes, and nothing where they are off."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from importlib import import_module
from math import ceil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import time_machine
from django.conf import settings
from django.contrib.auth.models import User
from django.core.cache import caches
from django.db import connection, connections
from django.utils import timezone

from sessions_plus import metrics
from sessions_plus.cache import copies
from sessions_plus.events import record
from sessions_plus.lifecycle import revoke_all
from sessions_plus.maintenance.cleanup import REMOVED, cleanup
from sessions_plus.maintenance.counting import count_events
from sessions_plus.metrics import ATTRIBUTES, COPIES_PER_MEASURED, own_connection
from sessions_plus.models import (
    Event,
    HourCount,
    Outcome,
    Reason,
    Session,
    SessionEvent,
    SigningKey,
)
from sessions_plus.signals import event_recorded
from sessions_plus.store.measured import MeasuredStore, ServedBy
from sessions_plus.store.session_store import SessionStore
from tests.conftest import World
from tests.support.browsers import Browser
from tests.support.caches import core_redis, local, site_with
from tests.support.measuring import Meters, measured
from tests.support.pauses import PATIENCE_SECONDS, in_thread
from tests.support.services.process import Server

pytestmark = [pytest.mark.urls("tests.support.sites"), pytest.mark.django_db(transaction=True)]

ROOT = Path(__file__).resolve().parents[1]
START = datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest.fixture
def meters(engine: str) -> Iterator[Meters]:
    caches["default"].clear()
    with measured() as meters:
        yield meters


@pytest.fixture
def ann(meters: Meters, world: World, user: User) -> Browser:
    browser = Browser(world)
    browser.get("sign-in", name="ann")
    return browser


def loads(meters: Meters) -> dict[str, int]:
    found = {served: meters.value("session.loads", served_by=served) for served in ServedBy}
    return {str(served): count for served, count in found.items() if count}


class TestLoads:
    @pytest.mark.parametrize("engine", ["sessions_plus.backends.db"])
    def test_of_the_database(self, engine: str, meters: Meters, ann: Browser) -> None:
        """Without a cache each load of a session asks the row."""
        before = loads(meters)

        for _ in range(3):
            ann.text("read")

        assert loads(meters) == {**before, "row": before.get("row", 0) + 3}

    def test_of_nobody(self, meters: Meters, world: World) -> None:
        """A cookie that is none of ours opens nothing; without one nothing is even loaded."""
        visitor = Browser(world)
        visitor.text("read")
        assert loads(meters) == {}

        visitor.key = "x" * 32
        visitor.text("read")

        assert loads(meters) == {"none": 1}

    def test_of_one_that_ended(self, meters: Meters, world: World, ann: Browser) -> None:
        """Whose session is over has none."""
        twin = ann.twin()
        ann.get("sign-out")
        before = loads(meters)

        twin.text("read")

        assert loads(meters) == {**before, "none": before.get("none", 0) + 1}

    @pytest.mark.parametrize(
        ("network_change", "served_by"),
        [
            pytest.param("ignore", "fast_path", id="at one look"),
            pytest.param("record", "copy", id="judged in full"),
        ],
    )
    def test_of_a_copy(self, world: World, user: User, network_change: str, served_by: str) -> None:
        """A copy serves at one look, or is judged in full where there is more to look at."""
        with (
            site_with(local(), SESSIONS_PLUS_NETWORK_CHANGE=network_change),
            measured() as meters,
        ):
            ann = Browser(world)
            ann.get("sign-in", name="ann")
            ann.text("read")
            before = loads(meters)

            for _ in range(COPIES_PER_MEASURED):
                ann.text("read")

            served = before.get(served_by, 0) + COPIES_PER_MEASURED
            timed = meters.count("session.load.duration", served_by=served_by)
            assert loads(meters) == {**before, served_by: served}
            assert timed == (ceil(served / COPIES_PER_MEASURED) if served_by == "copy" else 0)

    def test_how_long(self, meters: Meters, ann: Browser) -> None:
        """What the database was asked for is timed, each of it."""
        before = loads(meters).get("row", 0)
        with time_machine.travel(timezone.now() + timedelta(minutes=5), tick=False):
            ann.text("read")

        assert meters.count("session.load.duration", served_by="row") == before + 1

    def test_from_many_threads(self, meters: Meters, user: User) -> None:
        """No load is lost among threads."""
        engine = import_module(settings.SESSION_ENGINE).SessionStore

        def load() -> None:
            for _ in range(2_000):
                engine().load()

        running = [in_thread(load) for _ in range(8)]
        for each in running:
            each.result(PATIENCE_SECONDS)

        assert loads(meters) == {"none": 16_000}


class TestKeys:
    def test_rotations_and_replays(self, meters: Meters, world: World, user: User) -> None:
        """A key that is replaced in use counts, and each that comes late and is told the newest."""
        with time_machine.travel(START, tick=False) as clock:
            ann = Browser(world)
            ann.get("sign-in", name="ann")
            clock.shift(timedelta(hours=25))
            tabs = [ann.twin() for _ in range(3)]
            ann.text("who")
            for tab in tabs:
                tab.text("who")
        copies.reset()

        assert meters.value("rotations") == 1
        assert meters.value("grace_replays") == 3

    def test_conflicts(self, meters: Meters, ann: Browser, world: World) -> None:
        """A save counts that met a row which somebody else had written to, and no other."""
        engine = import_module(settings.SESSION_ENGINE).SessionStore
        mine, theirs = engine(ann.key), engine(ann.key)
        assert meters.value("save.conflicts") == 0

        world(mine, "get", "color")
        world(theirs, "get", "color")
        theirs["color"], mine["size"] = "red", "large"
        world(theirs, "save")
        world(mine, "save")

        assert meters.value("save.conflicts") == 1
        assert engine(ann.key).load()["color"] == "red"


class TestEvents:
    def test_each_counts(self, meters: Meters, ann: Browser) -> None:
        """What is recorded is counted by what, whether and, where that is a set, why."""
        ann.get("sign-out")
        record(Event.SESSION_REVOKED, reason=Reason.LIMIT)
        record(Event.SIGN_IN_FAILED, outcome=Outcome.FAILURE)

        def count(event: str, outcome: str = "success", **reason: str) -> Any:
            return meters.value("events", event=event, outcome=outcome, **reason)

        assert count("session.started", reason="other") == 1
        assert count("session.signed_out") == 1
        assert count("session.revoked", reason="session_limit") == 1
        assert count("sign_in.failed", "failure") == 1

    @pytest.mark.parametrize("engine", ["sessions_plus.backends.db"])
    def test_clean_up(self, engine: str, meters: Meters) -> None:
        """A clean-up tells how much of each went."""
        now = timezone.now()
        cleanup(now)

        assert {given["model"] for _, given, _ in meters.points("cleanup.removed")} == set(REMOVED)


def test_how_long_a_revocation_takes(meters: Meters, ann: Browser, user: User) -> None:
    """Each session that is ended is timed, and whether the cache was told."""
    ann.twin().get("sign-in", name="ann")
    live = Session.objects.active().count()

    revoke_all(user)
    revoke_all(user)

    assert meters.count("revocation.duration", reached=True) == live > 0
    assert meters.count("revocation.duration", reached=False) == 0


@pytest.mark.services
@pytest.mark.parametrize("engine", ["sessions_plus.backends.cached_db"])
def test_a_cache_that_is_away(
    engine: str, start_server: Callable[[str], Server], user: User
) -> None:
    """The breaker, its errors and what is pending are seen until the cache is told."""
    server = start_server("redis")
    with site_with(core_redis(server.url)), measured() as meters:
        ann = Browser(World("sync"))
        ann.get("sign-in", name="ann")
        ann.text("who")
        assert meters.value("cache.breaker.open", alias="default") == 0

        server.kill()
        ann.text("who")
        revoke_all(user)

        assert meters.count("revocation.duration", reached=False) == 1
        assert meters.value("cache.breaker.open", alias="default") == 1
        assert meters.value("cache.errors", alias="default", operation="read") == 1
        assert meters.value("revocation.pending", alias="default") == 1


class TestOfTheSite:
    """Gauges that every process tells alike, as they are read from the database."""

    @pytest.fixture(autouse=True)
    def _one_engine(self, settings: Any) -> None:
        settings.SESSION_ENGINE = "sessions_plus.backends.db"

    def test_who_is_signed_in(self, user: User) -> None:
        """As it was looked at in the last hour."""
        with measured() as meters:
            assert meters.points("sessions.active") == []
            Browser(World("sync")).get("sign-in", name="ann")
            count_events(timezone.now())

            assert meters.value("sessions.active", kind="browser") == 1
            assert meters.value("sessions.active", kind="api") == 0
            assert meters.value("users.second_factor") == 0

    def test_clean_up_and_key(self, now: datetime) -> None:
        """How old the last clean-up is, and how long until the next key is due."""
        SigningKey.objects.create(
            number=1, kid="k", algorithm="ES256", public_jwk={}, not_before=timezone.now()
        )
        with measured() as meters:
            assert meters.points("cleanup.age") == []
            cleanup(timezone.now() - timedelta(hours=1))

            assert 3600 <= meters.value("cleanup.age") < 7200
            assert 0 < meters.value("signing_key.remaining") <= 90 * 86400

    def test_a_thread_of_an_exporter_keeps_no_connection(self, user: User) -> None:
        """What a thread opened to read them is closed; what was open stays."""
        count_events(timezone.now())
        seen: list[Any] = []

        def export() -> None:
            with measured() as meters:
                meters.points("sessions.active")
            seen.append(connections["default"].connection)

        threading.Thread(target=export).run()
        assert seen[0] is not None
        if connection.vendor != "sqlite":  # in memory there is one for all threads
            in_thread(export).result(PATIENCE_SECONDS)
            assert seen[1] is None

    def test_a_failure_closes_it_too(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Also where reading failed."""
        closed: list[bool] = []
        unused = SimpleNamespace(connection=None, close=lambda: closed.append(True))
        monkeypatch.setattr(metrics, "connections", {"default": unused})

        with pytest.raises(ZeroDivisionError), own_connection():
            raise ZeroDivisionError

        assert closed == [True]


def attempt(number: int) -> SessionEvent:
    """A sign-in that failed, from a browser and an address that were never seen before."""
    return SessionEvent(
        event=Event.SIGN_IN_FAILED,
        outcome=Outcome.FAILURE,
        ip_address=f"2001:db8::{number:x}",
        user_agent=f"Agent{number}/{number}.0 (X{number})",
        request_id=f"request-{number}",
    )


@pytest.mark.usefixtures("_nobody_else_writes")
@pytest.mark.parametrize("engine", ["sessions_plus.backends.db"])
def test_ten_thousand_browsers_make_no_series(engine: str, meters: Meters) -> None:
    """However many browsers and addresses there are, the series and the counts stay as few."""
    at = timezone.now()
    record(Event.SIGN_IN_FAILED, outcome=Outcome.FAILURE)
    count_events(at)
    series, counts = len(meters.points()), HourCount.objects.count()

    for event in SessionEvent.objects.bulk_create(attempt(number) for number in range(9_999)):
        event_recorded.send_robust(sender=SessionEvent, event=event)
    count_events(at)

    assert meters.value("events", event="sign_in.failed", outcome="failure") == 10_000
    assert HourCount.objects.totals().get(event="sign_in.failed").count == 10_000
    assert len(meters.points()) == series
    assert HourCount.objects.count() <= counts + 2  # midnight may be between


def test_attributes_are_closed(meters: Meters, ann: Browser, user: User) -> None:
    """Whatever happens, every attribute is its instrument's, and one of a set that the code has."""
    instruments = [*metrics.COUNTERS, *metrics.HISTOGRAMS, metrics.LOADS, *metrics.GAUGES]
    known = {one.full_name: one.attributes for one in instruments}
    for event in Event:
        for reason in ("", Reason.LIMIT, "pwd otp", 'of a client"\n', "x" * 200):
            record(event, user=user, reason=reason, outcome=Outcome.FAILURE)
    ann.text("read")
    copies.tier().breaker.trip()
    cleanup(timezone.now())

    for name, attributes, _ in meters.points():
        for key, value in attributes.items():
            assert key in known[name]
            assert value in ATTRIBUTES[key](), (name, key, value)
    copies.reset()


OFF = """
import sys
import django
django.setup()
from importlib import import_module
from django.conf import settings
from sessions_plus.store.measured import MeasuredStore
from django.core.wsgi import get_wsgi_application
get_wsgi_application()
engine = import_module(settings.SESSION_ENGINE).SessionStore
print(any(name.startswith(("opentelemetry", "sessions_plus.metrics")) for name in sys.modules))
print(issubclass(engine, MeasuredStore))
"""


@pytest.mark.parametrize("is_on", [False, True])
def test_off_is_off(is_on: bool, tmp_path: Path) -> None:
    """Without metrics nothing of them is imported, and the engine is its own class."""
    (tmp_path / "site_settings.py").write_text(
        f"from tests.settings import *\nSESSIONS_PLUS_METRICS = {is_on}\n"
    )
    path = os.pathsep.join([str(tmp_path), str(ROOT)])
    environment = {**os.environ, "PYTHONPATH": path, "DJANGO_SETTINGS_MODULE": "site_settings"}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", OFF],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout.split() == [str(is_on)] * 2


def calls(act: Callable[[], object]) -> list[str]:
    """The functions that are called, ours and others'."""
    found: list[str] = []

    def note(frame: Any, event: str, argument: Any) -> None:
        if event == "call":
            found.append(f"{Path(frame.f_code.co_filename).name}:{frame.f_code.co_name}")

    sys.setprofile(note)
    try:
        act()
    finally:
        sys.setprofile(None)
    return found


def test_a_read_without_metrics_pays_nothing(user: User) -> None:
    """On the fast path no function is called that is for metrics; with them, a handful more."""
    with site_with(local()):
        ann = Browser(World("sync"))
        ann.get("sign-in", name="ann")
        ann.text("who")
        plain: type[SessionStore] = import_module(settings.SESSION_ENGINE).SessionStore
        with measured():
            observed: type[SessionStore] = import_module(settings.SESSION_ENGINE).SessionStore
            with_metrics = calls(observed(ann.key).load)
        without = calls(plain(ann.key).load)

    assert not issubclass(plain, MeasuredStore)
    assert not [name for name in without if name.startswith(("metrics.py", "measured.py"))]
    added = list(with_metrics)
    for name in without:
        added.remove(name)
    assert {name.split(":")[0] for name in added} == {"metrics.py", "measured.py"}
    assert len(added) <= 6


FORKED = """
import os, sys
import django
django.setup()
from opentelemetry.metrics import set_meter_provider
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from importlib import import_module
from django.conf import settings

store = import_module(settings.SESSION_ENGINE).SessionStore  # before the fork, as with preload
for number in range(2):
    if os.fork() == 0:
        reader = InMemoryMetricReader()
        set_meter_provider(MeterProvider([reader]))
        for _ in range(3 + number):
            store("x" * 40).load()
        found = {
            metric.name: [(dict(p.attributes), p.value) for p in metric.data.data_points]
            for metric in reader.get_metrics_data().resource_metrics[0].scope_metrics[0].metrics
            if metric.name == "sessions_plus.session.loads"
        }
        served = found["sessions_plus.session.loads"]
        print(number, [count for given, count in served if given["served_by"] == "none"][0])
        sys.stdout.flush()
        os._exit(0)
    os.wait()
"""


def test_processes_that_fork(tmp_path: Path) -> None:
    """An SDK that is set up in each worker after a fork reads what that worker did."""
    (tmp_path / "site_settings.py").write_text(
        "from tests.settings import *\nSESSIONS_PLUS_METRICS = True\n"
    )
    path = os.pathsep.join([str(tmp_path), str(ROOT)])
    environment = {**os.environ, "PYTHONPATH": path, "DJANGO_SETTINGS_MODULE": "site_settings"}
    done = subprocess.run(
        [sys.executable, "-c", FORKED], env=environment, capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["0", "3", "1", "4"]
