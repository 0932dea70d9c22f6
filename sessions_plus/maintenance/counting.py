"""
Counting events by the hour: each once, whoever counts and however often it is interrupted.

The counts and the cursor move in one transaction, and the cursor by one conditional UPDATE, so
that of two who count the same events at once one is taken back.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any, NamedTuple

from django.db import models, transaction
from django.db.models import Count, F
from django.utils import timezone

from sessions_plus.maintenance.event_reader import Batch, EventReader, Rows, last_key
from sessions_plus.models import (
    Authenticator,
    Cursor,
    HourCount,
    Kind,
    Measure,
    Session,
    SessionEvent,
    Span,
)
from sessions_plus.rows.session_row import database
from sessions_plus.signals import counting_events

CURSOR = "hour_counts"
ROWS_AT_ONCE = 5_000
COLUMNS = ("pk", "at", "event", "outcome", "reason", "count")

Progress = Callable[[float], None]


class Tallied(NamedTuple):
    """What is counted together."""

    span: str
    hour: datetime
    event: str
    outcome: str
    reason: str


@dataclass(frozen=True, slots=True)
class Counted:
    """
    How many events were counted, and the key up to which all are.

    ``is_held``: there are more, behind one that is still being written.
    """

    events: int
    position: int
    is_held: bool = False


def count_events(
    now: datetime, *, measuring: bool = True, progress: Progress | None = None
) -> Counted:
    """Count what was not counted yet; and, if so asked, measure what is measured once an hour."""
    counting_events.send_robust(sender=HourCount, now=now)
    reader = EventReader(_uncounted())
    total, position = 0, _position()
    first, last = position, last_key()
    while True:
        batch = reader.read(position, limit=ROWS_AT_ONCE, now=now)
        if batch.position > position and _add(batch, after=position):
            total += sum(event.count for event in batch.events)
        if progress is not None:
            progress(min(1.0, (batch.position - first) / max(1, last - first)))
        if batch.is_held or batch.position == position:
            break
        position = _position()
    if measuring:
        measure(now)
    return Counted(total, _position(), batch.is_held)


def _uncounted() -> Rows:
    return SessionEvent.objects.using(database()).values_list(*COLUMNS, named=True)


def _position() -> int:
    found = _cursors().filter(name=CURSOR).values_list("position", flat=True).first()
    if found is None:
        _cursors().get_or_create(name=CURSOR)
    return found or 0


def counted_until() -> int:
    """Return the key of the last event that is counted, and with it all before."""
    return _cursors().filter(name=CURSOR).values_list("position", flat=True).first() or 0


def _cursors() -> models.QuerySet[Cursor]:
    return Cursor.objects.using(database())


def _add(batch: Batch, *, after: int) -> bool:
    """Add a batch to the counts; False where somebody else has counted it meanwhile."""
    with transaction.atomic(using=database()):
        own = _cursors().filter(name=CURSOR, position=after)
        if not own.update(position=batch.position, moved_at=timezone.now()):
            return False
        # Only whoever moved the cursor comes here, so nobody else adds to a count.
        for tallied, count in sorted(tally(batch.events).items()):
            _add_to(tallied, count)
    return True


def tally(events: Iterable[Any]) -> Mapping[Tallied, int]:  # named values of COLUMNS
    """Add the events up by span and kind. Pure."""
    counts: Counter[Tallied] = Counter()
    for event in events:
        for span in Span:
            began = span.begin(event.at)
            counts[Tallied(span, began, event.event, event.outcome, event.reason)] += event.count
    return MappingProxyType(counts)


def _add_to(tallied: Tallied, count: int) -> None:
    rows = HourCount.objects.using(database())
    if not rows.filter(**tallied._asdict()).update(count=F("count") + count):
        rows.create(**tallied._asdict(), count=count)


def measure(now: datetime) -> None:
    """Look once an hour at what is not counted up. It reads the whole table of sessions."""
    hour = Span.HOUR.begin(now)
    rows = HourCount.objects.using(database())
    if rows.measured().filter(hour=hour).exists():
        return
    for (event, kind), count in measured(now).items():
        facts = {"event": event, "outcome": "", "reason": kind}
        for span in (Span.HOUR, Span.DAY):
            row, is_new = rows.get_or_create(
                span=span, hour=span.begin(now), **facts, defaults={"count": count}
            )
            if not is_new:
                # Of a day its highest. Somebody else may measure, too: whoever has more wins.
                rows.filter(pk=row.pk, count__lt=count).update(count=count)


def measured(now: datetime) -> dict[tuple[Measure, str], int]:
    """Return what there is now of each measure, and where it is told apart of each kind."""
    sessions: models.QuerySet[models.Model] = models.QuerySet(Session, using=database())
    live = sessions.filter(user__isnull=False, revoked_at=None, expire_date__gt=now)
    by_kind = dict(live.order_by().values_list("kind").annotate(Count("pk")))
    factors = Authenticator.objects.using(database()).usable()
    return {
        **{(Measure.ACTIVE_SESSIONS, kind.value): by_kind.get(kind.value, 0) for kind in Kind},
        (Measure.SECOND_FACTORS, ""): factors.values("user_id").distinct().count(),
    }
