"""How often something happened in an hour: what charts and metrics are made of."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _


class Measure(models.TextChoices):
    """What is not counted up but looked at once an hour."""

    ACTIVE_SESSIONS = "sessions.active", _("Signed-in sessions")
    SECOND_FACTORS = "users.second_factor", _("Users with a second factor")


class HourCount(models.Model):
    """
    The number of events of one kind in one hour, or a measure in that hour.

    Names nobody, so it outlives the events.

    Fields:

    ``hour``
        when the hour begins, in UTC.
    ``event``
        an ``Event``, or a ``Measure``.
    ``outcome``, ``reason``
        as the events have them; empty for a measure.
    ``count``
        how many events, or what was measured last.
    """

    hour = models.DateTimeField(_("hour"))
    event = models.CharField(_("event"), max_length=32)
    outcome = models.CharField(_("outcome"), max_length=8, blank=True)
    reason = models.CharField(_("reason"), max_length=64, blank=True)
    count = models.BigIntegerField(_("count"))

    class Meta:
        verbose_name = _("hourly count")
        verbose_name_plural = _("hourly counts")
        ordering = ["hour", "event", "outcome", "reason"]
        constraints = [
            models.UniqueConstraint(
                fields=["event", "hour", "outcome", "reason"], name="sessions_plus_hour_count_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.event} {self.hour:%Y-%m-%d %H}: {self.count}"
