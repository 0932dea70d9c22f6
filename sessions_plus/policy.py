"""
The rules of how long a session goes on: plain functions of times, limits and ``now``.

Engines, middleware, API and pages all ask here; nothing in this module has a
clock, a database or a request.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from sessions_plus.named_types import UserId

# Our own page asks here how long it has, from inside pages that wait.
REMAINING_PATH = "/session/remaining/"

FAR_FUTURE = timedelta(days=366 * 10)

# A touch moves the idle limit, so it has to come well within the shortest of them.
TOUCHES_PER_IDLE_TIMEOUT = 10

# From this part of the time between two touches on, the next is made ahead of time.
TOUCHED_AHEAD_FROM = 0.5


class Verdict(StrEnum):
    """Whether a session goes on, or which limit ended it."""

    ALIVE = "alive"
    IDLE = "idle_timeout"
    ABSOLUTE = "absolute_lifetime"


@dataclass(frozen=True, slots=True)
class Limits:
    """
    What bounds one session. None: no such limit.

    ``ends_at`` is a moment that the site itself set with ``set_expiry``.
    """

    idle_timeout: timedelta | None
    absolute_lifetime: timedelta | None
    ends_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class SessionFacts:
    """
    What ``SESSIONS_PLUS_LIMITS`` is told of a session.

    ``user_id`` is None for an anonymous one, ``kind`` is ``browser`` or ``api``,
    ``auth_methods`` such as ``("pwd", "otp")``, and ``data`` the session's dictionary.
    """

    user_id: UserId
    kind: str
    auth_methods: tuple[str, ...]
    data: Mapping[str, object]


def absolute_end(*, started_at: datetime, limits: Limits) -> datetime | None:
    """The moment that no activity can move, or None."""
    if limits.absolute_lifetime is None:
        return limits.ends_at
    end = started_at + limits.absolute_lifetime
    return end if limits.ends_at is None else min(end, limits.ends_at)


def judge(
    *, started_at: datetime, last_activity: datetime, now: datetime, limits: Limits
) -> Verdict:
    """
    Say whether a session may go on, or which limit ended it.

    ``started_at`` is the sign-in, or the first storing of an anonymous session.
    Both limits are exclusive: a session exactly ``idle_timeout`` old is over.
    When both have passed the absolute one is named, as no activity could have
    prevented it. A clock that went backwards ends nothing.
    """
    end = absolute_end(started_at=started_at, limits=limits)
    if end is not None and now >= end:
        return Verdict.ABSOLUTE
    if limits.idle_timeout is not None and now >= last_activity + limits.idle_timeout:
        return Verdict.IDLE
    return Verdict.ALIVE


def expires_at(*, started_at: datetime, last_activity: datetime, limits: Limits) -> datetime:
    """Return when the session ends unless it is used again; ten years on if nothing bounds it."""
    end = absolute_end(started_at=started_at, limits=limits)
    ends = [end] if end is not None else []
    if limits.idle_timeout is not None:
        ends.append(last_activity + limits.idle_timeout)
    return min(ends, default=last_activity + FAR_FUTURE)


def is_passive(path: str, passive_paths: Iterable[str]) -> bool:
    """
    Say whether a request to ``path`` is none of a person's doing.

    Each passive path stands for itself and all below it: ``/poll`` for ``/poll`` and
    ``/poll/inbox/``, not for ``/polls``. Asking how long a session goes on is none,
    wherever our pages are mounted.
    """
    if not passive_paths:
        return path.endswith(REMAINING_PATH)
    return path.endswith(REMAINING_PATH) or any(
        path == passive or path.startswith(passive.rstrip("/") + "/") for passive in passive_paths
    )


def touch_is_due(
    *, last_activity: datetime, now: datetime, interval: timedelta, limits: Limits
) -> bool:
    """
    Say whether the last activity has to be written again, before anybody is served.

    A last activity that lies as far in the future (a server's clock is wrong) counts as
    old: else its sessions would never be checked.
    """
    return abs(now - last_activity) >= between_touches(interval, limits)


def touch_is_near(
    *, last_activity: datetime, now: datetime, interval: timedelta, limits: Limits
) -> bool:
    """Say whether it may be written already, so that it does not come to be due."""
    return now - last_activity >= between_touches(interval, limits) * TOUCHED_AHEAD_FROM


def between_touches(interval: timedelta, limits: Limits) -> timedelta:
    """
    Return how long activity goes unrecorded at most.

    One ``interval``, and less where the idle timeout is so short that waiting would end
    sessions in use.
    """
    if limits.idle_timeout is None:
        return interval
    return min(interval, limits.idle_timeout / TOUCHES_PER_IDLE_TIMEOUT)
