"""When a session ends, and what its cookie says of it: never beyond the absolute end."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from enum import Enum, auto
from typing import NamedTuple

from sessions_plus.policy import Limits, absolute_end, expires_at
from sessions_plus.rows.lifetime import EXPIRY_KEY, limits_of
from sessions_plus.rows.session_row import Row


def ends_at(row: Row, data: Mapping[str, object], *, last_activity: datetime) -> datetime:
    """Return when a session ends unless it is used again after ``last_activity``."""
    limits = _limits(row, data)
    return expires_at(started_at=row.started_at, last_activity=last_activity, limits=limits)


def absolute_ends_at(
    row: Row, data: Mapping[str, object], *, limits: Limits | None = None
) -> datetime | None:
    """
    Return when a session ends however active it is; None: never.

    ``limits`` are those of ``data``, where they are known.
    """
    return absolute_end(started_at=row.started_at, limits=limits or _limits(row, data))


def immovable_end(
    row: Row | None, data: Mapping[str, object], *, limits: Limits | None = None
) -> datetime | None:
    """
    Return the absolute end of a session that somebody is signed in to. See absolute_ends_at().

    None where activity moves the end: of nobody's session, and with ``set_expiry``.
    """
    if row is None or row.user_id is None or data.get(EXPIRY_KEY):
        return None
    return absolute_ends_at(row, data, limits=limits)


def age_within_limits(age: int, row: Row, data: Mapping[str, object], now: datetime) -> int:
    """Return the age in seconds, shortened where the session ends before."""
    return min(age, seconds(ends_at(row, data, last_activity=now) - now))


def seconds(duration: timedelta) -> int:
    """Return how many whole seconds are left; none of what is over."""
    return max(0, int(duration.total_seconds()))


class Cookie(Enum):
    """What a response does with the session's cookie."""

    LEAVE = auto()
    SET = auto()
    DELETE = auto()


class CookieNews(NamedTuple):
    """
    What a response tells the browser of its session.

    ``key``, ``max_age``
        of the session's cookie where it is set; None: it goes when the browser closes.
    ``device_token``, ``trust_token``
        the other cookies that are to be set, or None.
    ``is_over``
        somebody was signed in, and nobody is: the browser should forget what it kept for them.
    """

    cookie: Cookie = Cookie.LEAVE
    key: str = ""
    max_age: int | None = None
    device_token: str | None = None
    trust_token: str | None = None
    is_over: bool = False

    def __repr__(self) -> str:
        return f"<CookieNews: {self.cookie.name}>"  # the others are secrets


def has_news(
    row: Row | None,
    data: Mapping[str, object],
    *,
    was_saved: bool,
    is_touched: bool,
    known_expiry: object,
    goes_with_browser: Callable[[], bool],
) -> bool:
    """
    Say whether the browser has to learn of another end of a session whose key it knows.

    ``known_expiry`` is what ``set_expiry`` had been told before. Nothing else sets the cookie
    of a signed-in session. A slow response that did would put an old key back where there is
    a newer one by now, which would sign the person out and look like a theft.
    """
    if not was_saved and not is_touched:
        return False
    # What was saved is what the row was written with, and so its limits are.
    limits = row.limits if row is not None and was_saved else None
    if immovable_end(row, data, limits=limits) is not None and data.get(EXPIRY_KEY) == known_expiry:
        return False
    return was_saved or not goes_with_browser()


def _limits(row: Row, data: Mapping[str, object]) -> Limits:
    return limits_of(user_id=row.user_id, data=data, kind=row.kind, auth_methods=row.auth_methods)
