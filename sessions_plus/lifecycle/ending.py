"""
What ends a session: row, cache, event, signal, in this order; for one, or for many together.

Invariant for whoever edits this: what is over in the database is told to the cache, whatever
happens in between; and nothing that was not ended here is recorded.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from django.db import models

from sessions_plus.events import draft, record_all
from sessions_plus.models import Event, Reason, Session, SessionEvent
from sessions_plus.named_types import Arguments
from sessions_plus.rows import session_row
from sessions_plus.rows.lock_wait import LockWait
from sessions_plus.signals import session_revoked, sessions_over
from sessions_plus.store.engine import site_copies
from sessions_plus.store.unwritable import telling_of_refusal

if TYPE_CHECKING:
    from sessions_plus.client_info import ClientInfo


@dataclass(frozen=True, slots=True)
class Revocation:
    """
    What became of it. True where at least one session was ended by this call.

    ``cache_reached`` is False where a cache could not be told: then the sessions
    may go on until their next check, at most ``SESSIONS_PLUS_ACTIVITY_INTERVAL``
    later, and telling the cache is tried again.
    """

    count: int
    cache_reached: bool = True

    def __bool__(self) -> bool:
        return self.count > 0

    def __add__(self, other: Revocation) -> Revocation:
        return Revocation(self.count + other.count, self.cache_reached and other.cache_reached)


@dataclass(frozen=True, slots=True)
class Ending:
    """Why sessions end, by whom, with which request, and when."""

    reason: Reason
    actor: models.Model | None
    client: ClientInfo | None
    now: datetime

    @property
    def facts(self) -> Arguments:
        """What is written to each row."""
        actor_id = self.actor.pk if self.actor is not None else None
        return {"reason": self.reason, "now": self.now, "actor_id": actor_id}

    def event(self, session: Session) -> SessionEvent:
        return draft(
            Event.SESSION_REVOKED,
            user_id=session.user_id,
            session_public_id=session.public_id,
            device=session.device,
            actor=self.actor,
            reason=self.reason,
            client=self.client,
        )


def end_one(session: Session, ending: Ending) -> Revocation:
    """
    End a session. Whoever has its row locked is waited for, but not for ever.

    Raises:
        SessionNotStored: the database takes no writes, or somebody holds the row.
    """
    begun = time.perf_counter()
    with telling_of_refusal():
        ended = session_row.end(session.public_id, wait=LockWait.BOUNDED, **ending.facts)
    reached = site_copies().forget(session.public_id)
    seconds = time.perf_counter() - begun
    revocation = Revocation(int(ended), reached)
    if ended:
        _tell([session], ending, revocation, seconds)
    return revocation


def end_unlocked(sessions: Sequence[Session], ending: Ending) -> tuple[Revocation, list[Session]]:
    """
    End those of ``sessions`` whose rows nobody has locked; return the others that live, too.

    Three statements and one exchange with the cache, however many there are.

    Raises:
        SessionNotStored: the database takes no writes.
    """
    ended: set[int] = set()
    begun = time.perf_counter()
    try:
        with telling_of_refusal():
            ended = session_row.end_many([session.pk for session in sessions], **ending.facts)
    finally:
        # Also where an interruption hides whether they were: one that lives on only does
        # without a copy for a while.
        reached = site_copies().forget_many([session.public_id for session in sessions])
    seconds = time.perf_counter() - begun
    revocation = Revocation(len(ended), reached)
    _tell([session for session in sessions if session.pk in ended], ending, revocation, seconds)
    return revocation, _live([s for s in sessions if s.pk not in ended])


def _live(sessions: Sequence[Session]) -> list[Session]:
    if not sessions:
        return []
    rows = Session.objects.using(session_row.database()).filter(revoked_at=None)
    live = set(rows.filter(pk__in=[s.pk for s in sessions]).values_list("pk", flat=True))
    return [session for session in sessions if session.pk in live]


def _tell(
    sessions: Sequence[Session], ending: Ending, revocation: Revocation, seconds: float
) -> None:
    """Bring the instances up to date, write down what happened, and say so."""
    for session in sessions:
        session.revoked_at, session.revoked_reason, session.data = ending.now, ending.reason, b""
        session.revoked_by_id = ending.facts["actor_id"]
    record_all([ending.event(session) for session in sessions])
    if sessions:
        names = [session.public_id for session in sessions]
        sessions_over.send_robust(sender=Session, public_ids=names)
    for session in sessions:
        session_revoked.send_robust(
            sender=Session,
            session=session,
            reason=ending.reason,
            actor=ending.actor,
            cache_reached=revocation.cache_reached,
            seconds=seconds,
        )
