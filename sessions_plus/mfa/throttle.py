"""
How often somebody may try: counted in the database, before anything is verified.

A count is taken by one conditional UPDATE, so that of many guesses at once no more
are let through than of as many in a row, and it stands whatever becomes of the view's
transaction. Only a success forgets; what strangers can count up, a network or a user name,
is forgotten with time too. Codes are counted for an account of who knows its password, and
passwords apart for each device of their owner's, so that no stranger locks one out.
"""

from __future__ import annotations

import ipaddress
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from types import MappingProxyType
from typing import Protocol

from django.db import models
from django.db.models import Case, F, Value, When

from sessions_plus.after_view import on_rollback, withdraw
from sessions_plus.conf import conf
from sessions_plus.crypto import Purpose, digest, keyed_digests
from sessions_plus.exceptions import TooManyAttempts
from sessions_plus.models import Scope, Throttle
from sessions_plus.named_types import Columns
from sessions_plus.rows import session_row
from sessions_plus.rows.find_or_create import find_or_create

FIRST_WAIT = timedelta(seconds=30)  # NIST SP 800-63B-4 §3.2.2
LONGEST_WAIT = timedelta(hours=1)

# Behind one address may stand a whole office.
NETWORK_FACTOR = 10

# What is forgotten with time, so that no stranger's guesses wait for their owner for good.
WINDOWS: Mapping[Scope, timedelta] = MappingProxyType(
    {
        Scope.ADDRESS: timedelta(hours=1),
        Scope.NETWORK: timedelta(hours=1),
        Scope.NAME: timedelta(days=1),
        Scope.DEVICE: timedelta(days=1),
        Scope.RESET: timedelta(days=1),
    }
)

# How many forgotten counters a new one takes along, so that there are never many of them.
PURGED_AT_ONCE = 100

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
class Attempt:
    """One attempt that was counted: the how-manieth, and whether the next has to wait."""

    number: int
    starts_wait: bool


@dataclass(frozen=True, slots=True)
class Count:
    """What a counter holds."""

    attempts: int
    window_started_at: datetime
    blocked_until: datetime | None

    def as_attempt(self) -> Attempt:
        return Attempt(self.attempts, starts_wait=self.blocked_until is not None)


class Rule(Protocol):
    """How a counter goes on: with one attempt more, or how long that has to wait."""

    def __call__(self, count: Count, ladder: Ladder, *, now: datetime) -> Count | timedelta: ...


def ladder_of(scope: Scope) -> Ladder:
    free = conf.THROTTLE_ATTEMPTS
    if scope in (Scope.ADDRESS, Scope.NETWORK):
        free *= NETWORK_FACTOR
    return Ladder(free, window=WINDOWS.get(scope))


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
    return counted(count, ladder, now=now)


def counted(count: Count, ladder: Ladder, *, now: datetime) -> Count:
    """Return the counter with one attempt more, which was made, whether or not it had to wait."""
    if ladder.window is not None and now - count.window_started_at >= ladder.window:
        count = Count(0, now, None)
    attempts = count.attempts + 1
    wait = wait_after(attempts, ladder)
    started = now if count.attempts == 0 else count.window_started_at
    return Count(attempts, started, None if wait is None else now + wait)


def take(scope: Scope, subject: str, *, now: datetime) -> Attempt:
    """
    Count one attempt. It stays counted where the view's transaction is rolled back.

    Raises:
        TooManyAttempts: it has to wait; then nothing was counted.
    """
    attempt = _count(scope, subject, next_count, now)
    # What was let through once is counted again without having to wait.
    again = partial(_count, scope, subject, counted, now)
    on_rollback(again, using=session_row.database(), key=(scope, subject))
    return attempt


def _count(scope: Scope, subject: str, rule: Rule, now: datetime) -> Attempt:
    ladder = ladder_of(scope)
    first = counted(Count(0, now, None), ladder, now=now)
    for _ in range(ROUNDS):
        row, is_new = find_or_create(
            _counters(), scope=scope, subject=subject, defaults=_columns_of(first)
        )
        if is_new:
            _purge(scope, now)
            return first.as_attempt()
        new = rule(_count_of(row), ladder, now=now)
        if isinstance(new, timedelta):
            raise TooManyAttempts(new)
        if _replace(row, new):
            return new.as_attempt()
    raise TooManyAttempts(FIRST_WAIT)


def _purge(scope: Scope, now: datetime) -> None:
    """
    Delete some counters that begin again anyway.

    So there are never many more than are in use, whoever makes up names, and without waiting
    for the clean-up. Not in a view's transaction, which would keep them locked.
    """
    window = WINDOWS.get(scope)
    if window is None or session_row.in_transaction():
        return
    forgotten = _counters().filter(
        scope=scope, window_started_at__lt=now - 2 * window - LONGEST_WAIT
    )
    keys = list(
        forgotten.order_by("window_started_at").values_list("pk", flat=True)[:PURGED_AT_ONCE]
    )
    if keys:
        forgotten.filter(pk__in=keys).delete()


def _replace(row: Throttle, new: Count) -> bool:
    """Write a count if nobody else has counted meanwhile."""
    unchanged = _counters().filter(
        pk=row.pk, attempts=row.attempts, blocked_until=row.blocked_until
    )
    return unchanged.update(**_columns_of(new)) == 1


def _count_of(row: Throttle) -> Count:
    return Count(row.attempts, row.window_started_at, row.blocked_until)


def _columns_of(count: Count) -> Columns:
    return {
        "attempts": count.attempts,
        "window_started_at": count.window_started_at,
        "blocked_until": count.blocked_until,
    }


def _counters() -> models.QuerySet[Throttle]:
    return Throttle.objects.using(session_row.database())


def forget(scope: Scope, *subjects: str) -> None:
    """Begin again from zero. The row stays: one that vanished would trip a parallel count."""
    for subject in subjects:
        while withdraw((scope, subject)) is not None:
            pass
    counters = _counters().filter(scope=scope, subject__in=subjects)
    counters.update(attempts=0, blocked_until=None)


def remove(scope: Scope, subject: str) -> None:
    """Delete the counter of what is gone."""
    _counters().filter(scope=scope, subject=subject).delete()


def give_back(scope: Scope, subject: str) -> None:
    """Take back one attempt: it turned out to be none at this subject."""
    write = withdraw((scope, subject))
    if write is not None and write.was_rolled_back():
        return
    started_wait = ladder_of(scope).free + 1
    _counters().filter(scope=scope, subject=subject, attempts__gt=0).update(
        blocked_until=Case(
            When(attempts__lt=started_wait, then=Value(None)), default=F("blocked_until")
        ),
        attempts=F("attempts") - 1,
    )


def of_user(user: models.Model) -> str:
    """The subject of a user's counters: the primary key, or a digest of one that is long."""
    key = str(user.pk)
    return key if len(key) < MAX_SUBJECT_LENGTH else digest(key)


def of_name(name: str) -> str:
    """The subject of a user name: a keyed digest, so that the table names nobody."""
    return keyed_digests(name, purpose=Purpose.USER_NAME)[0]


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


def of_email(address: str) -> str:
    """The subject of an e-mail address as somebody typed it: a keyed digest, so none is stored."""
    same = unicodedata.normalize("NFKC", address).casefold().strip()
    return keyed_digests(same, purpose=Purpose.EMAIL_ADDRESS)[0]
