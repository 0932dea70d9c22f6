"""
Figures that are true of the whole site, whichever of its processes is asked.

They are read from the hourly counts and other rows, a few of them each time, and never from what
one process happened to see.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property

from sessions_plus.conf import conf
from sessions_plus.maintenance.cleanup import last_cleanup
from sessions_plus.models import Event, HourCount, Kind, Measure, Reason, SigningKey
from sessions_plus.models.hour_count import HourCountQuerySet
from sessions_plus.rows.session_row import database

OTHER = "other"
"""Stands for every reason that is none of ``Reason``, so that nobody can make a series."""

# Rows of more measures than there are, by kind.
MEASURES_AT_MOST = 50


@dataclass(frozen=True, slots=True)
class Sample:
    """One number, and what it is of: ``{"kind": "browser"}``."""

    value: float
    labels: Mapping[str, str] = field(default_factory=dict)


class Reading:
    """One look at the site, ``now``. What several figures are made of is read once."""

    def __init__(self, now: datetime) -> None:
        self.now = now

    @cached_property
    def measures(self) -> list[HourCount]:
        """The measures of the last hour in which any were taken."""
        rows = list(counts().measured()[:MEASURES_AT_MOST])
        return [row for row in rows if row.hour == rows[0].hour]


def counts() -> HourCountQuerySet:
    return HourCount.objects.using(database())


def known_reason(reason: str) -> str:
    """Return a reason of the closed set: one of ``Reason``, ``other`` or nothing."""
    return reason if not reason or reason in Reason.values else OTHER


def total_events(reading: Reading) -> list[Sample]:
    """
    How often each kind of event happened.

    One that never did is told too, so that whoever watches sees its first.
    """
    found: Counter[tuple[str, str, str]] = Counter()
    for event, outcome, reason, count in (
        counts().totals().values_list("event", "outcome", "reason", "count")
    ):
        found[event, outcome, known_reason(reason)] += count
    for event in set(Event.values).difference(event for event, *_ in found):
        found[event, "", ""] = 0
    names = ("event", "outcome", "reason")
    return [
        Sample(count, dict(zip(names, labels, strict=True)))
        for labels, count in sorted(found.items())
    ]


def active_sessions(reading: Reading) -> list[Sample]:
    return [
        Sample(row.count, {"kind": row.reason})
        for row in reading.measures
        if row.event == Measure.ACTIVE_SESSIONS and row.reason in Kind.values
    ]


def second_factors(reading: Reading) -> list[Sample]:
    return [Sample(row.count) for row in reading.measures if row.event == Measure.SECOND_FACTORS]


def counted_at(reading: Reading) -> list[Sample]:
    # UTC, also where the column is naive.
    return moment(reading.measures[0].hour.replace(tzinfo=UTC) if reading.measures else None)


def cleaned_up_at(reading: Reading) -> list[Sample]:
    return moment(last_cleanup())


def signing_key_due_at(reading: Reading) -> list[Sample]:
    """When the key that signs is to be followed. Nothing where there is none, or it never is."""
    if conf.SIGNING_KEYS:
        return []
    key = SigningKey.objects.using(database()).signing(reading.now).first()
    return moment(key.due_at(conf.SIGNING_KEY_ROTATION_INTERVAL) if key is not None else None)


def moment(at: datetime | None) -> list[Sample]:
    """Return a moment as a Unix time; no number where there is none."""
    return [] if at is None else [Sample(at.timestamp())]


@dataclass(frozen=True, slots=True)
class Figure:
    """
    One metric of the whole site. It goes up and down, unless it is a counter, which never falls.
    """

    name: str
    meaning: str
    read: Callable[[Reading], list[Sample]]
    labels: tuple[str, ...] = ()
    is_counter: bool = False


# Four short statements, however large the site is.
FIGURES = (
    Figure(
        "events_total",
        "Events since counting began.",
        total_events,
        ("event", "outcome", "reason"),
        is_counter=True,
    ),
    Figure(
        "sessions_active",
        "Sessions that somebody is signed in to, as of the hour in which it was counted last.",
        active_sessions,
        ("kind",),
    ),
    Figure("users_second_factor", "Users with a second factor, as of that hour.", second_factors),
    Figure("counted_timestamp_seconds", "The hour in which it was counted last.", counted_at),
    Figure("clean_up_timestamp_seconds", "When a clean-up last came to its end.", cleaned_up_at),
    Figure(
        "signing_key_due_timestamp_seconds",
        "When the key that signs access tokens is to be followed by the next.",
        signing_key_due_at,
    ),
)
