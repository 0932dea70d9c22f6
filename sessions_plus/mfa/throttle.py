"""
How often somebody may try: counted in the database, before anything is verified.

A count is taken by one conditional UPDATE, so that of many guesses at once no more
are let through than of as many in a row. Only a success forgets; an address, which
many people may share, is forgotten with time too. Nobody is counted for an account
before they know its password, so nobody else can lock its owner out.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import models
from django.db.models import Case, F, Value, When

from sessions_plus.conf import conf
from sessions_plus.crypto import Purpose, digest, keyed_digests
from sessions_plus.exceptions import TooManyAttempts
from sessions_plus.models import Scope, Throttle
from sessions_plus.rows import session_row

FIRST_WAIT = timedelta(seconds=30)  # NIST SP 800-63B-4 §3.2.2
LONGEST_WAIT = timedelta(hours=1)

# Behind one address may stand a whole office.
ADDRESS_FACTOR = 10
ADDRESS_WINDOW = timedelta(hours=1)

MAX_SUBJECT_LENGTH = 64

# A count that meets another's is taken again; each round means that one was counted.
ROUNDS = 100


@dataclass(frozen=True, slots=True)
class Ladder:
    """
    How a scope waits: ``free`` attempts, then 30 s, 60 s … an hour before each next one.

    ``window`` None: only a success forgets.
    """

    free: int
    window: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Count:
    """What a counter holds."""

    attempts: int
    window_started_at: datetime
    blocked_until: datetime | None


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt that was counted: the how-manieth, and whether the next has to wait."""

    number: int
    starts_wait: bool


def ladder_of(scope: Scope) -> Ladder:
    free = conf.THROTTLE_ATTEMPTS
    if scope is Scope.ADDRESS:
        return Ladder(free * ADDRESS_FACTOR, window=ADDRESS_WINDOW)
    return Ladder(free)


def wait_after(attempts: int, ladder: Ladder) -> timedelta | None:
    """Return how long the attempt after ``attempts`` has to wait; None: not at all."""
    beyond = attempts - ladder.free
    if beyond < 0:
        return None
    doublings: int = 2 ** min(beyond, 12)
    return min(FIRST_WAIT * doublings, LONGEST_WAIT)


def next_count(count: Count, ladder: Ladder, *, now: datetime) -> Count | timedelta:
    """Return the counter with one attempt more, or how long that has to wait."""
    if count.blocked_until is not None and now < count.blocked_until:
        return count.blocked_until - now
    if ladder.window is not None and now - count.window_started_at >= ladder.window:
        count = Count(0, now, None)
    attempts = count.attempts + 1
    wait = wait_after(attempts, ladder)
    started = now if count.attempts == 0 else count.window_started_at
    return Count(attempts, started, None if wait is None else now + wait)


def take(scope: Scope, subject: str, *, now: datetime) -> Attempt:
    """
    Count one attempt.

    Raises:
        TooManyAttempts: it has to wait; then nothing was counted.
    """
    ladder = ladder_of(scope)
    counters = Throttle.objects.using(session_row.database())
    for _ in range(ROUNDS):
        row, is_new = counters.get_or_create(
            scope=scope, subject=subject, defaults={"window_started_at": now}
        )
        if is_new and ladder.window is not None:
            # What begins again anyway need not be kept.
            forgotten = now - 2 * ladder.window - LONGEST_WAIT
            counters.filter(scope=scope, window_started_at__lt=forgotten).delete()
        old = Count(row.attempts, row.window_started_at, row.blocked_until)
        new = next_count(old, ladder, now=now)
        if isinstance(new, timedelta):
            raise TooManyAttempts(new)
        unchanged = counters.filter(
            pk=row.pk, attempts=old.attempts, blocked_until=old.blocked_until
        )
        if unchanged.update(
            attempts=new.attempts,
            window_started_at=new.window_started_at,
            blocked_until=new.blocked_until,
        ):
            return Attempt(new.attempts, starts_wait=new.blocked_until is not None)
    raise TooManyAttempts(FIRST_WAIT)


def forget(scope: Scope, subject: str) -> None:
    """Begin again from zero. The row stays: one that vanished would trip a parallel count."""
    counters = Throttle.objects.using(session_row.database()).filter(scope=scope, subject=subject)
    counters.update(attempts=0, blocked_until=None)


def remove(scope: Scope, subject: str) -> None:
    """Delete the counter of what is gone."""
    Throttle.objects.using(session_row.database()).filter(scope=scope, subject=subject).delete()


def give_back(scope: Scope, subject: str) -> None:
    """Take back one attempt: it turned out to be none at this subject."""
    counters = Throttle.objects.using(session_row.database())
    started_wait = ladder_of(scope).free + 1
    counters.filter(scope=scope, subject=subject, attempts__gt=0).update(
        blocked_until=Case(
            When(attempts__lt=started_wait, then=Value(None)), default=F("blocked_until")
        ),
        attempts=F("attempts") - 1,
    )


def of_user(user: models.Model) -> str:
    """The subject of a user's counters: the primary key, or a digest of one that is long."""
    key = str(user.pk)
    return key if len(key) < MAX_SUBJECT_LENGTH else digest(key)


def of_address(address: str | None) -> str:
    """
    The subject of an address: a keyed digest, so that none is stored.

    Of IPv6 the first 64 bits: one customer has all of the rest.
    """
    try:
        parsed = ipaddress.ip_address(address or "")
    except ValueError:
        return "unknown"
    if isinstance(parsed, ipaddress.IPv6Address):
        parsed = ipaddress.ip_network((parsed, 64), strict=False).network_address
    return keyed_digests(str(parsed), purpose=Purpose.CLIENT_ADDRESS)[0]
