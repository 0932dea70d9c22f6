"""
Counting events by the hour: each once, whoever counts and however often it is interrupted.

The counts and the cursor move in one transaction, and the cursor by one conditional UPDATE, so
that of two who count the same events at once one is taken back.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, NamedTuple

from django.conf import settings
from django.db import models, transaction
from django.db.models import F
from django.utils import timezone

from sessions_plus.maintenance.event_reader import Batch, EventReader
from sessions_plus.models import Authenticator, Cursor, HourCount, Measure, Session, SessionEvent
from sessions_plus.rows.session_row import database

CURSOR = "hour_counts"
ROWS_AT_ONCE = 5_000
COLUMNS = ("pk", "at", "event", "outcome", "reason", "count")

Progress = Callable[[float], None]


class Kind(NamedTuple):
    """What is counted together."""

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


def count_events(now: datetime, *, progress: Progress | None = None) -> Counted:
    """Count what was not counted yet, and measure what is measured once an hour."""
    reader = EventReader(_uncounted())
    total, position = 0, _position()
    first, last = position, _last_key()
    while True:
        batch = reader.read(position, limit=ROWS_AT_ONCE, now=now)
        if batch.position > position and _add(batch, after=position):
            total += sum(event.count for event in batch.events)
        if progress is not None:
            progress(min(1.0, (batch.position - first) / max(1, last - first)))
        if batch.is_held or batch.position == position:
            break
        position = _position()
    measure(now)
    return Counted(total, _position(), batch.is_held)


def _uncounted() -> models.QuerySet[Any]:
    return SessionEvent.objects.using(database()).values_list(*COLUMNS, named=True)


def _position() -> int:
    found = _cursors().filter(name=CURSOR).values_list("position", flat=True).first()
    if found is None:
        _cursors().get_or_create(name=CURSOR)
    return found or 0


def counted_until() -> int:
    """Return the key of the last event that is counted, and with it all before."""
    return _cursors().filter(name=CURSOR).values_list("position", flat=True).first() or 0


def _last_key() -> int:
    keys = SessionEvent.objects.using(database()).order_by("-pk")
    return keys.values_list("pk", flat=True).first() or 0


def _cursors() -> models.QuerySet[Cursor]:
    return Cursor.objects.using(database())


def _add(batch: Batch, *, after: int) -> bool:
    """Add a batch to the counts; False where somebody else has counted it meanwhile."""
    with transaction.atomic(using=database()):
        own = _cursors().filter(name=CURSOR, position=after)
        if not own.update(position=batch.position, moved_at=timezone.now()):
            return False
        # Only whoever moved the cursor comes here, so nobody else adds to a count.
        for kind, count in sorted(tally(batch.events).items()):
            _add_to(kind, count)
    return True


def tally(events: list[Any]) -> Mapping[Kind, int]:
    """Add the events up by hour and kind. Pure."""
    counts: Counter[Kind] = Counter()
    for event in events:
        kind = Kind(hour_of(event.at), event.event, event.outcome, event.reason)
        counts[kind] += event.count
    return MappingProxyType(counts)


def hour_of(moment: datetime) -> datetime:
    """Return when the hour of a moment began, as it is stored: in UTC, naive without USE_TZ."""
    hour = moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    return hour if settings.USE_TZ else hour.replace(tzinfo=None)


def _add_to(kind: Kind, count: int) -> None:
    rows = HourCount.objects.using(database())
    if not rows.filter(**kind._asdict()).update(count=F("count") + count):
        rows.create(**kind._asdict(), count=count)


def measure(now: datetime) -> None:
    """Look once an hour at what is not counted up. It reads the whole table of sessions."""
    hour = hour_of(now)
    rows = HourCount.objects.using(database())
    if rows.filter(event__in=Measure.values, hour=hour).exists():
        return
    for event, count in measured(now).items():
        rows.get_or_create(event=event, hour=hour, outcome="", reason="", defaults={"count": count})


def measured(now: datetime) -> dict[str, int]:
    """Return what there is now of each measure."""
    sessions: models.QuerySet[Any] = models.QuerySet(Session, using=database())
    factors = Authenticator.objects.using(database()).usable()
    return {
        Measure.ACTIVE_SESSIONS: sessions.filter(
            user__isnull=False, revoked_at=None, expire_date__gt=now
        ).count(),
        Measure.SECOND_FACTORS: factors.values("user_id").distinct().count(),
    }
