"""How many were signed in, hour by hour, as the site would have looked if it had run so long."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from sessions_plus.models import Authenticator, HourCount, Kind, Measure, Session, Span

DAYS = 30


def measure_the_past(now: datetime) -> None:
    """Measure each hour of the past weeks. What was measured already stays."""
    HourCount.objects.bulk_create(measures(now), ignore_conflicts=True)


def measures(now: datetime) -> Iterator[HourCount]:
    begins_and_ends = Session.objects.exclude(user=None).values_list(
        "authenticated_at", "revoked_at", "expire_date"
    )
    lives = [(began, ended or expires) for began, ended, expires in begins_and_ends]
    enrolled = list(Authenticator.objects.values_list("confirmed_at", flat=True))
    for hour in (Span.HOUR.begin(now - timedelta(hours=n)) for n in range(1, DAYS * 24)):
        counts = {
            (Measure.ACTIVE_SESSIONS, Kind.BROWSER): sum(a <= hour < b for a, b in lives if a),
            (Measure.ACTIVE_SESSIONS, Kind.API): 0,
            (Measure.SECOND_FACTORS, ""): sum(at <= hour for at in enrolled if at is not None),
        }
        for (measure, kind), count in counts.items():
            yield HourCount(span=Span.HOUR, hour=hour, event=measure, reason=kind, count=count)
