"""
``record()``: one audit row, one log line, one signal.

Nothing that a client sent reaches the log unescaped: a line is one JSON object,
and the row's columns were sanitised where they were read.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import TYPE_CHECKING
from uuid import UUID

from django.db import models, router
from django.utils import timezone

from sessions_plus.authority import acting_for
from sessions_plus.models import Device, Event, Outcome, SessionEvent
from sessions_plus.models.event import SessionEventQuerySet
from sessions_plus.moments import in_utc
from sessions_plus.named_types import Columns, JsonObject, UserId
from sessions_plus.rows.table import Table
from sessions_plus.signals import event_recorded

if TYPE_CHECKING:
    from sessions_plus.client_info import ClientInfo

logger = logging.getLogger("sessions_plus.security")

EVENTS = Table(SessionEvent)
_COLUMNS = tuple(
    field.attname for field in SessionEvent._meta.concrete_fields if not field.primary_key
)

BY_COMMAND = "command"
"""The reason of what somebody did for a person on the server, who asked for it."""

IMPORTED = "imported"
"""The reason of what came along from another package: no news to its user."""

# The word of OWASP's logging vocabulary that stands beside ours, where it has one.
OWASP_WORDS: Mapping[str, str] = MappingProxyType(
    {
        Event.SESSION_STARTED: "authn_login_success",
        Event.SESSION_SIGNED_OUT: "session_logout",
        Event.SESSION_EXPIRED: "session_expired",
        Event.SESSION_REVOKED: "authn_token_revoked",
        Event.SESSION_UNREADABLE: "crypt_decrypt_fail",
        Event.KEY_REUSED: "authn_token_reuse",
        Event.LIMIT_REACHED: "excess_sessions_exceeded",
        Event.SIGN_IN_FAILED: "authn_login_fail",
        Event.CHALLENGE_FAILED: "authn_login_fail",
        Event.REAUTHENTICATION_FAILED: "authn_login_fail",
        Event.PASSWORD_CHANGED: "authn_password_change",
        Event.PASSWORD_REMOVED: "authn_password_change",
        Event.AUTHENTICATOR_DISABLED: "authn_login_lock",
        Event.AUTHENTICATOR_CLONED: "authn_token_reuse",
        Event.THROTTLED: "excess_rate_limit_exceeded",
        Event.ACCESS_DENIED: "authz_fail",
    }
)


def record(
    event: Event,
    *,
    user: models.Model | None = None,
    user_id: UserId = None,
    session_public_id: UUID | None = None,
    device: Device | None = None,
    actor: models.Model | None = None,
    actor_id: UserId = None,
    outcome: Outcome = Outcome.SUCCESS,
    reason: str = "",
    client: ClientInfo | None = None,
    count: int = 1,
    at: datetime | None = None,
) -> SessionEvent:
    """
    Write down that something happened, and tell whoever listens.

    ``user`` (or ``user_id``, where only that is known) is whose session it is;
    ``actor`` (or ``actor_id``) is who did it, where that is somebody else; who impersonates
    the user in the request under way is known by itself. ``count`` says how often it happened,
    and ``at`` when, the last time; None: now.
    """
    row = draft(
        event,
        user=user,
        user_id=user_id,
        session_public_id=session_public_id,
        device=device,
        actor=actor,
        actor_id=actor_id,
        outcome=outcome,
        reason=reason,
        client=client,
        count=count,
        at=at,
    )
    record_all([row])
    return row


def draft(
    event: Event,
    *,
    user: models.Model | None = None,
    user_id: UserId = None,
    session_public_id: UUID | None = None,
    device: Device | None = None,
    actor: models.Model | None = None,
    actor_id: UserId = None,
    outcome: Outcome = Outcome.SUCCESS,
    reason: str = "",
    client: ClientInfo | None = None,
    count: int = 1,
    at: datetime | None = None,
) -> SessionEvent:
    """Return an event for record_all(). See record()."""
    user_id = user.pk if user is not None else user_id
    row = SessionEvent(
        at=at or timezone.now(),
        event=event,
        outcome=outcome,
        reason=reason[:64],
        user_id=user_id,
        actor_id=actor.pk if actor is not None else actor_id or acting_for(user_id),
        session_public_id=session_public_id,
        device=device,
        count=count,
        **_client_columns(client),
    )
    if user is not None:
        # Spares whoever listens from asking for it. Not by assigning, which a router that
        # keeps users in another database refuses.
        SessionEvent._meta.get_field("user").set_cached_value(row, user)
    return row


def record_all(rows: Sequence[SessionEvent]) -> None:
    """Write down what happened to many at once: all in one INSERT, each told of by itself."""
    note_stored(rows, EVENTS.insert_many(database(), values_of(rows)))
    tell(rows)


def database() -> str:
    """The alias that events are written to."""
    return router.db_for_write(SessionEvent)


def written() -> SessionEventQuerySet:
    """Return all events from where they are written, which a replica may not be up to."""
    return SessionEvent.objects.using(database())


def password_changed_after(user_id: UserId, moment: datetime) -> datetime | None:
    """Return when somebody's password was first changed after ``moment``; None: it was not."""
    changes = written().filter(user_id=user_id, event=Event.PASSWORD_CHANGED, at__gt=moment)
    first: datetime | None = changes.order_by("id").values_list("at", flat=True).first()
    return first


