"""
Ending sessions on purpose: row, cache, event, signal, in this order.

Every way to end somebody's session (page, admin, API, command, mail) comes
through here, so that each is audited and none is forgotten by the cache.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from asgiref.sync import sync_to_async
from django.db import models
from django.utils import timezone

from sessions_plus.events import record
from sessions_plus.models import Event, Reason, Session
from sessions_plus.rows import session_row
from sessions_plus.signals import session_revoked
from sessions_plus.store.engine import site_copies

if TYPE_CHECKING:
    from sessions_plus.client_info import ClientInfo

# Rows that are in memory at once, where everybody's sessions end.
CHUNK_ROWS = 500


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


def revoke(
    session: Session,
    *,
    reason: Reason = Reason.REVOKED,
    actor: models.Model | None = None,
    client: ClientInfo | None = None,
    now: datetime | None = None,
) -> Revocation:
    """
    End ``session`` at once, in the database and the cache.

    False if it had already ended; then nothing is recorded, but the cache is told
    again. Its refresh tokens end with it, and access tokens wherever the API
    checks their session (OWASP ASVS 7.4.1). ``actor`` is who did it, where that
    isn't the session's own user; ``client`` is the request it was done with.
    """
    now = now or timezone.now()
    ended = session_row.end(
        session.public_id,
        reason=reason,
        now=now,
        actor_id=actor.pk if actor is not None else None,
    )
    reached = site_copies().forget(session.public_id)
    if not ended:
        return Revocation(0, reached)
    session.revoked_at, session.revoked_reason, session.data = now, reason, b""
    session.revoked_by_id = actor.pk if actor is not None else None
    record(
        Event.SESSION_REVOKED,
        user_id=session.user_id,
        session_public_id=session.public_id,
        device=session.device,
        actor=actor,
        reason=reason,
        client=client,
    )
    session_revoked.send_robust(sender=Session, session=session, reason=reason, actor=actor)
    return Revocation(1, reached)


async def arevoke(
    session: Session,
    *,
    reason: Reason = Reason.REVOKED,
    actor: models.Model | None = None,
    client: ClientInfo | None = None,
    now: datetime | None = None,
) -> Revocation:
    """See revoke()."""
    return await sync_to_async(revoke)(session, reason=reason, actor=actor, client=client, now=now)


def revoke_selected(
    sessions: Iterable[Session],
    *,
    reason: Reason,
    actor: models.Model | None = None,
    client: ClientInfo | None = None,
    now: datetime | None = None,
) -> Revocation:
    """
    End each of ``sessions`` that has not ended. See revoke().

    One conditional UPDATE each: exact under races, and it never holds many rows
    locked at once.
    """
    total = Revocation(0)
    for session in sessions:
        total += revoke(session, reason=reason, actor=actor, client=client, now=now)
    return total


def revoke_all(
    user: models.Model,
    *,
    reason: Reason = Reason.REVOKED,
    actor: models.Model | None = None,
    client: ClientInfo | None = None,
    now: datetime | None = None,
) -> Revocation:
    """End every session of ``user``. See revoke()."""
    return revoke_others(user, keep=None, reason=reason, actor=actor, client=client, now=now)


async def arevoke_all(
    user: models.Model,
    *,
    reason: Reason = Reason.REVOKED,
    actor: models.Model | None = None,
    client: ClientInfo | None = None,
    now: datetime | None = None,
) -> Revocation:
    """See revoke_all()."""
    return await sync_to_async(revoke_all)(user, reason=reason, actor=actor, client=client, now=now)


def revoke_others(
    user: models.Model,
    *,
    keep: UUID | None,
    reason: Reason = Reason.REVOKED,
    actor: models.Model | None = None,
    client: ClientInfo | None = None,
    now: datetime | None = None,
) -> Revocation:
    """End every session of ``user`` but the one whose public id is ``keep``. See revoke()."""
    live = Session.objects.using(session_row.database()).for_user(user).filter(revoked_at=None)
    others = live.exclude(public_id=keep) if keep is not None else live
    others = others.select_related("device").order_by("pk")
    return revoke_selected(others, reason=reason, actor=actor, client=client, now=now)


async def arevoke_others(
    user: models.Model,
    *,
    keep: UUID | None,
    reason: Reason = Reason.REVOKED,
    actor: models.Model | None = None,
    client: ClientInfo | None = None,
    now: datetime | None = None,
) -> Revocation:
    """See revoke_others()."""
    return await sync_to_async(revoke_others)(
        user, keep=keep, reason=reason, actor=actor, client=client, now=now
    )


def revoke_everybody(
    *,
    reason: Reason,
    actor: models.Model | None = None,
    client: ClientInfo | None = None,
    now: datetime | None = None,
    progress: Callable[[float], None] | None = None,
) -> Revocation:
    """
    End the session of everybody who is signed in (OWASP ASVS 7.4.5). See revoke().

    Sessions that begin meanwhile go on, and so do those of nobody, with their carts.
    ``progress`` is told what part is done, from 0 to 1.
    """
    live = Session.objects.using(session_row.database()).filter(revoked_at=None).exclude(user=None)
    total = Revocation(0)
    for chunk, done in _chunks(live.select_related("device").order_by("pk")):
        total += revoke_selected(chunk, reason=reason, actor=actor, client=client, now=now)
        if progress is not None:
            progress(done)
    return total


def _chunks(sessions: models.QuerySet[Session]) -> Iterator[tuple[list[Session], float]]:
    """Lists of those that are there now, each with the part of the way that it ends at."""
    last = sessions.values_list("pk", flat=True).last()
    reached = 0
    while last is not None and reached < last:
        chunk = list(sessions.filter(pk__gt=reached, pk__lte=last)[:CHUNK_ROWS])
        reached = chunk[-1].pk if len(chunk) == CHUNK_ROWS else last
        yield chunk, reached / last
