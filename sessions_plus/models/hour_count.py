"""How often something happened, by the hour, by the day and in all: charts and metrics."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from typing import Self

from django.conf import settings
from django.db import models
from django.db.models import Case, Max, Sum, Value, When
from django.db.models.expressions import Combinable
from django.utils.translation import gettext_lazy as _

from sessions_plus.named_types import Json


class Measure(models.TextChoices):
    """What is not counted up but looked at once an hour."""

    ACTIVE_SESSIONS = "sessions.active", _("Signed-in sessions")
    SECOND_FACTORS = "users.second_factor", _("Users with a second factor")


class Span(models.TextChoices):
    """How much time a row counts."""

    HOUR = "hour", _("hour")
    DAY = "day", _("day")
    EVER = "ever", _("ever")

    def begin(self, moment: datetime) -> datetime:
        """Return when the span around a moment began, as it is stored."""
        begun = moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
        if self is Span.DAY:
            begun = begun.replace(hour=0)
        elif self is Span.EVER:
            begun = datetime(1970, 1, 1, tzinfo=UTC)
        return as_stored(begun)


def as_stored(moment: datetime) -> datetime:
    """Return a moment as ``hour`` has it: in UTC, and naive without USE_TZ."""
    in_utc = moment.astimezone(UTC)
    return in_utc if settings.USE_TZ else in_utc.replace(tzinfo=None)


class HourCountQuerySet(models.QuerySet["HourCount"]):
    def totals(self) -> Self:
        """How often each kind of event happened in all."""
        return self.filter(span=Span.EVER)

    def measured(self) -> Self:
        """The measures, the newest first."""
        return self.filter(span=Span.HOUR, event__in=Measure.values).order_by("-hour")

    def within(
        self, edges: Sequence[datetime], events: Collection[str], *, span: Span
    ) -> models.QuerySet[HourCount, Json]:
        """
        Return ``event``, ``reason`` and ``bucket``, with the ``total`` and the ``highest`` of what
        was counted, and the ``latest`` hour of it.

        Bucket ``n`` is from ``edges[n]``, included, to ``edges[n + 1]``. Buckets are compared
        with, not computed, as databases without tables of time zones know no local midnight.
        """
        edges = [as_stored(edge) for edge in edges]
        chosen = self.filter(
            span=span, event__in=events, hour__gte=edges[0], hour__lt=edges[-1]
        ).order_by()
        return chosen.values("event", "reason", bucket=_bucket(edges, 0, len(edges) - 1)).annotate(
            total=Sum("count"), highest=Max("count"), latest=Max("hour")
        )


def _bucket(edges: Sequence[datetime], first: int, end: int) -> Combinable:
    """Return in which bucket an hour is, from ``first`` to before ``end``: in few comparisons."""
    if end - first == 1:
        return Value(first)
    middle = (first + end) // 2
    return Case(
        When(hour__lt=edges[middle], then=_bucket(edges, first, middle)),
        default=_bucket(edges, middle, end),
        output_field=models.IntegerField(),
    )


class HourCount(models.Model):
    """
    The number of events of one kind in one hour, or a measure in that hour.

    With it stand the sums by day, so that a year is read at once, and those of all time, which
    only grow. Names nobody, so it outlives the events.

    Fields:

    ``span``
        how much time it counts: an hour, a day of UTC, or all.
    ``hour``
        when that begins, in UTC.
    ``event``
        an ``Event``, or a ``Measure``.
    ``outcome``, ``reason``
        as the events have them. Of a measure the outcome is empty, and the reason is the kind of
        session where that is told apart.
    ``count``
        how many events, or what was measured; of a day the highest.
    """

    span = models.CharField(_("span"), max_length=4, choices=Span.choices, default=Span.HOUR)
    hour = models.DateTimeField(_("hour"))
    event = models.CharField(_("event"), max_length=32)
    outcome = models.CharField(_("outcome"), max_length=8, blank=True)
    reason = models.CharField(_("reason"), max_length=64, blank=True)
    count = models.BigIntegerField(_("count"))

    objects = models.Manager.from_queryset(HourCountQuerySet)()

    class Meta:
        verbose_name = _("hourly count")
        verbose_name_plural = _("hourly counts")
        ordering = ["hour", "event", "outcome", "reason"]
        constraints = [
            models.UniqueConstraint(
                fields=["span", "event", "hour", "outcome", "reason"],
                name="sessions_plus_hour_count_once",
            )
        ]

    def __str__(self) -> str:
        return f"{self.event} {self.hour:%Y-%m-%d %H}: {self.count}"


class Overview(HourCount):
    """The same rows as staff see them: as charts, under a name of their own in the admin."""

    class Meta:
        proxy = True
        default_permissions = ()
        verbose_name = _("overview")
        verbose_name_plural = _("overview")
