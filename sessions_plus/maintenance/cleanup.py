"""
What is removed, and when: the retention of each kind of data.

Nothing here ends a session that could go on: what has expired is over already.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

from django.conf import settings
from django.db import models
from django.db.models import Case, Exists, F, OuterRef, Q, Value, When
from django.db.models.expressions import Combinable
from django.db.models.fields import CharField

from sessions_plus.conf import conf
from sessions_plus.maintenance.batch_delete import (
    WHOLE,
    BatchTask,
    Part,
    Progress,
    Step,
    run_in_batches,
)
from sessions_plus.maintenance.counting import count_events, counted_until
from sessions_plus.models import (
    AdoptedKey,
    AdoptionBar,
    Authenticator,
    Challenge,
    Cursor,
    Device,
    DeviceKey,
    HourCount,
    Notice,
    Reason,
    Session,
    SessionEvent,
    Span,
    Throttle,
    UsedNonce,
)
from sessions_plus.models.hour_count import as_stored
from sessions_plus.models.throttle import FORGETFUL
from sessions_plus.rows.session_row import database
from sessions_plus.signals import cleaned_up

# Counters that strangers can start forget within a day.
COUNTERS_KEPT = timedelta(days=7)

# Three years of them: a chart of one year beside the one before, and some more.
HOUR_COUNTS_KEPT = timedelta(days=3 * 366)

CURSOR = "clean_up"
"""The name under which stands when a clean-up last came to its end."""
# Requests may be under way with an old key as adopting ends; and a setting may be put back.
ADOPTION_REMEMBERED = timedelta(days=1)

REMOVED = (
    *("sessions", "expired_sessions", "device_keys", "events", "devices"),
    *("challenges", "used_nonces", "enrolments", "notices", "counters", "hour_counts"),
    *("adopted_keys", "adoption_bars"),
)
"""What a clean-up tells of, as far as the site lets any of it go."""

# Whoever began to set up an authenticator had a quarter of an hour.
ENROLMENTS_KEPT = timedelta(days=1)

Report = Callable[[str], Progress | None]
"""Asked, before each step, for whom to tell of its progress."""


def cleanup(now: datetime, *, parts: int = 1, report: Report | None = None) -> dict[str, int]:
    """
    Remove what has expired or is past its retention; return how much of each.

    With ``parts``, one block in so many of the large tables is looked through, and the next
    run takes the blocks behind: none reads them whole, and what is over stays for up to so
    many runs. Events are counted by the hour before any goes. Safe beside traffic and beside
    itself; a run that was interrupted is simply begun again.
    """
    done: dict[str, int] = {}
    told = report or (lambda name: None)
    turn = _turn() if parts > 1 else 0
    count_events(now, measuring=parts == 1, progress=told("counting"))
    for task in _tasks(now, counted=counted_until()):
        part = Part(parts, turn % parts) if parts > 1 and task.can_wait else WHOLE
        done |= run_in_batches(task, part=part, progress=told(task.name))
    ended = {"moved_at": now, **({"position": turn + 1} if parts > 1 else {})}
    Cursor.objects.using(database()).update_or_create(name=CURSOR, defaults=ended)
    cleaned_up.send_robust(sender=Cursor, removed=done)
    return done


def _turn() -> int:
    """Return how many runs have looked through a part so far."""
    ends = Cursor.objects.using(database()).filter(name=CURSOR)
    return ends.values_list("position", flat=True).first() or 0


def due(now: datetime) -> dict[str, int]:
    """
    Return how much a clean-up would remove, and change nothing. It reads whole tables.

    Devices that are named only by what would go are not among it, nor keys of such sessions.
    """
    return {
        step.name: _without_former(task, step).count()
        for task in _tasks(now, counted=None)
        for step in task.steps
    }


def _without_former(task: BatchTask, step: Step) -> models.QuerySet[models.Model]:
    """Return the rows of a step that no step before it has."""
    rows = step.rows
    for former in task.steps[: task.steps.index(step)]:
        rows = rows.exclude(pk__in=former.rows.values("pk"))
    return rows


def last_cleanup() -> datetime | None:
    """Return when a clean-up last came to its end; None: none ever did."""
    ends = Cursor.objects.using(database()).filter(name=CURSOR)
    return ends.values_list("moved_at", flat=True).first()


def _tasks(now: datetime, *, counted: int | None) -> Iterator[BatchTask]:
    """Yield what is to be done; of events those up to the last that is counted, if given."""
    yield BatchTask([Step("sessions", _past_use(now)), _ending_expired(now)], can_wait=True)
    # No key is made for a session that is not there, and no session's primary key comes again.
    ownerless = ~Exists(_all(Session).filter(pk=OuterRef("session_id")))
    yield _removing("device_keys", _all(DeviceKey).filter(ownerless), can_wait=True)
    yield from _past_retention(now, counted)
    yield _removing("challenges", _all(Challenge).filter(expires_at__lte=now))
    nonces = _all(UsedNonce).filter(expires_at__lte=now)
    yield _removing("used_nonces", nonces, is_in_order=True)
    begun = _all(Authenticator).filter(confirmed_at=None, created_at__lte=now - ENROLMENTS_KEPT)
    yield _removing("enrolments", begun)
    yield _removing("notices", _all(Notice).filter(expires_at__lte=now))
    counters = _all(Throttle).filter(
        scope__in=FORGETFUL, window_started_at__lte=now - COUNTERS_KEPT
    )
    yield _removing("counters", counters)
    # But for the sums of all time, which may never fall.
    past = (
        _all(HourCount).filter(hour__lte=as_stored(now - HOUR_COUNTS_KEPT)).exclude(span=Span.EVER)
    )
    yield _removing("hour_counts", past)
    if conf.adopts_until is None or conf.adopts_until + ADOPTION_REMEMBERED <= now:
        settled = now - ADOPTION_REMEMBERED
        yield _removing("adopted_keys", _all(AdoptedKey).filter(adopted_at__lte=settled))
        yield _removing("adoption_bars", _all(AdoptionBar).filter(at__lte=settled))


def _removing(
    name: str,
    rows: models.QuerySet[models.Model],
    *,
    is_in_order: bool = False,
    can_wait: bool = False,
) -> BatchTask:
    return BatchTask([Step(name, rows)], is_in_order=is_in_order, can_wait=can_wait)


def _all(model: type[models.Model]) -> models.QuerySet[models.Model]:
    return models.QuerySet(model, using=database())


def _past_use(now: datetime) -> models.QuerySet[models.Model]:
    """
    Return expired sessions of visitors, and those of users that ended too long ago.

    What expired that long ago goes at once: it is not first changed into an ended one.
    """
    gone = Q(user=None, expire_date__lte=now)
    if conf.RETENTION_SESSIONS is not None:
        moment = now - conf.RETENTION_SESSIONS
        gone |= Q(revoked_at__lte=moment) | Q(revoked_at=None, expire_date__lte=moment)
    return _all(Session).filter(gone)


def _ending_expired(now: datetime) -> Step:
    """
    End signed-in sessions that nobody came back to: their data goes, the reason is kept.

    They ended when they expired, and their retention is counted from there.
    """
    idle = conf.IDLE_TIMEOUT or timedelta(seconds=settings.SESSION_COOKIE_AGE)
    by_age = When(expire_date__lt=F("last_activity") + idle, then=Value(Reason.ABSOLUTE.value))
    rows = _all(Session).filter(user__isnull=False, revoked_at=None, expire_date__lte=now)
    return Step(
        "expired_sessions",
        rows,
        changes={
            "revoked_at": F("expire_date"),
            "revoked_reason": Case(
                by_age, default=Value(Reason.IDLE.value), output_field=CharField()
            ),
            "data": b"",
            "sealed_successor": None,
            "version": F("version") + 1,
        },
    )


def _past_retention(now: datetime, counted: int | None) -> Iterator[BatchTask]:
    if conf.RETENTION_EVENTS is not None:
        past = _all(SessionEvent).filter(at__lte=now - conf.RETENTION_EVENTS)
        events = past if counted is None else past.filter(pk__lte=counted)
        yield _removing("events", events, is_in_order=True)
    if conf.RETENTION_DEVICES is not None:
        unseen = _all(Device).filter(last_seen_at__lte=now - conf.RETENTION_DEVICES)
        yield _removing("devices", unseen.exclude(_is_named()), can_wait=True)


def _is_named() -> Combinable:
    """Whether a row that is kept tells of the device: a session, an event or a mail."""
    device, user = OuterRef("pk"), OuterRef("user_id")
    return (
        Exists(_all(Session).filter(device=device))
        | Exists(_all(SessionEvent).filter(user=user, device=device))
        | Exists(_all(Notice).filter(device=device))
    )
