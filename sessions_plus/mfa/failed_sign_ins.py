"""
Failed sign-ins as events: each by itself, and many of a kind as one.

The first few by one name, from one network, in one minute are an event each. Those
beyond are counted, and are one event with their ``count`` once the minute is over. It is
written by whatever comes first: the next failed sign-in on the site, or the clean-up. So a
flood of guesses adds a row a minute, and no row is ever changed.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import models, transaction

from sessions_plus.client_info import ClientInfo
from sessions_plus.crypto import digest
from sessions_plus.events import record
from sessions_plus.mfa.throttle import of_address
from sessions_plus.models import Event, FailureCount, Outcome
from sessions_plus.rows import session_row
from sessions_plus.rows.find_or_create import find_or_create

SINGLY = 5
"""How many of a kind are an event each, in one minute."""

DUE_AT_ONCE = 20
"""How many minutes that are over one failed sign-in writes down, at most."""

LATE = timedelta(minutes=2)
"""How far behind a server's clock may be: then its failures are counted in their own minute."""

# A count that meets another's is taken again; each round means that one was counted.
ROUNDS = 100


def record_failure(
    name: str, user: models.Model | None, *, client: ClientInfo | None, now: datetime
) -> None:
    """
    Record that a sign-in failed.

    ``name`` is a keyed digest of the name that was given, ``user`` who has it; None: nobody.
    """
    write_due(now)
    if _count(name, user, client, now) <= SINGLY:
        record(Event.SIGN_IN_FAILED, user=user, outcome=Outcome.FAILURE, client=client)


def write_due(now: datetime, *, at_most: int = DUE_AT_ONCE) -> None:
    """Write down minutes that are over, and remove counts that nobody counts up any more."""
    over = _counts().filter(minute_at__lt=_minute_of(now))
    for row in list(over.filter(count__gt=SINGLY).order_by("minute_at")[:at_most]):
        _write_down(row)
    gone = _counts().filter(minute_at__lt=_minute_of(now) - LATE, count__lte=SINGLY)
    keys = list(gone.order_by("minute_at").values_list("pk", flat=True)[:at_most])
    if keys:
        gone.filter(pk__in=keys).delete()


def _write_down(row: FailureCount) -> None:
    """
    Make an event of the failures that are none yet, if nobody else does.

    The row stays a while, for a server whose clock is late: what it counts is an event more.
    """
    with transaction.atomic(session_row.database()):
        if _counts().filter(pk=row.pk, count=row.count).update(count=SINGLY):
            record(
                Event.SIGN_IN_FAILED,
                user_id=row.user_id,
                outcome=Outcome.FAILURE,
                client=ClientInfo.of(ip_address=row.ip_address, user_agent=row.user_agent),
                count=row.count - SINGLY,
                at=row.last_at,
            )


def _count(name: str, user: models.Model | None, client: ClientInfo | None, now: datetime) -> int:
    """Count a failure; return the how-manieth of its kind it is in this minute."""
    network = of_address(client.ip_address if client is not None else None)
    subject = digest(f"{name} {network}")
    latest = {
        "last_at": now,
        "ip_address": client.stored_ip_address if client is not None else None,
        "user_agent": client.user_agent if client is not None else "",
    }
    first = {**latest, "user_id": user.pk if user is not None else None}
    for _ in range(ROUNDS):
        row, is_new = find_or_create(
            _counts(), subject=subject, minute_at=_minute_of(now), defaults=first
        )
        if is_new:
            return 1
        if _counts().filter(pk=row.pk, count=row.count).update(count=row.count + 1, **latest):
            return row.count + 1
    return 1  # better one event too many than none


def _minute_of(moment: datetime) -> datetime:
    return moment.replace(second=0, microsecond=0)


def _counts() -> models.QuerySet[FailureCount]:
    return FailureCount._default_manager.using(session_row.database())
