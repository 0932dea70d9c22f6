"""Where things are in the admin, and what staff do there."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from sessions_plus.models import Device, Event, Session, SessionEvent

SESSIONS = "admin:sessions_plus_session_changelist"
EVENTS = "admin:sessions_plus_sessionevent_changelist"
DEVICES = "admin:sessions_plus_device_changelist"


def make_many(person: User, count: int) -> None:
    """Rows of many people and devices, for the count of queries."""
    for number in range(count):
        owner = User.objects.create(username=f"{person.username}-{number}")
        device = Device.objects.create(user=owner, token_hash=f"{number}", name=f"No. {number}")
        session = Session.objects.create(
            user=owner,
            device=device,
            key_hash="k" * 64,
            expire_date=timezone.now() + timedelta(days=1),
            revoked_by=person,
        )
        SessionEvent.objects.create(
            event=Event.SESSION_STARTED,
            user=owner,
            actor=person,
            device=device,
            session_public_id=session.public_id,
        )


def act(desk: Client, action: str, *sessions: Session, url: str = SESSIONS, **extra: Any) -> Any:
    data = {"action": action, "_selected_action": [row.pk for row in sessions], **extra}
    return desk.post(reverse(url), data, follow=True)


def said(response: Any) -> str:
    return " ".join(str(message) for message in response.context["messages"])
