"""
Removing a device: one act ends its sessions, its trust and its being recognised.

The device goes first, so that no sign-in that begins meanwhile finds it again.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from asgiref.sync import sync_to_async
from django.db import models
from django.utils import timezone

from sessions_plus.events import record
from sessions_plus.lifecycle.ending import Revocation
from sessions_plus.lifecycle.revocation import revoke_matching
from sessions_plus.models import Device, Event, Reason, Session
from sessions_plus.rows import session_row

if TYPE_CHECKING:
    from sessions_plus.client_info import ClientInfo


def revoke_device(
    device: Device,
    *,
    actor: models.Model | None = None,
    client: ClientInfo | None = None,
    now: datetime | None = None,
) -> Revocation:
    """
    End ``device`` for good: the same browser is a new device at its next sign-in.

    Return what became of its sessions. Calling it again records nothing more, but
    ends whatever a first, interrupted call left. ``actor`` is who did it, where that
    isn't the device's own user.
    """
    now = now or timezone.now()
    ending = {"revoked_at": now, "token_hash": None, "trusted_until": None, "trust_hash": ""}
    devices = Device.objects.using(session_row.database())
    if devices.active().filter(pk=device.pk).update(**ending):
        for name, value in ending.items():
            setattr(device, name, value)
        record(
            Event.DEVICE_REVOKED,
            user_id=device.user_id,
            device=device,
            actor=actor,
            client=client,
        )
    return revoke_matching(
        Session.objects.filter(device_id=device.pk),
        reason=Reason.DEVICE_REVOKED,
        actor=actor,
        client=client,
        now=now,
    )


async def arevoke_device(
    device: Device,
    *,
    actor: models.Model | None = None,
    client: ClientInfo | None = None,
    now: datetime | None = None,
) -> Revocation:
    """See revoke_device()."""
    return await sync_to_async(revoke_device)(device, actor=actor, client=client, now=now)
