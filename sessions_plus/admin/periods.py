"""How far back the overview looks, and in which steps."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from enum import Enum
from functools import cached_property
from itertools import pairwise

from django.utils import formats
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from sessions_plus.models import Span
from sessions_plus.named_types import Words

HOURS = 24
DAYS = 30
MONTHS = 12


def midnight(day: date, zone: tzinfo) -> datetime:
    """Return when a day begins there, also where the clocks change."""
    return datetime(day.year, day.month, day.day, tzinfo=zone)


def months_of(moment: datetime) -> int:
    """Return the number of a month, counted through all years."""
    return moment.year * 12 + moment.month - 1


def first_of(month: int) -> datetime:
    """Return when a month begins in UTC, by its number."""
    return datetime(month // 12, month % 12 + 1, 1, tzinfo=UTC)


class Period(Enum):
    """A chart's width."""

    DAY = "day"
    MONTH = "month"
    YEAR = "year"

    @property
    def label(self) -> Words:
        return LABELS[self]

    @property
    def span(self) -> Span:
        """Which counts it is read from: a year of hours would be two hundred thousand rows."""
        return Span.DAY if self is Period.YEAR else Span.HOUR

    def steps(self, now: datetime, zone: tzinfo) -> list[Step]:
        """Return its steps, the last around ``now``."""
        edges = self.edges(now, zone)
        # Sums by day are of UTC, so months are too.
        shown_in = UTC if self is Period.YEAR else zone
        return [
            Step(self, begin.astimezone(shown_in), end.astimezone(shown_in))
            for begin, end in pairwise(edges)
        ]

    def edges(self, now: datetime, zone: tzinfo) -> list[datetime]:
        """Return where its steps begin, and where the last ends."""
        match self:
            case Period.DAY:
                end = now.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
                return [end + timedelta(hours=n + 1 - HOURS) for n in range(HOURS + 1)]
            case Period.MONTH:
                today = now.astimezone(zone).date()
                days = [today + timedelta(days=n + 1 - DAYS) for n in range(DAYS + 1)]
                return [midnight(day, zone) for day in days]
            case _:
                last = months_of(now.astimezone(UTC)) + 1
                return [first_of(last + n - MONTHS) for n in range(MONTHS + 1)]


LABELS = {
    Period.DAY: gettext_lazy("24 hours"),
    Period.MONTH: gettext_lazy("30 days"),
    Period.YEAR: gettext_lazy("12 months"),
}


@dataclass(frozen=True)
class Step:
    """One bar's width: from ``begin`` to ``end``, in the zone that it is shown in."""

    period: Period
    begin: datetime
    end: datetime

    @cached_property
    def tick(self) -> str:
        """Its name below the chart."""
        match self.period:
            case Period.DAY:
                return formats.time_format(self.begin, "H:i")
            case Period.MONTH:
                # Translators: a day and a month, as short as can be
                return formats.date_format(self.begin, _("j M"))
            case _:
                return formats.date_format(self.begin, "M")

    @cached_property
    def label(self) -> str:
        """Its name in full."""
        match self.period:
            case Period.DAY:
                return in_words(self.begin, self.end)
            case Period.MONTH:
                return formats.date_format(self.begin, "DATE_FORMAT")
            case _:
                return formats.date_format(self.begin, "YEAR_MONTH_FORMAT")

    @cached_property
    def interval(self) -> str:
        """The same for a URL: an ISO 8601 interval."""
        return interval_of(self.begin, self.end)


# Intervals in URLs

ISO = "%Y-%m-%dT%H:%MZ"


def interval_of(begin: datetime, end: datetime) -> str:
    """Return ``2030-01-02T03:00Z/2030-01-02T04:00Z``."""
    return "/".join(moment.astimezone(UTC).strftime(ISO) for moment in (begin, end))


def interval_in(text: str) -> tuple[datetime, datetime] | None:
    """Return what an interval is from and to; None: it is none."""
    begin, _slash, end = text.partition("/")
    try:
        found = [datetime.strptime(part, ISO).replace(tzinfo=UTC) for part in (begin, end)]
    except ValueError:
        return None
    return found[0], found[1]


def in_words(begin: datetime, end: datetime) -> str:
    """Return from when to when: days where it is whole ones, and each day but once."""
    first, last = begin.date(), (end - timedelta(microseconds=1)).date()
    days = [formats.date_format(day, "DATE_FORMAT") for day in (first, last)]
    if begin.time() == end.time() == time.min:
        return days[0] if first == last else " – ".join(days)
    if first == last:
        return f"{days[0]}, {begin:%H:%M}–{end:%H:%M}"
    until = formats.date_format(end, "DATE_FORMAT")
    return f"{days[0]}, {begin:%H:%M} – {until}, {end:%H:%M}"
