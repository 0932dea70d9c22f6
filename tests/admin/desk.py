"""Where things are in the admin, and what staff do there."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from sessions_plus.models import Device, Event, Session, SessionEvent
from tests.conftest import PASSWORD

ROOT = Path(__file__).resolve().parents[2]

SESSIONS = "admin:sessions_plus_session_changelist"
EVENTS = "admin:sessions_plus_sessionevent_changelist"
DEVICES = "admin:sessions_plus_device_changelist"
USERS = "admin:auth_user_changelist"


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


def answer(desk: Client, question: Any) -> Any:
    """Press the button of a question, as a browser does."""
    data: dict[str, list[str]] = {}
    for name, value in question.context["carried"]:
        data.setdefault(name, []).append(str(value))
    asked = question.request
    address = f"{asked['PATH_INFO']}?{asked['QUERY_STRING']}"
    return desk.post(address, data, follow=True)


def said(response: Any) -> str:
    return " ".join(str(message) for message in response.context["messages"])


PERMISSIONS = re.compile(r"^\| `(\w+)\.(\w+)` \|", re.MULTILINE)


def documented_permissions() -> set[tuple[str, str]]:
    """What docs/help-desk.md says that the help desk needs: app and codename."""
    text = (ROOT / "docs/help-desk.md").read_text(encoding="utf-8")
    return {(found[1], found[2]) for found in PERMISSIONS.finditer(text)}


def make_support(*without: str, name: str = "sam") -> User:
    """Somebody of the help desk, with the documented permissions and no other."""
    person = User.objects.create_user(name, f"{name}@example.com", PASSWORD, is_staff=True)
    for app, codename in documented_permissions():
        if codename not in without:
            person.user_permissions.add(
                Permission.objects.get(content_type__app_label=app, codename=codename)
            )
    return person


def signed_in(person: User) -> Client:
    client = Client()
    client.force_login(person)
    return client
