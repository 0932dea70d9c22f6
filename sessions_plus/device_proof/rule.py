"""When a session has to be proved: a rule of values."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

UNDER_WAY = timedelta(seconds=10)
"""How long after it was bound requests may still be under way that know nothing of it."""


def must_prove(
    *, device_key_id: UUID | None, bound_at: datetime | None, is_seen: bool, now: datetime
) -> bool:
    """
    Say whether a session opens with a proof only.

    Not before the browser showed one (``is_seen``): one that lost the answer to its
    registration is never locked out. And not within the seconds in which what it asked for
    before may arrive.
    """
    if device_key_id is None or not is_seen:
        return False
    return bound_at is None or now - bound_at > UNDER_WAY
