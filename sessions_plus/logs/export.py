"""
Sending events to another system: each at least once, in order, through crashes on either side.

The cursor moves only after the receiver has the events. Whoever is killed in between sends
them again, so receivers drop what they have by the event's ``id``. There is no queue beside
the table: an event that was erased before it was sent is sent without its person.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass

from django.db import DatabaseError, connections
from django.utils import timezone

from sessions_plus.events import facts_of
from sessions_plus.logs.destinations import Destination, Line, ReaderGone, Undelivered
from sessions_plus.logs.formats import Facts, Record
from sessions_plus.maintenance.batch_delete import Progress
from sessions_plus.maintenance.event_reader import Batch, EventReader, all_events, last_key
from sessions_plus.models import Cursor, SessionEvent
from sessions_plus.rows.session_row import database

ROWS_AT_ONCE = 500
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 1.0, 60.0
POLL_SECONDS = 1.0

Render = Callable[[Facts], Record]
Report = Callable[[str], None]
"""Told what went wrong, where it is tried again."""


class CursorMoved(Exception):
    """Somebody else moves the same cursor."""


@dataclass(frozen=True, slots=True)
class Exported:
    """
    How many events were sent, and the key up to which all are.

    ``is_held``: there are more, behind one that is still being written.
    """

    events: int
    position: int
    is_held: bool = False


class Exporter:
    """One cursor's way through the events."""

    def __init__(
        self,
        name: str,
        *,
        render: Render,
        destination: Destination,
        rows_at_once: int = ROWS_AT_ONCE,
    ) -> None:
        self.name = name
        self.render = render
        self.destination = destination
        self.rows_at_once = rows_at_once
        self.reader = EventReader(all_events())
        self.sent = 0

    def begin_after(self, key: int) -> None:
        """Move the cursor, forward or back."""
        cursors = Cursor.objects.using(database())
        moved = {"position": key, "moved_at": timezone.now()}
        cursors.update_or_create(name=self.name, defaults=moved)

    def run(self, *, stop: threading.Event, progress: Progress = lambda done: None) -> Exported:
        """
        Send what there is; tell after each batch which part is sent.

        Raises:
            Undelivered: the receiver does not take it; nothing was moved.
            CursorMoved: somebody else sends the same.
        """
        first, last = self.position(), last_key()
        while not stop.is_set():
            batch = self._next()
            if batch is None or batch.is_held:
                return Exported(self.sent, self.position(), batch is not None)
            progress((batch.position - first) / max(1, last - first))
        return Exported(self.sent, self.position())

    def follow(self, *, stop: threading.Event, report: Report) -> Exported:
        """
        Send what there is and what comes, until ``stop``. What fails is tried again.

        Raises:
            ReaderGone: it can never be delivered, however often it is tried.
            CursorMoved: somebody else sends the same.
        """
        pause = FIRST_PAUSE_SECONDS
        while not stop.is_set():
            try:
                batch = self._next()
            except ReaderGone:
                raise
            except (Undelivered, DatabaseError) as error:
                report(f"{error} Trying again in {pause:.0f} s.")
                connections.close_all()
                stop.wait(pause)
                pause = min(LONGEST_PAUSE_SECONDS, 2 * pause)
                continue
            pause = FIRST_PAUSE_SECONDS
            if batch is None or batch.is_held:
                stop.wait(POLL_SECONDS)
        return Exported(self.sent, self.position())

    def position(self) -> int:
        """Return the key of the last event that is done, and with it all before."""
        cursor, _ = Cursor.objects.using(database()).get_or_create(name=self.name)
        return cursor.position

    def _next(self) -> Batch | None:
        """Send the next events, and move behind them; None where there are none."""
        position = self.position()
        batch = self.reader.read(position, limit=self.rows_at_once, now=timezone.now())
        if batch.position > position:
            if batch.events:
                self.destination.deliver([self._line(event) for event in batch.events])
            self._move(position, batch.position)
            self.sent += len(batch.events)
            return batch
        return batch if batch.is_held else None

    def _line(self, event: SessionEvent) -> Line:
        facts = {"id": str(event.pk), **facts_of(event)}
        return Line(
            key=event.pk,
            at=facts["at"],
            event=facts["event"],
            is_failure=facts["outcome"] == "failure",
            text=json.dumps(self.render(facts)),
        )

    def _move(self, old: int, new: int) -> None:
        cursors = Cursor.objects.using(database())
        own = cursors.filter(name=self.name, position=old)
        if not own.update(position=new, moved_at=timezone.now()):
            raise CursorMoved
