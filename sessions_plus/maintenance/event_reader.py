"""
Reading the events in the order of their keys, once each, while others are written.

A key is given out before its transaction ends, so keys become visible out of order: a reader
that went on behind the highest key it saw would never see what is committed below it later.
So a missing key stops the reader until it is decided: the row is there, or it never will be.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

from django.db import connections, models

from sessions_plus.models import SessionEvent
from sessions_plus.rows.session_row import database

Rows = models.QuerySet[SessionEvent, Any]  # rows, or named values of them

DECIDED_AFTER = timedelta(minutes=10)
"""Where the database cannot tell who is still writing: how long a missing key is waited for."""

PATIENCE_SECONDS = 2.0
"""How long a reader waits at once for writers that began before it; mostly milliseconds."""

PAUSE_SECONDS = 0.005


class ReadEvent(Protocol):
    """What a reader has to know of an event: a row, or named values."""

    @property
    def pk(self) -> int: ...

    @property
    def at(self) -> datetime: ...


@dataclass(frozen=True, slots=True)
class Batch:
    """
    Events in the order of their keys.

    ``position`` is the key up to which all is read; ``is_held`` says that there are more,
    behind a missing key that is not decided yet.
    """

    events: list[Any]  # rows, or named values, of what the reader was asked for
    position: int
    is_held: bool = False


class Gaps(Protocol):
    """How a database is asked whether a missing key is decided."""

    def decided_until(self, run: int, events: Sequence[ReadEvent], now: datetime) -> int:
        """
        Return the key up to which nothing can appear any more.

        ``run`` or higher, up to which no key is missing among the events; at most the last.
        """


class EventReader:
    """
    Reads behind a key, however often.

    ``rows`` says what of the events is wanted: a queryset of ``SessionEvent``, or named
    values with ``pk`` and ``at`` among them. To be used outside of a transaction, each of
    whose statements could see the same moment.
    """

    def __init__(self, rows: Rows) -> None:
        self.rows = rows.order_by("pk")
        self.gaps = gaps_of(rows.db)

    def read(self, after: int, *, limit: int, now: datetime) -> Batch:
        """Return the next events, about ``limit`` at most."""
        events = list(self.rows.filter(pk__gt=after)[:limit])
        if not has_gap(after, events):
            return Batch(events, events[-1].pk if events else after)
        last = events[-1].pk
        until = self.gaps.decided_until(end_of_run(after, events), events, now)
        # Once more: what was missing may have come while that was found out.
        events = list(self.rows.filter(pk__gt=after, pk__lte=until))
        return Batch(events, until, is_held=until < last)


def end_of_run(after: int, events: Sequence[ReadEvent]) -> int:
    """Return the last of the keys that follow on ``after`` without a gap; else ``after``."""
    for event in events:
        if event.pk != after + 1:
            break
        after = event.pk
    return after


def has_gap(after: int, events: Sequence[ReadEvent]) -> bool:
    """Say whether a key is missing between ``after`` and the last of the events."""
    return bool(events) and events[-1].pk - after != len(events)


def gaps_of(alias: str) -> Gaps:
    match connections[alias].vendor:
        case "postgresql":
            return WritersGaps(alias)
        case "sqlite":
            return NoGaps()
        case _:
            return AgedGaps()


class NoGaps:
    """SQLite has one writer at a time: what is missing below a key was taken back or removed."""

    def decided_until(self, run: int, events: Sequence[ReadEvent], now: datetime) -> int:
        last: int = events[-1].pk
        return last


class AgedGaps:
    """Waits until the event behind the missing key is old: no transaction takes as long."""

    def decided_until(self, run: int, events: Sequence[ReadEvent], now: datetime) -> int:
        for event in events:
            if event.pk > run + 1 and now - event.at < DECIDED_AFTER:
                break
            run = max(run, event.pk)
        return run


class WritersGaps:
    """
    Waits until everybody has ended who was writing events when the key was missed.

    Whoever inserts holds a lock of the table's from before the key is given out to the
    transaction's end, so a key that is missing is that of somebody who holds one, or is
    decided. To look at the locks takes none. (A snapshot's ``xmin`` would not do: a
    transaction gets its number only after the key.)
    """

    def __init__(self, alias: str) -> None:
        self.alias = alias
        self.awaited: set[str] | None = None
        self.reach = 0

    def decided_until(self, run: int, events: Sequence[ReadEvent], now: datetime) -> int:
        last: int = events[-1].pk
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            self._look(run, last)
            if not self.awaited:
                self.awaited = None
                return min(self.reach, last)
            if time.monotonic() > deadline:
                # Who is waited for is remembered: others that come meanwhile change nothing.
                return run
            time.sleep(PAUSE_SECONDS)

    def _look(self, run: int, last: int) -> None:
        writers = self._writers()
        if self.awaited is None or self.reach <= run:
            self.awaited, self.reach = writers, last
        else:
            self.awaited &= writers

    def _writers(self) -> set[str]:
        """Return the transactions that hold a lock to write events, but for this one."""
        connection = connections[self.alias]
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT virtualtransaction FROM pg_locks "
                "WHERE locktype = 'relation' AND mode = 'RowExclusiveLock' AND granted "
                "AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) "
                "AND relation = %s::regclass AND pid <> pg_backend_pid()",
                [connection.ops.quote_name(SessionEvent._meta.db_table)],
            )
            return {str(name) for (name,) in cursor.fetchall()}


def all_events() -> Rows:
    """Every event with its device, from where they are written."""
    return SessionEvent.objects.using(database()).select_related("device")


def last_key() -> int:
    """Return the key of the newest event; 0: there is none."""
    keys = SessionEvent.objects.using(database()).order_by("-pk")
    return keys.values_list("pk", flat=True).first() or 0
