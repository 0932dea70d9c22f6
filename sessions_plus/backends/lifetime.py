"""Which limits bound a session: the profile, the settings, and what the site set on it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.utils import timezone

from sessions_plus.conf import conf
from sessions_plus.models.session import Kind
from sessions_plus.policy import Limits

EXPIRY_KEY = "_session_expiry"  # where Django's set_expiry() keeps it


def limits_of(*, user_id: object, data: Mapping[str, Any], kind: str = Kind.BROWSER) -> Limits:
    """
    Return the limits of one session. API clients have limits of their own.

    ``set_expiry`` may shorten them as it likes. It lengthens only Django's own
    default: an idle timeout that the profile or the site chose still holds.
    """
    if kind == Kind.API:
        return Limits(conf.REFRESH_IDLE_TIMEOUT, conf.REFRESH_LIFETIME)
    configured = conf.IDLE_TIMEOUT if user_id is not None else conf.ANONYMOUS_LIFETIME
    limits = Limits(
        idle_timeout=configured or timedelta(seconds=settings.SESSION_COOKIE_AGE),
        absolute_lifetime=conf.ABSOLUTE_LIFETIME if user_id is not None else None,
    )
    expiry = data.get(EXPIRY_KEY)
    return _with_expiry(limits, expiry, configured) if expiry else limits


def _with_expiry(limits: Limits, expiry: Any, configured: timedelta | None) -> Limits:
    if isinstance(expiry, str):
        expiry = _aware(datetime.fromisoformat(expiry))
    if isinstance(expiry, datetime):
        return Limits(configured, limits.absolute_lifetime, ends_at=_aware(expiry))
    idle = timedelta(seconds=expiry)
    if configured is not None:
        idle = min(idle, configured)
    return Limits(idle, limits.absolute_lifetime)


def _aware(moment: datetime) -> datetime:
    if settings.USE_TZ and timezone.is_naive(moment):
        return timezone.make_aware(moment)
    return moment
