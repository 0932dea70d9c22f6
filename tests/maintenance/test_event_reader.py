"""Reading events while others are written: each once, in order, none left behind."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection, connections, transaction
from django.utils import timezone

from sessions_plus.events import record
from sessions_plus.maintenance import event_reader
from sessions_plus.maintenance.event_reader import (
    DECIDED_AFTER,
    AgedGaps,
    EventReader,
    NoGaps,
    all_events,
    end_of_run,
    gaps_of,
    has_gap,
)
from sessions_plus.models import Event, SessionEvent
from tests.support.pauses import PATIENCE_SECONDS, in_thread

pytestmark = pytest.mark.django_db(transaction=True)

LONG = DECIDED_AFTER + timedelta(seconds=1)


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A writer who waits for us is not waited for."""
    monkeypatch.setattr(event_reader, "PATIENCE_SECONDS", 0.05)


@pytest.fixture
def several_writers() -> None:
    if connection.vendor == "sqlite":
        pytest.skip("SQLite has one writer at a time")


@pytest.fixture
def start() -> int:
    """The key of an event that everybody has read."""
    return record(Event.SESSION_STARTED).pk


@contextmanager
def writing(*, commits: bool = True) -> Iterator[int]:
    """Do the inner block while another transaction has written an event and is not over."""
    written, go_on = threading.Event(), threading.Event()
    keys: list[int] = []

    def write() -> None:
        with transaction.atomic():
            keys.append(record(Event.SESSION_STARTED).pk)
            written.set()
            assert go_on.wait(PATIENCE_SECONDS)
            transaction.set_rollback(not commits)

    running = in_thread(write)
    assert written.wait(PATIENCE_SECONDS)
    yield keys[0]
    go_on.set()
    running.result(PATIENCE_SECONDS)


def keys_of(batch: Any) -> list[int]:
    return [event.pk for event in batch.events]


def read(reader: EventReader, after: int, *, later: timedelta = timedelta()) -> Any:
    return reader.read(after, limit=100, now=timezone.now() + later)


def test_all_is_read_in_order(start: int) -> None:
    """What was committed is read, the oldest first, and then nothing."""
    keys = [record(Event.SESSION_STARTED).pk for _ in range(5)]
    reader = EventReader(all_events())

    batch = read(reader, start)

    assert (keys_of(batch), batch.position, batch.is_held) == (keys, keys[-1], False)
    assert keys_of(read(reader, keys[-1])) == []


def test_a_batch_is_no_larger_than_asked_for(start: int) -> None:
    """The rest is read with the next."""
    keys = [record(Event.SESSION_STARTED).pk for _ in range(5)]
    reader = EventReader(all_events())

    first = reader.read(start, limit=2, now=timezone.now())
    second = reader.read(first.position, limit=9, now=timezone.now())

    assert keys_of(first) + keys_of(second) == keys


@pytest.mark.usefixtures("several_writers")
def test_who_commits_late_is_waited_for(start: int) -> None:
    """An event whose transaction goes on holds back those with higher keys."""
    reader = EventReader(all_events())
    before = record(Event.SESSION_STARTED).pk

    with writing() as late:
        behind = record(Event.SESSION_STARTED).pk
        held = read(reader, start)

    assert late < behind
    assert (keys_of(held), held.position, held.is_held) == ([before], before, True)
    assert keys_of(read(reader, before)) == [late, behind]


