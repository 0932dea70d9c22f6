"""How a session ends in its own request: it has expired, or somebody signs out of it."""

from __future__ import annotations

from datetime import datetime

from sessions_plus.client_info import ClientInfo
from sessions_plus.models.session import Session
from sessions_plus.named_types import Arguments
from sessions_plus.policy import Verdict
from sessions_plus.rows import session_row
from sessions_plus.rows.lock_wait import LockWait
from sessions_plus.rows.session_row import Row
from sessions_plus.rows.user_state import why_gone
from sessions_plus.signals import session_ended, session_expired, sessions_over, user_gone
from sessions_plus.store.copies import Copies
from sessions_plus.store.unwritable import doing_without


def expire(
    row: Row, verdict: Verdict, *, client: ClientInfo | None, now: datetime, copies: Copies
) -> bool:
    """
    End a session for good. False where another request renewed it since ``row`` was read.

    It is over also where that cannot be written; then nobody is told.
    """
    is_ended = None
    with doing_without():
        is_ended = _expire(row, verdict, now)
    if not is_ended:
        return is_ended is None
    copies.forget(row.public_id)
    sessions_over.send_robust(sender=Session, public_ids=[row.public_id])
    if row.user_id is not None:
        session_expired.send_robust(sender=Session, row=row, verdict=verdict, client=client)
    return True


def _expire(row: Row, verdict: Verdict, now: datetime) -> bool:
    since: Arguments = {"wait": LockWait.NONE, "last_activity": row.last_activity}
    if row.user_id is None:
        return session_row.remove(row.public_id, **since)
    return session_row.end(row.public_id, reason=verdict.value, now=now, **since)


def end(row: Row, reason: str, *, client: ClientInfo | None, now: datetime, copies: Copies) -> None:
    """
    End a session: its data is wiped, its row stays with the reason.

    One that nobody is signed in to is removed.
    """
    wait = LockWait.BOUNDED
    if row.user_id is None:
        session_row.remove(row.public_id, wait=wait)
    elif session_row.end(row.public_id, reason=reason, now=now, wait=wait):
        session_ended.send_robust(sender=Session, row=row, reason=reason, client=client)
    copies.forget(row.public_id)
    sessions_over.send_robust(sender=Session, public_ids=[row.public_id])


def end_with_its_user(row: Row, *, client: ClientInfo | None) -> bool:
    """
    End the sessions of who was disabled or deleted unnoticed. False: nobody was.

    The user's, or of who acts as them.
    """
    for user_id in row.people:
        reason = why_gone(user_id)
        if reason is not None:
            user_gone.send_robust(sender=Session, user_id=user_id, reason=reason, client=client)
            return True
    return False
