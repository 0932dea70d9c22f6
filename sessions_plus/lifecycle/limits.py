"""
How many sessions a user may hold: exact, however many sign-ins come at once.

Invariant for whoever edits this: what is counted has been committed. A sign-in inside
a transaction is counted after its commit.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING

from django.db import connections, models, transaction
from django.utils import timezone

from sessions_plus.conf import conf
from sessions_plus.events import record
from sessions_plus.exceptions import SessionLimitReached
from sessions_plus.lifecycle.alone import alone_for
from sessions_plus.lifecycle.in_force import live_sessions
from sessions_plus.lifecycle.revocation import revoke, revoke_selected
from sessions_plus.models import Event, Kind, Outcome, Reason, Session
from sessions_plus.models.session import SessionQuerySet
from sessions_plus.rows import session_row

if TYPE_CHECKING:
    from uuid import UUID

    from sessions_plus.client_info import ClientInfo


def limit_of(kind: str) -> int | None:
    """How many sessions of that kind a user may hold; None: any number."""
    return conf.MAX_API_SESSIONS_PER_USER if kind == Kind.API else conf.MAX_SESSIONS_PER_USER


def may_refuse(kind: str) -> bool:
    """Say whether a session of that kind may be one too many, and be ended as it begins."""
    return conf.ON_SESSION_LIMIT == "refuse" and limit_of(kind) is not None


def hold_to_limit(
    user: models.Model,
    *,
    newest: UUID,
    kind: str,
    client: ClientInfo | None,
    now: datetime,
    refused_later: Callable[[SessionLimitReached], None],
) -> None:
    """
    Make room for the session that ``user`` just signed in to, or end it.

    Inside a transaction this waits for the commit. Nothing can be raised to whoever saved the
    session any more: ``refused_later`` is called instead.

    Raises:
        SessionLimitReached: there are too many, and the site does not end older ones.
    """
    limit = limit_of(kind)
    if limit is None:
        return
    act = _refuse_beyond if may_refuse(kind) else _revoke_beyond
    if not connections[session_row.database()].in_atomic_block:
        act(user, newest, kind, limit, client, now)
        return

    def act_later() -> None:
        try:
            act(user, newest, kind, limit, client, now)
        except SessionLimitReached as refusal:
            refused_later(refusal)

    transaction.on_commit(act_later, using=session_row.database(), robust=True)


def _live(user: models.Model, kind: str) -> SessionQuerySet:
    """The user's sessions of that kind, the one signed in to last first."""
    sessions = live_sessions(user, now=timezone.now())
    sessions = sessions.filter(actor=None)  # the help desk takes nobody's place
    return sessions.filter(kind=kind).select_related("device").order_by("-authenticated_at", "-pk")


def _revoke_beyond(
    user: models.Model,
    newest: UUID,
    kind: str,
    limit: int,
    client: ClientInfo | None,
    now: datetime,
) -> None:
    """
    End all but the ``limit`` sessions that were signed in to last.

    No lock is needed. Whatever a sign-in sees, a session that it ends is not among the
    last of those, so it cannot be among the last of all; and the sign-in that counts
    last sees all.
    """
    beyond = list(_live(user, kind)[limit:])
    if not revoke_selected(beyond, reason=Reason.LIMIT, client=client, now=now):
        return
    record(
        Event.LIMIT_REACHED,
        user=user,
        session_public_id=newest,
        reason="revoke_oldest",
        client=client,
    )


def _refuse_beyond(
    user: models.Model,
    newest: UUID,
    kind: str,
    limit: int,
    client: ClientInfo | None,
    now: datetime,
) -> None:
    """
    End the newest session where the others fill the limit.

    One sign-in of a user at a time decides: without the lock two could each take the
    other for the one too many. So of any number at once, as many stay as there was
    room for.
    """
    with alone_for(user.pk):
        others = _live(user, kind).exclude(public_id=newest)
        if others.count() < limit:
            return
        session = Session.objects.using(session_row.database()).get(public_id=newest)
        revoke(session, reason=Reason.LIMIT, client=client, now=now)
    record(
        Event.LIMIT_REACHED,
        user=user,
        session_public_id=newest,
        outcome=Outcome.FAILURE,
        reason="refuse",
        client=client,
    )
    raise SessionLimitReached