@pytest.mark.usefixtures("several_writers")
def test_who_commits_at_once_is_waited_for_at_once(
    start: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the database tells who writes, a transaction of milliseconds delays nobody longer."""
    if connection.vendor != "postgresql":
        pytest.skip("the database does not tell")
    monkeypatch.setattr(event_reader, "PATIENCE_SECONDS", PATIENCE_SECONDS)

    with writing() as late:
        behind = record(Event.SESSION_STARTED).pk
        reading = in_thread(lambda: read(EventReader(all_events()), start))

    assert keys_of(reading.result(PATIENCE_SECONDS)) == [late, behind]


def test_what_was_taken_back_holds_nobody(start: int) -> None:
    """A key that never comes is passed by: at once, or where nobody can tell, when it is old."""
    with transaction.atomic():
        record(Event.SESSION_STARTED)
        transaction.set_rollback(True)
    behind = record(Event.SESSION_STARTED).pk
    reader = EventReader(all_events())
    tells = connection.vendor in ("postgresql", "sqlite")

    soon, late = read(reader, start), read(reader, start, later=LONG)

    assert keys_of(soon) == ([behind] if tells else [])
    assert soon.is_held is not tells
    assert keys_of(late) == [behind]


@pytest.mark.usefixtures("several_writers")
def test_others_who_come_later_are_not_waited_for(start: int) -> None:
    """A long transaction that began after a key was missed does not hold it back."""
    if connection.vendor != "postgresql":
        pytest.skip("the database does not tell who writes")
    reader = EventReader(all_events())

    with writing() as long_after:
        pass
    assert keys_of(read(reader, start)) == [long_after]
    with writing(commits=False):
        behind = record(Event.SESSION_STARTED).pk
        assert keys_of(read(reader, long_after)) == []
        with writing() as other:
            running = other
            still = read(reader, long_after)
    assert (keys_of(still), still.is_held) == ([], True)
    with writing():
        found = read(reader, long_after)

    assert (keys_of(found), found.is_held) == ([behind], True)
    assert keys_of(read(reader, behind))[0] == running


def test_reading_locks_nothing(start: int) -> None:
    """A writer goes on while its events are read."""
    if connection.vendor == "sqlite":
        pytest.skip("SQLite has one writer at a time")
    with writing():
        record(Event.SESSION_STARTED)
        read(EventReader(all_events()), start)
        record(Event.SESSION_STARTED)

    assert SessionEvent.objects.count() == 4


def test_removed_events_are_no_gap(start: int) -> None:
    """What the clean-up removed from the beginning is not waited for."""
    old = timezone.now() - timedelta(days=100)
    SessionEvent.objects.bulk_create(
        SessionEvent(at=old, event=Event.SESSION_STARTED) for _ in range(5)
    )
    last = SessionEvent.objects.latest("pk").pk
    SessionEvent.objects.filter(pk__lt=last).delete()

    assert keys_of(read(EventReader(all_events()), 0)) == [last]


def test_many_writers_lose_nothing(start: int) -> None:
    """Writers who commit and roll back in any order, and a reader all the while: each key once."""
    threads, rounds = 8, 12
    committed: set[int] = set()
    lock = threading.Lock()

    def write(seed: int) -> None:
        dice = random.Random(seed)
        try:
            for _ in range(rounds):
                with transaction.atomic():
                    keys = [record(Event.SESSION_STARTED).pk for _ in range(dice.choice((1, 3)))]
                    keeps = dice.random() > 0.25
                    transaction.set_rollback(not keeps)
                if keeps:
                    with lock:
                        committed.update(keys)
        finally:
            connections.close_all()

    writers = [threading.Thread(target=write, args=(seed,)) for seed in range(threads)]
    reader, found, position = EventReader(all_events()), [], start
    for writer in writers:
        writer.start()
    while any(writer.is_alive() for writer in writers):
        batch = reader.read(position, limit=7, now=timezone.now())
        found += keys_of(batch)
        position = batch.position
    for writer in writers:
        writer.join()
    while (batch := reader.read(position, limit=7, now=timezone.now() + LONG)).events:
        found += keys_of(batch)
        position = batch.position

    assert found == sorted(committed)


class Written:
    """An event as far as a reader of gaps looks at it."""

    def __init__(self, pk: int, at: datetime) -> None:
        self.pk, self.at = pk, at


def written(now: datetime, **ages: int) -> list[Any]:
    return [Written(int(key[1:]), now - timedelta(minutes=age)) for key, age in ages.items()]


@pytest.mark.parametrize(
    ("ages", "until"),
    [
        pytest.param({"k6": 0, "k7": 0}, 7, id="no gap"),
        pytest.param({"k6": 0, "k8": 0}, 6, id="a young one"),
        pytest.param({"k6": 11, "k8": 10}, 8, id="exactly ten minutes old"),
        pytest.param({"k7": 11, "k9": 9}, 7, id="an old one, then a young one"),
        pytest.param({"k9": 9}, 5, id="a young one at once"),
    ],
)
def test_age_decides(now: datetime, ages: dict[str, int], until: int) -> None:
    """A missing key is given up ten minutes after the event behind it."""
    events = written(now, **ages)

    assert AgedGaps().decided_until(end_of_run(5, events), events, now) == until


def test_gaps(now: datetime) -> None:
    """A gap is a key that is missing between others, or before the first."""
    assert not has_gap(5, [])
    assert not has_gap(5, written(now, k6=0, k7=0))
    assert has_gap(5, written(now, k7=0))
    assert end_of_run(5, written(now, k6=0, k7=0, k9=0)) == 7


def test_each_database_has_its_way() -> None:
    """SQLite has no gaps that could be filled; any other is asked for writers, or for age."""
    kind = type(gaps_of("default")).__name__

    assert kind == {"postgresql": "WritersGaps", "sqlite": "NoGaps"}.get(
        connection.vendor, "AgedGaps"
    )
    assert NoGaps().decided_until(5, written(timezone.now(), k9=0), timezone.now()) == 9
