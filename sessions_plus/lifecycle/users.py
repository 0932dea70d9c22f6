"""
What ends with a person's right to sign in: every session and all trust, for good.

Whoever is enabled again later begins with nothing: no session, token or trusted device
of before comes back (OWASP ASVS 7.4.2).
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from django.db import models
from django.utils import timezone

from sessions_plus.lifecycle.adoption_bars import bar
from sessions_plus.lifecycle.ending import Revocation
from sessions_plus.lifecycle.revocation import revoke_matching
from sessions_plus.models import Device, Reason, Session
from sessions_plus.named_types import UserId
from sessions_plus.rows import session_row
from sessions_plus.rows.user_state import why_gone

if TYPE_CHECKING:
    from sessions_plus.client_info import ClientInfo


def end_access(
    user_id: UserId,
    *,
    reason: Reason,
    actor: models.Model | None = None,
    client: ClientInfo | None = None,
    now: datetime | None = None,
) -> Revocation:
    """End a user's trusted devices, their sessions, and those in which they act. See revoke()."""
    bar(user_id, now=now or timezone.now())
    database = session_row.database()
    devices = Device.objects.using(database).filter(user_id=user_id)
    devices.exclude(trusted_until=None).update(trusted_until=None, trust_hash="")
    return revoke_matching(
        Session.objects.of_people([user_id]),
        reason=reason,
        actor=actor,
        client=client,
        now=now,
    )


def end_access_if_gone(user_id: UserId, *, client: ClientInfo | None = None) -> bool:
    """End the access of a user who was disabled or deleted past the signals; say whether so."""
    reason = why_gone(user_id)
    if reason is None:
        return False
    end_access(user_id, reason=reason, client=client)
    return True