def values_of(rows: Sequence[SessionEvent]) -> list[dict[str, object]]:
    """Return what is stored of drafts, for who stores them together with something else."""
    return [{name: getattr(row, name) for name in _COLUMNS} for row in rows]


def note_stored(rows: Sequence[SessionEvent], keys: Sequence[int]) -> None:
    """Let drafts be the rows that were stored, under these primary keys."""
    alias = database()
    for row, key in zip(rows, keys, strict=True):
        row.pk = key
        row._state.adding, row._state.db = False, alias


def tell(rows: Sequence[SessionEvent]) -> None:
    """Log what was stored, and send the signal of each."""
    for row in rows:
        level = logging.INFO if row.outcome == Outcome.SUCCESS else logging.WARNING
        if logger.isEnabledFor(level):
            logger.log(level, "%s", _line(row))
        event_recorded.send_robust(sender=SessionEvent, event=row)


def note(event: Event, *, reason: str, client: ClientInfo | None) -> None:
    """
    Write one log line about something refused, and no row.

    For what anybody can cause without limit, such as a forged token: a flood of it
    must not fill the table.
    """
    row = SessionEvent(
        at=timezone.now(),
        event=event,
        outcome=Outcome.FAILURE,
        reason=reason[:64],
        **_client_columns(client),
    )
    logger.warning("%s", _line(row))


def _client_columns(client: ClientInfo | None) -> Columns:
    if client is None:
        return {}
    return {
        "ip_address": client.stored_ip_address,
        "user_agent": client.user_agent,
        "request_id": client.request_id,
    }


def _line(row: SessionEvent) -> str:
    """One JSON object on one line, ASCII only, so that no terminal or parser is fooled."""
    return json.dumps(facts_of(row))


def facts_of(row: SessionEvent) -> JsonObject:
    """
    Return what is told of an event outside of this app, as JSON has it; what is empty is left out.

    ``{"at": "2030-01-02T03:04:05+00:00", "event": "key.reused", "outcome": "failure", …}``
    """
    facts = {
        "at": in_utc(row.at).isoformat(),
        "event": str(row.event),
        "owasp": OWASP_WORDS.get(row.event),
        "outcome": str(row.outcome),
        "reason": str(row.reason) or None,
        "user": None if row.user_id is None else str(row.user_id),
        "actor": None if row.actor_id is None else str(row.actor_id),
        "session": None if row.session_public_id is None else str(row.session_public_id),
        "device": str(row.device.public_id) if row.device is not None else None,
        "ip_address": row.ip_address,
        "user_agent": row.user_agent or None,
        "request_id": row.request_id or None,
        "count": row.count if row.count > 1 else None,
    }
    return {name: value for name, value in facts.items() if value is not None}
