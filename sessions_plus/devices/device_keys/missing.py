"""What is written down of requests that lacked the proof of their session's device key."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from django.db.models import Q

from sessions_plus.conf import conf
from sessions_plus.events import record
from sessions_plus.models import DeviceKey, Event, Outcome
from sessions_plus.rows.session_row import Row, database

if TYPE_CHECKING:
    from sessions_plus.client_info import ClientInfo

OBSERVED = "observed"
"""The reason where nothing is refused yet."""


def note_missing(row: Row, *, is_refused: bool, client: ClientInfo | None, now: datetime) -> bool:
    """
    Record that a session was used without a proof, once in an ``ACTIVITY_INTERVAL``.

    Return whether it was recorded. A thief can cause as many requests as they like.
    """
    if row.device_key_id is None or not _is_turn(row.device_key_id, now):
        return False
    record(
        Event.DEVICE_KEY_MISSING,
        user_id=row.user_id,
        session_public_id=row.public_id,
        outcome=Outcome.FAILURE,
        reason="" if is_refused else OBSERVED,
        client=client,
    )
    return True


def _is_turn(device_key_id: UUID, now: datetime) -> bool:
    keys = DeviceKey.objects.using(database()).filter(public_id=device_key_id)
    longer_ago = Q(last_missing_at=None) | Q(last_missing_at__lte=now - conf.ACTIVITY_INTERVAL)
    return keys.filter(longer_ago).update(last_missing_at=now) == 1
