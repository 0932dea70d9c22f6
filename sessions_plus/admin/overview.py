"""
The overview: how many sign in, fail to, and leave, as charts.

The invariant: it reads the hourly counts and no other table, by one statement, however many
sessions and events there are.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_safe

from sessions_plus.admin.charts import Cell, Chart, Series, as_text
from sessions_plus.admin.periods import Period, Step, interval_of
from sessions_plus.admin.topics import ENDS, FACTORS, FAILURES, NEW_DEVICES, SIGN_INS, TOPICS, Topic
from sessions_plus.admin.words import reason_in_words
from sessions_plus.models import HourCount, Kind, Measure, Overview, Span
from sessions_plus.named_types import Words
from sessions_plus.rows.session_row import database

if TYPE_CHECKING:  # generic for the type checker only
    OverviewBase = admin.ModelAdmin[Overview]
else:
    OverviewBase = admin.ModelAdmin

PERMISSION = "sessions_plus.view_sessionevent"
SHOWN_MEASURES = (Measure.ACTIVE_SESSIONS,)

# It is measured once an hour: the hour before this may be as new as can be.
STALE_AFTER = {Span.HOUR: timedelta(hours=3), Span.DAY: timedelta(hours=27)}

NOTHING = "–"
"""What stands for a part of nothing."""


Tally = dict[tuple[str, str], list[int]]
"""Of each event (or measure) and reason, a number for each step."""


class Counts:
    """What was counted in some steps, by topic."""

    def __init__(self, period: Period, steps: Sequence[Step]) -> None:
        self.steps = steps
        edges = [*(step.begin for step in steps), steps[-1].end]
        events = {event for topic in TOPICS for event in topic.events}
        self.events: Tally = {}
        self.measures: Tally = {}
        self.latest: datetime | None = None
        rows = HourCount.objects.using(database())
        for row in rows.within(edges, {*events, *SHOWN_MEASURES}, span=period.span):
            self._take(**row)

    def _take(
        self, event: str, reason: str, bucket: int, total: int, highest: int, latest: datetime
    ) -> None:
        is_measure = event in SHOWN_MEASURES
        found = self.measures if is_measure else self.events
        found.setdefault((event, reason), self._noughts())[bucket] = (
            highest if is_measure else total
        )
        if is_measure:
            self.latest = max(self.latest or latest, latest)

    def _noughts(self) -> list[int]:
        return [0] * len(self.steps)

    def of(self, topic: Topic) -> list[int]:
        """Return how often it happened in each step."""
        return self._sum(counts for kind, counts in self.events.items() if topic.holds(*kind))

    def _sum(self, columns: Iterable[list[int]]) -> list[int]:
        return [sum(column) for column in zip(self._noughts(), *columns, strict=True)]

    def of_reasons(self, topics: Sequence[Topic]) -> list[tuple[str, str, int]]:
        """Return event, reason and how often in all, the most frequent first."""
        found = [
            (*kind, sum(counts))
            for kind, counts in self.events.items()
            if any(topic.holds(*kind) for topic in topics)
        ]
        return sorted(found, key=lambda one: -one[2])

    def highest(self, measure: Measure, kind: str) -> list[int]:
        """Return the highest of a measure in each step."""
        return self.measures.get((measure, kind), self._noughts())

    @property
    def counted_at(self) -> datetime | None:
        """The hour, or the day of UTC, in which it was counted last; None: not in these steps."""
        # UTC, also where the column is naive.
        return self.latest.replace(tzinfo=UTC) if self.latest is not None else None


class Links:
    """Where numbers lead to: the list of what they count."""

    def __init__(self, site: admin.AdminSite, steps: Sequence[Step], *, may_list: bool) -> None:
        name = "admin:sessions_plus_{}_changelist"
        self._events, self._sessions = (
            reverse(name.format(model), current_app=site.name)
            for model in ("sessionevent", "session")
        )
        self._whole = interval_of(steps[0].begin, steps[-1].end)
        self._may_list = may_list

    def topic(self, topic: Topic, step: Step | None = None) -> str:
        """The events of a topic, in one step or in all."""
        at = step.interval if step is not None else self._whole
        return f"{self._events}?topic={topic.name}&at={at}"

    def reason(self, event: str, reason: str) -> str:
        """The events of one kind, for one reason."""
        return f"{self._events}?event__exact={event}&reason={reason}&at={self._whole}"

    def sessions(self, kind: str) -> str | None:
        """The sessions of now: who was signed in then no list knows."""
        return f"{self._sessions}?state=active&kind__exact={kind}" if self._may_list else None


# From counts to charts


def counted(
    counts: Counts, links: Links, name: str, title: Words, topics: Sequence[Topic]
) -> Chart:
    """Return a chart of how often something happened, each topic upon the one before."""
    series = [_series(counts, links, topic, number) for number, topic in enumerate(topics, 1)]
    total = sum(one.total.value for one in series)
    return Chart(name, title, counts.steps, series, as_text(total))


def share(
    counts: Counts, links: Links, name: str, title: Words, topics: Sequence[Topic], *, of: Topic
) -> Chart:
    """Return a chart of how many of a hundred are of each topic."""
    whole = counts.of(of)
    series = [
        _series(counts, links, topic, number, whole) for number, topic in enumerate(topics, 1)
    ]
    total = sum(one.total.value for one in series)
    headline = percent_in_words(total) if any(whole) else NOTHING
    return Chart(name, title, counts.steps, series, headline, unit=" %", highest=100)


def _series(
    counts: Counts, links: Links, topic: Topic, number: int, whole: Sequence[int] | None = None
) -> Series:
    found = counts.of(topic)
    parts = whole if whole is not None else [None] * len(found)
    cells = [
        _cell(count, part, links.topic(topic, step))
        for step, count, part in zip(counts.steps, found, parts, strict=True)
    ]
    all_of_it = sum(whole) if whole is not None else None
    return Series(str(topic.label), cells, _cell(sum(found), all_of_it, links.topic(topic)), number)


def _cell(count: int, whole: int | None, url: str) -> Cell:
    """Return a number, or what part of the whole it is."""
    if whole is None:
        return Cell(count, as_text(count), url)
    if not whole:
        return Cell(0, NOTHING, url)
    return Cell(100 * count / whole, percent_in_words(100 * count / whole), url)


def percent_in_words(value: float) -> str:
    return f"{as_text(value)} %"


def signed_in(counts: Counts, links: Links) -> Chart:
    """Return a chart of how many sessions somebody was signed in to, the most of each step."""
    series = []
    for number, kind in enumerate(Kind, 1):
        url = links.sessions(kind)
        found = counts.highest(Measure.ACTIVE_SESSIONS, kind)
        cells = [Cell(count, as_text(count), url) for count in found]
        most = Cell(max(found), as_text(max(found)), url)
        series.append(Series(str(kind.label), cells, most, number))
    columns = zip(*(one.cells for one in series), strict=True)
    headline = as_text(max(sum(cell.value for cell in cells) for cells in columns))
    return Chart("signed_in", Measure.ACTIVE_SESSIONS.label, counts.steps, series, headline)


def ranking(counts: Counts, links: Links) -> list[Series]:
    """Return why sessions ended, the most frequent first."""
    found = counts.of_reasons([topic for topic in ENDS if topic.reasons])
    return [
        Series(
            reason_in_words(reason), [], Cell(count, as_text(count), links.reason(event, reason))
        )
        for event, reason, count in found
    ]


def charts(counts: Counts, links: Links) -> list[Chart]:
    """Return every chart of the page."""
    return [
        counted(counts, links, "sign_ins", SIGN_INS.label, (SIGN_INS,)),
        counted(counts, links, "failures", _("Failed sign-ins"), FAILURES),
        replace(
            counted(counts, links, "ended", _("Sessions that ended"), ENDS),
            ranking=ranking(counts, links),
        ),
        signed_in(counts, links),
        share(
            counts,
            links,
            "second_factor",
            _("Sign-ins with a second factor"),
            FACTORS,
            of=SIGN_INS,
        ),
        counted(counts, links, "new_devices", NEW_DEVICES.label, (NEW_DEVICES,)),
    ]


def is_stale(counted_at: datetime | None, period: Period, now: datetime) -> bool:
    """Say whether nothing was counted lately."""
    return counted_at is None or now - counted_at > STALE_AFTER[period.span]


@admin.register(Overview)
class OverviewAdmin(OverviewBase):
    """A page of charts in place of a list."""

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(require_safe(self.overview))
        return [path("", view, name="sessions_plus_overview_changelist")]

    def has_module_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm(PERMISSION)

    def has_view_permission(self, request: HttpRequest, obj: Overview | None = None) -> bool:
        return request.user.has_perm(PERMISSION)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Overview | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Overview | None = None) -> bool:
        return False

    def overview(self, request: HttpRequest) -> TemplateResponse:
        """Show the charts of ``?period=day``, ``month`` (without one) or ``year``."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        now, period = timezone.now().astimezone(UTC), _period_of(request)
        steps = period.steps(now, timezone.get_current_timezone())
        counts = Counts(period, steps)
        may_list = request.user.has_perm("sessions_plus.view_session")
        links = Links(self.admin_site, steps, may_list=may_list)
        request.current_app = self.admin_site.name
        context = {
            **self.admin_site.each_context(request),
            "title": _("Overview"),
            "opts": self.opts,
            "charts": charts(counts, links),
            "period": period,
            "periods": list(Period),
            "counted_at": counts.counted_at,
            "is_stale": is_stale(counts.counted_at, period, now),
        }
        return TemplateResponse(request, "admin/sessions_plus/overview.html", context)


def _period_of(request: HttpRequest) -> Period:
    try:
        return Period(request.GET.get("period", Period.MONTH.value))
    except ValueError:
        return Period.MONTH
