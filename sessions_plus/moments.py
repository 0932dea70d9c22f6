"""
Moments as the site's clock tells them: naive, in ``TIME_ZONE``, where ``USE_TZ`` is off.

Whatever leaves for another program or a page says which moment it is, in either case.
"""

from __future__ import annotations

from datetime import UTC, datetime

from django.conf import settings
from django.utils import timezone


def of_site(moment: datetime) -> datetime:
    """Return a moment of any kind as one that ``timezone.now()`` can be compared with."""
    if timezone.is_aware(moment) == settings.USE_TZ:
        return moment
    # Not the active time zone: whoever asks, and from where, it is the same moment.
    zone = timezone.get_default_timezone()
    return (timezone.make_aware if settings.USE_TZ else timezone.make_naive)(moment, zone)


def from_timestamp(seconds: float) -> datetime:
    """Return the moment of a Unix time."""
    return datetime.fromtimestamp(seconds, UTC if settings.USE_TZ else None)


def in_utc(moment: datetime) -> datetime:
    """Return an aware moment for programs."""
    return moment.astimezone(UTC)


def in_local(moment: datetime) -> datetime:
    """Return an aware moment for whoever reads a page, in their time zone."""
    if timezone.is_naive(moment):
        return timezone.make_aware(moment, timezone.get_default_timezone())
    return timezone.localtime(moment)
