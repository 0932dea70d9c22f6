"""
What people are shown of what happened to their account: one act, one row.

Invariant for whoever edits this: nothing here tells where somebody else was, who acted on the
account. A page is a fixed number of queries.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import UUID

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from sessions_plus.client_info.location import locate
from sessions_plus.client_info.user_agent import parse_user_agent
from sessions_plus.models import Event, Outcome, Reason, Session, SessionEvent
from sessions_plus.rows import session_row

if TYPE_CHECKING:
    from sessions_plus.models.event import SessionEventQuerySet

# What else an act ended stands in the row of the act, which has an event of its own.
CONSEQUENCES = (
    Reason.REPLACED,
    Reason.PASSWORD_CHANGED,
    Reason.FACTOR_CHANGED,
    Reason.DEVICE_REVOKED,
    Reason.KEY_REUSED,
    Reason.CLIENT_CHANGED,
    Reason.LIMIT,
)

# Between being asked for a code and having entered it: a challenge lasts no longer.
SIGN_IN_TAKES = timedelta(minutes=10)


class Topic(models.TextChoices):
    """What people look for in their activity."""

    SIGN_INS = "sign-ins", gettext_lazy("Sign-ins")
    FAILED = "failed", gettext_lazy("Failed attempts")
    DEVICES = "devices", gettext_lazy("Devices")
    SECURITY = "security", gettext_lazy("Password and second factor")

    def condition(self) -> Q:
        if self is Topic.FAILED:
            return Q(outcome=Outcome.FAILURE)
        return Q(event__in=EVENTS[self])


EVENTS: dict[Topic, tuple[Event, ...]] = {
    Topic.SIGN_INS: (
        Event.SESSION_STARTED,
        Event.SESSION_SIGNED_OUT,
        Event.SESSION_EXPIRED,
        Event.SESSION_REVOKED,
        Event.CHALLENGE_STARTED,
    ),
    Topic.DEVICES: (
        Event.DEVICE_FIRST_SEEN,
        Event.DEVICE_RENAMED,
        Event.DEVICE_REVOKED,
        Event.DEVICE_TRUSTED,
        Event.DEVICE_DISTRUSTED,
        Event.DEVICE_KEY_REGISTERED,
        Event.DEVICE_KEY_REFUSED,
        Event.DEVICE_KEY_MISSING,
    ),
    Topic.SECURITY: (
        Event.PASSWORD_CHANGED,
        Event.PASSWORD_REMOVED,
        Event.PASSWORD_RESET_REQUESTED,
        Event.AUTHENTICATOR_ADDED,
        Event.AUTHENTICATOR_REMOVED,
        Event.AUTHENTICATOR_RENAMED,
        Event.AUTHENTICATOR_DISABLED,
        Event.AUTHENTICATOR_CLONED,
        Event.RECOVERY_CODES_MADE,
        Event.RECOVERY_CODE_USED,
    ),
}


@dataclass(frozen=True, slots=True)
class Act:
    """
    One row of one's activity.

    ``device``
        what it happened to: a device's name, or the browser that did it.
    ``sender``
        what it was done with, where that is another; "" for what somebody else did.
    ``place``, ``ip_address``
        where from; "" for what somebody else did.
    ``session``
        the public id of its session, where there is a page about it.
    """

    event: SessionEvent
    title: str
    device: str
    sender: str
    place: str
    ip_address: str
    session: UUID | None


def acts_of(user: models.Model, topic: Topic | None = None) -> SessionEventQuerySet:
    """Return the events that have a row, the newest first, to be cut into pages."""
    events = SessionEvent.objects.using(session_row.database()).shown_to(user)
    if topic is not None:
        events = events.filter(topic.condition())
    if topic is not Topic.DEVICES:
        events = events.exclude(event=Event.DEVICE_FIRST_SEEN, session_public_id__isnull=False)
    return (
        events.exclude(event=Event.SESSION_REVOKED, reason__in=CONSEQUENCES)
        .exclude(event=Event.DEVICE_DISTRUSTED, reason=Reason.PASSWORD_CHANGED)
        .select_related("device")
        .order_by("-id")
    )


def in_rows(user: models.Model, events: Sequence[SessionEvent]) -> list[Act]:
    """Return the rows of a page of acts_of(): one less where a sign-in asked for a code first."""
    known = _Known.of(user, events)
    return [_act(event, known) for event in events if event.pk not in known.completed]


@dataclass(frozen=True, slots=True)
class _Known:
    """
    What the rows of a page ask for.

    sessions   by public id: place and address of those that are still stored
    new        public ids of sessions that began on a new device
    completed  challenges that became a sign-in
    """

    sessions: dict[UUID, tuple[str, str | None]]
    new: frozenset[UUID]
    completed: frozenset[int]

    @classmethod
    def of(cls, user: models.Model, events: Sequence[SessionEvent]) -> _Known:
        names = {event.session_public_id for event in events if event.session_public_id}
        alias = session_row.database()
        # A session in which somebody acts as the user tells where they are.
        sessions = Session.objects.using(alias).for_user(user).filter(actor=None)
        stored = sessions.filter(public_id__in=names)
        first_seen = SessionEvent.objects.using(alias).for_user(user)
        first_seen = first_seen.filter(event=Event.DEVICE_FIRST_SEEN, session_public_id__in=names)
        new = first_seen.values_list("session_public_id", flat=True)
        return cls(
            sessions={
                name: (place, address)
                for name, place, address in stored.values_list(
                    "public_id", "location", "ip_address"
                )
            },
            new=frozenset(name for name in new if name is not None),
            completed=_completed(user, events),
        )


def _completed(user: models.Model, events: Sequence[SessionEvent]) -> frozenset[int]:
    """The challenges that a sign-in from the same browser and address followed in time."""
    asked = [event for event in events if event.event == Event.CHALLENGE_STARTED]
    if not asked:
        return frozenset()
    started = SessionEvent.objects.using(session_row.database()).for_user(user)
    started = started.filter(
        event=Event.SESSION_STARTED,
        at__gte=min(event.at for event in asked),
        at__lte=max(event.at for event in asked) + SIGN_IN_TAKES,
    )
    found = list(started.values_list("at", "user_agent", "ip_address"))
    return frozenset(
        event.pk
        for event in asked
        if any(
            (agent, address) == (event.user_agent, event.ip_address)
            and event.at <= at <= event.at + SIGN_IN_TAKES
            for at, agent, address in found
        )
    )


def _act(event: SessionEvent, known: _Known) -> Act:
    name = event.session_public_id
    by_another = event.is_by_another
    sender = "" if by_another or not event.user_agent else parse_user_agent(event.user_agent).label
    device = event.device.label if event.device is not None else sender
    of_device = event.device.agent_label if event.device is not None else sender
    return Act(
        event=event,
        title=_title(event, known),
        device=device,
        sender=sender if sender != of_device else "",
        place="" if by_another else _place(event, known),
        ip_address="" if by_another else event.ip_address or "",
        session=name if name in known.sessions else None,
    )


def _title(event: SessionEvent, known: _Known) -> str:
    if event.event == Event.SESSION_STARTED and event.session_public_id in known.new:
        return _("Signed in on a new device")
    return str(event.get_event_display())


def _place(event: SessionEvent, known: _Known) -> str:
    """Where it came from: as it was looked up for the session, if it was the same address."""
    if event.ip_address is None:
        return ""
    name = event.session_public_id
    place, address = known.sessions.get(name, ("", None)) if name is not None else ("", None)
    return place if place and address == event.ip_address else locate(event.ip_address)
