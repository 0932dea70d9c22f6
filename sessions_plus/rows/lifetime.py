"""Which limits bound a session: the profile, the settings, and what the site set on it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import import_string

from sessions_plus.conf import conf
from sessions_plus.models.session import Kind
from sessions_plus.moments import of_site
from sessions_plus.policy import Limits, SessionFacts
from sessions_plus.rows import payload as payloads
from sessions_plus.rows.session_row import Row

EXPIRY_KEY = "_session_expiry"  # where Django's set_expiry() keeps it


def limits_of(
    *,
    user_id: object,
    data: Mapping[str, object],
    kind: str = Kind.BROWSER,
    auth_methods: str = "",
) -> Limits:
    """
    Return the limits of one session. API clients have limits of their own.

    ``SESSIONS_PLUS_LIMITS`` comes before the settings. ``set_expiry`` may shorten
    either as it likes. It lengthens only Django's own default: an idle timeout that
    the profile or the site chose still holds.
    """
    chosen = None
    if conf.LIMITS is not None:
        chosen = _chosen(SessionFacts(user_id, kind, tuple(auth_methods.split()), data))
    if chosen is not None:
        configured = chosen.idle_timeout
    elif kind == Kind.API:
        return _limits_of_clients()
    else:
        chosen, configured = _limits_of_browsers(is_signed_in=user_id is not None)
    expiry = data.get(EXPIRY_KEY)
    return _with_expiry(chosen, expiry, configured) if expiry else chosen


def _limits_of_clients() -> Limits:
    return conf.derived(
        "limits of API clients", lambda: Limits(conf.REFRESH_IDLE_TIMEOUT, conf.REFRESH_LIFETIME)
    )


def _limits_of_browsers(*, is_signed_in: bool) -> tuple[Limits, timedelta | None]:
    """Return the limits that the settings name, and the idle timeout as far as one was chosen."""
    if is_signed_in:
        return conf.derived(
            "limits of users", lambda: _limits(conf.IDLE_TIMEOUT, conf.ABSOLUTE_LIFETIME)
        )
    return conf.derived("limits of nobody", lambda: _limits(conf.ANONYMOUS_LIFETIME, None))


def _limits(
    idle_timeout: timedelta | None, absolute_lifetime: timedelta | None
) -> tuple[Limits, timedelta | None]:
    of_django = timedelta(seconds=settings.SESSION_COOKIE_AGE)
    return Limits(idle_timeout or of_django, absolute_lifetime), idle_timeout


def limits_of_row(row: Row) -> Limits:
    """Return the limits of a stored session. Its dictionary is decoded only where they need it."""
    is_asked = needs_data() or payloads.may_hold(EXPIRY_KEY, row.payload)
    return limits_of(
        user_id=row.user_id,
        data=payloads.decode(row.payload) if is_asked else {},
        kind=row.kind,
        auth_methods=row.auth_methods,
    )


def may_be_touched_ahead(row: Row, limits: Limits) -> bool:
    """
    Say whether activity leaves the cookie as it is, so that no response has to wait for it.

    As where somebody is signed in until a moment that activity cannot move. All others are
    given a cookie that lives longer with it, which may be told only of a key that was proved.
    Whoever has to prove themselves again keeps nothing alive until they did.
    """
    return (
        row.user_id is not None
        and not row.must_reauthenticate
        and limits.absolute_lifetime is not None
        and not payloads.may_hold(EXPIRY_KEY, row.payload)
    )


def needs_data() -> bool:
    """Say whether a session's limits may depend on its dictionary."""
    return conf.LIMITS is not None


def _chosen(facts: SessionFacts) -> Limits | None:
    """
    Ask the site for this session's limits.

    Raises:
        ImproperlyConfigured: its function returned something else.
    """
    function = conf.LIMITS
    if function is None:
        return None
    limits = (_imported(function) if isinstance(function, str) else function)(facts)
    if limits is None or isinstance(limits, Limits):
        return limits
    raise ImproperlyConfigured(
        f"SESSIONS_PLUS_LIMITS returned {limits!r}. Return a sessions_plus.policy.Limits or None."
    )


@lru_cache(maxsize=8)
def _imported(path: str) -> Callable[[SessionFacts], object]:
    function: Callable[[SessionFacts], object] = import_string(path)
    return function


# Of what type `expiry` is depends on what a site's code gave to set_expiry().
def _with_expiry(limits: Limits, expiry: Any, configured: timedelta | None) -> Limits:
    if isinstance(expiry, str):
        expiry = of_site(datetime.fromisoformat(expiry))
    if isinstance(expiry, datetime):
        ends = [end for end in (limits.ends_at, of_site(expiry)) if end is not None]
        return Limits(configured, limits.absolute_lifetime, ends_at=min(ends))
    idle = timedelta(seconds=expiry)
    if configured is not None:
        idle = min(idle, configured)
    return Limits(idle, limits.absolute_lifetime, limits.ends_at)
