"""Moving in: sessions that another engine began are taken over when their cookie comes."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta

from django.conf import settings
from django.utils import timezone

from sessions_plus.conf.problems import empty
from sessions_plus.conf.setting import Setting


class MovingSettings:
    """Moving in from another engine."""

    ADOPT_FROM = Setting[str | None](
        str,
        None,
        "Dotted path of the engine that the site had, such as "
        "`django.contrib.sessions.backends.cached_db`: its sessions are taken over when their "
        "cookie comes. None: they are not.",
        optional=True,
        problem=empty,
    )
    ADOPT_UNTIL = Setting[date | None](
        date,
        None,
        "When that ends: a date (its whole day counts) or a moment. Needed with "
        "`SESSIONS_PLUS_ADOPT_FROM`.",
        optional=True,
    )
    ADOPT_COOKIE_NAME = Setting[str | None](
        str,
        None,
        "What the old engine's cookie is called, if `SESSION_COOKIE_NAME` has changed. "
        "None: it has not.",
        optional=True,
        problem=empty,
    )
    ADOPT_KEEP_OLD = Setting[bool](
        bool,
        False,
        "Whether old code still serves beside the new. Then a session that is taken over goes on "
        "at the old engine, too, until either ends.",
    )


def end_of_adoption(until: date | None) -> datetime | None:
    """Return the moment that ``ADOPT_UNTIL`` means, naive where the site has no time zones."""
    if until is None:
        return None
    if not isinstance(until, datetime):
        until = datetime.combine(until + timedelta(days=1), time())
    if settings.USE_TZ and timezone.is_naive(until):
        return timezone.make_aware(until, timezone.get_default_timezone())
    if not settings.USE_TZ and timezone.is_aware(until):
        return timezone.make_naive(until, timezone.get_default_timezone())
    return until
