"""
What people are shown of their devices: where they are signed in, and where they were.

Five queries, however many devices and sessions there are.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from asgiref.sync import sync_to_async
from django.db import models
from django.db.models import Q
from django.db.models.expressions import OrderBy
from django.db.models.functions import Coalesce

from sessions_plus.events import written
from sessions_plus.lifecycle.in_force import live_sessions
from sessions_plus.models import Device, Event, Session
from sessions_plus.models.session import SessionQuerySet
from sessions_plus.rows import session_row

LATELY = timedelta(weeks=4)
ENDED_SHOWN = 20

# So often people mistype their own password or code.
SLIPS = 1
FAILED_SIGN_INS = (Event.SIGN_IN_FAILED, Event.CHALLENGE_FAILED)
MOST_READ = 200

# More than any person has. Whoever has more (a program that signs in each minute) gets a
# page that still loads, and can end them all from it.
LIVE_SHOWN = 100

# Never shown, and ``data`` may be large.
NOT_SHOWN = ("data", "sealed_successor", "key_hash", "previous_key_hash")


@dataclass(frozen=True, slots=True)
class SignedInDevice:
    """
    A device with its live sessions, the latest used first; there is at least one.

    ``device`` is None for sessions whose device's row is gone. ``is_new_place`` says that it
    is in a country where nothing else of the user's is or was lately, ``failed_attempts`` how
    often a sign-in failed there lately, if it was more than a slip.
    """

    device: Device | None
    sessions: tuple[Session, ...]
    is_current: bool
    is_new_place: bool = False
    failed_attempts: int = 0

    @property
    def stands_out(self) -> bool:
        return self.is_new_place or self.failed_attempts > 0

    @property
    def shown(self) -> Device | Session:
        """What it is called and looks like."""
        return self.device or self.sessions[0]

    @property
    def label(self) -> str:
        return self.device.label if self.device is not None else self.sessions[0].label

    @property
    def first_seen_at(self) -> datetime:
        if self.device is not None:
            return self.device.first_seen_at
        return min(session.created_at for session in self.sessions)


@dataclass(frozen=True, slots=True)
class Overview:
    """
    All that a person is shown.

    ``signed_in``
        devices with live sessions: the one that asks first, then by last activity.
    ``signed_out``
        devices that are still recognised, without a live session.
    ``ended``
        sessions of the last weeks that were ended or expired, the latest first.
    ``is_cut``
        whether there are more live sessions than are shown.
    ``has_others``
        whether there is a live session besides the one that asks.
    """

    signed_in: tuple[SignedInDevice, ...]
    signed_out: tuple[Device, ...]
    ended: tuple[Session, ...]
    is_cut: bool
    has_others: bool


def overview(user: models.Model, *, current: UUID | None, now: datetime) -> Overview:
    """Return what ``user`` is shown in the session whose public id is ``current``."""
    live = list(_shown(live_sessions(user, now=now), "-last_activity")[: LIVE_SHOWN + 1])
    seen = {session.device_id for session in live if session.device_id is not None}
    devices = Device.objects.using(session_row.database()).for_user(user).active()
    ended = list(_ended_since(user, now - LATELY, live=live))
    entries = group_by_device(live[:LIVE_SHOWN], current=current)
    failed = _failed_attempts(user, since=now - LATELY)
    return Overview(
        signed_in=tuple(_marked(entry, entries, ended, failed) for entry in entries),
        signed_out=tuple(devices.exclude(pk__in=seen).order_by("-last_seen_at")[:LIVE_SHOWN]),
        ended=tuple(ended),
        is_cut=len(live) > LIVE_SHOWN,
        has_others=any(session.public_id != current for session in live),
    )


async def aoverview(user: models.Model, *, current: UUID | None, now: datetime) -> Overview:
    """See overview()."""
    return await sync_to_async(overview)(user, current=current, now=now)


def group_by_device(
    sessions: Iterable[Session], *, current: UUID | None
) -> tuple[SignedInDevice, ...]:
    """
    Group sessions that are sorted by last activity, and keep that order.

    The device of the session ``current`` comes first. Sessions without a device have
    nothing in common, so each stands alone.
    """
    groups: dict[object, list[Session]] = {}
    for session in sessions:
        key = session.device_id if session.device_id is not None else session.public_id
        groups.setdefault(key, []).append(session)
    found = [
        SignedInDevice(
            device=group[0].device,
            sessions=tuple(group),
            is_current=any(session.public_id == current for session in group),
        )
        for group in groups.values()
    ]
    return tuple(sorted(found, key=lambda entry: not entry.is_current))


def _shown(sessions: SessionQuerySet, *order: str | OrderBy) -> SessionQuerySet:
    return sessions.select_related("device").defer(*NOT_SHOWN).order_by(*order, "-pk")


def _ended_since(
    user: models.Model, since: datetime, *, live: Iterable[Session]
) -> SessionQuerySet:
    own = Session.objects.using(session_row.database()).for_user(user)
    lately = Q(revoked_at__gte=since) | Q(revoked_at=None, expire_date__gte=since)
    ended = own.filter(lately).exclude(pk__in=[session.pk for session in live])
    return _shown(ended, Coalesce("revoked_at", "expire_date").desc())[:ENDED_SHOWN]


Sender = tuple[str | None, str]
"""An address and a user agent."""


def _failed_attempts(user: models.Model, *, since: datetime) -> Counter[Sender]:
    """Count the failed sign-ins of the user's by who sent them."""
    failed = written().for_user(user).filter(event__in=FAILED_SIGN_INS, at__gte=since)
    found: Counter[Sender] = Counter()
    for address, agent, count in failed.order_by("-id").values_list(
        "ip_address", "user_agent", "count"
    )[:MOST_READ]:
        found[address, agent] += count
    return found


def _marked(
    entry: SignedInDevice,
    entries: Iterable[SignedInDevice],
    ended: Iterable[Session],
    failed: Counter[Sender],
) -> SignedInDevice:
    """Return the entry with what makes it stand out."""
    others = [other for group in entries if group is not entry for other in group.sessions]
    others += [other for other in ended if other.device_id != entry.sessions[0].device_id]
    senders = {(session.ip_address, session.user_agent) for session in entry.sessions}
    attempts = sum(failed[sender] for sender in senders)
    return replace(
        entry,
        is_new_place=not entry.is_current and is_new_place(entry.sessions, others),
        failed_attempts=attempts if attempts > SLIPS else 0,
    )


def is_new_place(sessions: Iterable[Session], others: Iterable[Session]) -> bool:
    """
    Say whether none of ``others`` was in a country of ``sessions``.

    Not where nothing is known to compare with. Somebody who acts as the user says nothing of
    where that user is.
    """
    here, elsewhere = _countries(sessions), _countries(others)
    return bool(here and elsewhere) and not here & elsewhere


def _countries(sessions: Iterable[Session]) -> set[str]:
    places = (session.location for session in sessions if not session.is_acted_in)
    return {place.rpartition(", ")[2] for place in places if place}
