"""
What people are shown of their devices: where they are signed in, and where they were.

Three queries, however many devices and sessions there are.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from asgiref.sync import sync_to_async
from django.db import models
from django.db.models.functions import Coalesce

from sessions_plus.models import Device, Session
from sessions_plus.models.session import SessionQuerySet
from sessions_plus.rows import session_row

ENDED_SHOWN_FOR = timedelta(weeks=4)
ENDED_SHOWN = 20

# More than any person has. Whoever has more (a program that signs in each minute) gets a
# page that still loads, and can end them all from it.
LIVE_SHOWN = 100

# Never shown, and ``data`` may be large.
NOT_SHOWN = ("data", "sealed_successor", "key_hash", "previous_key_hash")


@dataclass(frozen=True, slots=True)
class SignedInDevice:
    """
    A device with its live sessions, the latest used first; there is at least one.

    ``device`` is None for sessions whose device's row is gone.
    """

    device: Device | None
    sessions: tuple[Session, ...]
    is_current: bool

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
    live = list(_own(user).active().order_by("-last_activity", "-pk")[: LIVE_SHOWN + 1])
    seen = {session.device_id for session in live if session.device_id is not None}
    devices = Device.objects.using(session_row.database()).for_user(user).active()
    return Overview(
        signed_in=group_by_device(live[:LIVE_SHOWN], current=current),
        signed_out=tuple(devices.exclude(pk__in=seen).order_by("-last_seen_at")[:LIVE_SHOWN]),
        ended=tuple(_ended_since(user, now - ENDED_SHOWN_FOR)),
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


def _own(user: models.Model) -> SessionQuerySet:
    sessions = Session.objects.using(session_row.database()).for_user(user)
    return sessions.select_related("device").defer(*NOT_SHOWN)


def _ended_since(user: models.Model, since: datetime) -> SessionQuerySet:
    ended_at = Coalesce("revoked_at", "expire_date")
    ended = _own(user).ended().alias(ended_at=ended_at).filter(ended_at__gte=since)
    return ended.order_by("-ended_at", "-pk")[:ENDED_SHOWN]
