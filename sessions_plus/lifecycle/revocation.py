"""
Ending sessions on purpose, one or many.

Every way to end somebody's session (page, admin, API, command, mail) comes
through here, so that each is audited and none is forgotten by the cache.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING
from uuid import UUID

from asgiref.sync import sync_to_async
from django.db import models
from django.utils import timezone

from sessions_plus.exceptions import SessionNotStored
from sessions_plus.lifecycle.adoption_bars import bar, bar_everybody
from sessions_plus.lifecycle.ending import Ending, Revocation, end_one, end_unlocked
from sessions_plus.models import Reason, Session
from sessions_plus.rows import session_row

if TYPE_CHECKING:
    from sessions_plus.client_info import ClientInfo

# Sessions that end together. A statement of so many takes a small part of the tenth of a
# second that nobody minds waiting for.
CHUNK_ROWS = 500


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

    Raises:
        SessionNotStored: the database takes no writes, or somebody holds the row for long.
    """
    return end_one(session, Ending(reason, actor, client, now or timezone.now()))


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
    End each of ``sessions`` that has not ended, many at a time. See revoke().

    Exact under races: each counts, and is recorded, where it was ended. Interrupted between
    two chunks it has ended some of them, and may be called again for the rest: so it is where
    it raises, after it has ended all that it could.
    """
    ending = Ending(reason, actor, client, now or timezone.now())
    return _end_all(((chunk, 1.0) for chunk in _batches(sessions)), ending, lambda done: None)


def revoke_matching(
    sessions: models.QuerySet[Session],
    *,
    reason: Reason,
    actor: models.Model | None = None,
    client: ClientInfo | None = None,
    now: datetime | None = None,
    progress: Callable[[float], None] = lambda done: None,
) -> Revocation:
    """
    End those of a queryset that have not ended, without reading all of them at once.

    See revoke_selected(). ``progress`` is told after each chunk what part is done, from 0 to
    1; what it raises stops the rest.
    """
    ending = Ending(reason, actor, client, now or timezone.now())
    live = sessions.using(session_row.database()).filter(revoked_at=None)
    return _end_all(_chunks(live), ending, progress)


def revoke_all(
    user: models.Model,
    *,
    reason: Reason = Reason.REVOKED,
    actor: models.Model | None = None,
    client: ClientInfo | None = None,
    now: datetime | None = None,
) -> Revocation:
    """End every session of ``user``, and each in which they act as somebody else. See revoke()."""
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
    """
    End every session of ``user`` but the one whose public id is ``keep``. See revoke().

    Those in which ``user`` acts as somebody else end with their own: they are in the same hands.
    While sessions of another engine are taken over, those that this user still has there are
    over, too.
    """
    bar(user.pk, now=now or timezone.now())
    sessions = Session.objects.of_people([user.pk])
    others = sessions.exclude(public_id=keep) if keep is not None else sessions
    return revoke_matching(others, reason=reason, actor=actor, client=client, now=now)


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
    progress: Callable[[float], None] = lambda done: None,
) -> Revocation:
    """
    End the session of everybody who is signed in (OWASP ASVS 7.4.5). See revoke_matching().

    Sessions that begin meanwhile go on, and so do those of nobody, with their carts.
    """
    bar_everybody(now=now or timezone.now())
    return revoke_matching(
        Session.objects.exclude(user=None),
        reason=reason,
        actor=actor,
        client=client,
        now=now,
        progress=progress,
    )


def _end_all(
    chunks: Iterable[tuple[list[Session], float]],
    ending: Ending,
    progress: Callable[[float], None],
) -> Revocation:
    """
    End all that nobody is writing to; then, one by one, those that have to be waited for.

    Raises:
        SessionNotStored: some did not end. All others did.
    """
    total, locked = Revocation(0), list[Session]()
    for chunk, done in chunks:
        if len(chunk) == 1:
            total += end_one(chunk[0], ending)
        else:
            revocation, left = end_unlocked(chunk, ending)
            total += revocation
            locked += left
        progress(done)
    refusal: SessionNotStored | None = None
    for session in locked:
        try:
            total += end_one(session, ending)
        except SessionNotStored as error:
            refusal = error
    if refusal is not None:
        raise refusal
    return total


def _batches(sessions: Iterable[Session]) -> Iterator[list[Session]]:
    iterator = iter(sessions)
    while batch := list(islice(iterator, CHUNK_ROWS)):
        yield batch


def _chunks(sessions: models.QuerySet[Session]) -> Iterator[tuple[list[Session], float]]:
    """Yield those that are there now, each chunk with the part of the way that it ends at."""
    # What is about to be wiped need not be read.
    sessions = sessions.order_by("pk").select_related("device").defer("data", "sealed_successor")
    reached, last = 0, None
    while chunk := list(sessions.filter(pk__gt=reached)[:CHUNK_ROWS]):
        reached = chunk[-1].pk
        if len(chunk) == CHUNK_ROWS and last is None:
            last = _last_key(sessions, reached)
            sessions = sessions.filter(pk__lte=last)
        yield chunk, reached / (last or reached)
        if len(chunk) < CHUNK_ROWS:
            return


def _last_key(sessions: models.QuerySet[Session], reached: int) -> int:
    """Return the last primary key: what was reached, where the rest has ended meanwhile."""
    return max(reached, sessions.values_list("pk", flat=True).last() or 0)
