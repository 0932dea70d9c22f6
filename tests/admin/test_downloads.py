"""What a list of the admin shows, as a file."""

from __future__ import annotations

import csv
import json
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.utils import timezone

from sessions_plus.client_info import ClientInfo
from sessions_plus.events import record
from sessions_plus.models import Event, Outcome, SessionEvent
from tests.support.authenticators import enrol

EVENTS = "/admin/sessions_plus/sessionevent/"
SESSIONS = "/admin/sessions_plus/session/"


def fail(user: User, agent: str = "Mozilla/5.0") -> SessionEvent:
    client = ClientInfo.of(ip_address="198.51.100.7", user_agent=agent)
    return record(Event.SIGN_IN_FAILED, user=user, outcome=Outcome.FAILURE, client=client)


def body(response: Any) -> str:
    assert response.status_code == 200
    return b"".join(response.streaming_content).decode()


def test_what_is_filtered_is_downloaded(desk: Client, user: User) -> None:
    """The file has the rows of the list that led to it, and no other, in both forms."""
    failed, old = fail(user), fail(user)
    SessionEvent.objects.filter(pk=old.pk).update(at=timezone.now() - timedelta(days=9))
    record(Event.PASSWORD_CHANGED, user=user)
    page = desk.get(EVENTS, {"event__exact": "sign_in.failed"})
    assert "download.csv?event__exact=sign_in.failed" in page.content.decode()

    lines = body(desk.get(f"{EVENTS}download.jsonl?event__exact=sign_in.failed")).splitlines()
    table = list(csv.DictReader(StringIO(body(desk.get(f"{EVENTS}download.csv?q=ann")))))

    assert {json.loads(line)["event"] for line in lines} == {"sign_in.failed"}
    assert len(lines) == 2
    assert {row["user"] for row in table} == {"ann"}
    assert {row["ip_address"] for row in table} >= {failed.ip_address}
    assert "password.changed" in {row["event"] for row in table}


def test_no_cell_is_a_formula(desk: Client, user: User) -> None:
    """What a stranger's browser calls itself is text in a spreadsheet."""
    fail(user, agent='=HYPERLINK("https://evil.example")')

    text = body(desk.get(f"{EVENTS}download.csv"))

    assert "'=HYPERLINK" in text


def test_sessions_without_secrets(desk: Client, user: User) -> None:
    """A session's row has who, where and when; neither key, digest nor data."""
    enrol(user)
    text = body(desk.get(f"{SESSIONS}download.jsonl"))

    facts = json.loads(text.splitlines()[0])
    assert facts["user"] == "root"
    assert not [name for name in facts if "key" in name or "hash" in name or name == "data"]
    assert desk.cookies["sessionid"].value not in text


@pytest.mark.parametrize(("permission", "status"), [("view_sessionevent", 200), ("", 403)])
def test_takes_the_permission_to_view(user: User, permission: str, status: int) -> None:
    """Whoever may read the list may download it; nobody else."""
    user.is_staff = True
    user.save()
    user.user_permissions.set(Permission.objects.filter(codename=permission))
    support = Client()
    support.force_login(user)

    assert support.get(f"{EVENTS}download.csv").status_code == status
    assert Client().get(f"{EVENTS}download.csv").status_code == 302


def test_no_other_form(desk: Client) -> None:
    assert desk.get(f"{EVENTS}download.exe").status_code == 404
