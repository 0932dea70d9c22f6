"""What a list of the admin shows, as a file."""

from __future__ import annotations

import csv
import json
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth.models import Permission, User
from django.test import AsyncClient, Client
from django.utils import timezone

from sessions_plus.admin import downloads, listing
from sessions_plus.client_info import ClientInfo
from sessions_plus.events import record
from sessions_plus.models import Event, Outcome, SessionEvent
from tests.support.authenticators import enrol

DEVICES = "/admin/sessions_plus/device/"
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


@pytest.mark.parametrize("sign", ["=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20"])
def test_no_cell_is_a_formula(desk: Client, user: User, sign: str) -> None:
    """What a stranger's browser calls itself is text in a spreadsheet, and whole in JSON."""
    agent = f'{sign}HYPERLINK("https://evil.example")'
    fail(user, agent=agent)

    table = list(csv.DictReader(StringIO(body(desk.get(f"{EVENTS}download.csv")))))
    lines = [json.loads(line) for line in body(desk.get(f"{EVENTS}download.jsonl")).splitlines()]

    assert f"'{agent}" in {row["user_agent"] for row in table}
    assert not [cell for row in table for cell in row.values() if cell.startswith(sign)]
    assert agent in {line["user_agent"] for line in lines}


@pytest.mark.parametrize("sign", ["\t=", "\r=", "\n="])
def test_no_line_begins_a_formula(sign: str) -> None:
    """Nor does what a program skips before the sign make one."""
    assert downloads._no_formula(f"{sign}1") == f"'{sign}1"
    assert downloads._no_formula(-1) == -1


def test_devices_without_secrets(desk: Client, user: User, sign_in: Any) -> None:
    """A device's row has what the list shows, by the list's filters, and no digest."""
    sign_in(user)
    lines = body(desk.get(f"{DEVICES}download.jsonl?state=in_use&user={user.pk}")).splitlines()

    (facts,) = map(json.loads, lines)
    assert facts["user"] == "ann"
    assert not [name for name in facts if "hash" in name]
    assert not body(desk.get(f"{DEVICES}download.jsonl?state=revoked"))


def test_has_what_the_list_leaves_out(
    desk: Client, user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A list looks through the newest rows and says so; its download has all, newest first."""
    monkeypatch.setattr(listing, "LOOKED_THROUGH", 3)
    monkeypatch.setattr(downloads, "READ_AT_ONCE", 2)
    for _ in range(7):
        fail(user)

    page = desk.get(EVENTS, {"event__exact": "sign_in.failed"})
    lines = body(desk.get(f"{EVENTS}download.jsonl?event__exact=sign_in.failed")).splitlines()

    assert page.context["cl"].result_count == 3
    assert "These are of the newest 3." in page.content.decode()
    assert "A download has them all." in page.content.decode()
    moments = [json.loads(line)["at"] for line in lines]
    assert len(moments) == 7
    assert moments == sorted(moments, reverse=True)


def test_is_read_in_parts(
    desk: Client, user: User, monkeypatch: pytest.MonkeyPatch, django_assert_max_num_queries: Any
) -> None:
    """A part is read once those before it were sent: no more than one is in memory."""
    monkeypatch.setattr(downloads, "READ_AT_ONCE", 2)
    for _ in range(5):
        fail(user)
    response: Any = desk.get(f"{EVENTS}download.jsonl?event__exact=sign_in.failed")

    with django_assert_max_num_queries(2) as first:
        next(iter(response.streaming_content))

    # The rows, and whose they are.
    (read,) = (one["sql"] for one in first if "sessions_plus_sessionevent" in one["sql"])
    assert read.endswith("LIMIT 2")
    assert len(b"".join(response.streaming_content).splitlines()) == 4


def test_streams_under_asgi(staff: User, user: User) -> None:
    """There too it is sent in parts, where Django would keep a plain iterator in memory first."""
    fail(user)
    browser = AsyncClient()

    async def download() -> tuple[bool, bytes]:
        await browser.aforce_login(staff)
        response: Any = await browser.get(f"{EVENTS}download.jsonl?event__exact=sign_in.failed")
        return response.is_async, b"".join([part async for part in response.streaming_content])

    is_async, sent = async_to_sync(download)()

    assert is_async
    assert json.loads(sent)["event"] == "sign_in.failed"


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
