"""The page on which people download what is kept of them."""

from __future__ import annotations

import io
import json
from datetime import timedelta
from typing import Any
from zipfile import ZipFile

import pytest
import time_machine
from asgiref.sync import async_to_sync
from django.contrib.auth.models import User
from django.core import mail
from django.test import AsyncClient
from django.utils import timezone

from sessions_plus.models import Event, Session, SessionEvent
from tests.views.conftest import SignIn

pytestmark = pytest.mark.django_db(transaction=True)

DATA = "/account/data/"


def download(client: Any) -> Any:
    """Ask for the archive, and read the answer to its end, as a browser does."""
    response = client.post(DATA)
    if response.streaming:
        response.content_read = response.getvalue()
    return response


def archive_in(response: Any) -> ZipFile:
    return ZipFile(io.BytesIO(response.content_read))


def test_a_copy_is_sent(user: User, sign_in: SignIn) -> None:
    """Whoever has just signed in gets an archive with what is kept of them."""
    response = download(sign_in(user))

    assert response.status_code == 200
    assert response["Content-Type"] == "application/zip"
    assert response["Content-Disposition"].startswith('attachment; filename="account-data-')
    assert "no-store" in response["Cache-Control"]
    (session,) = json.loads(archive_in(response).read("sessions.json"))
    assert session["ip_address"] == "203.0.113.7"


def test_a_copy_is_sent_under_asyncio(user: User, sign_in: SignIn) -> None:
    """The same from an ASGI server."""
    client = AsyncClient()
    client.cookies = sign_in(user).cookies

    async def ask() -> bytes:
        response: Any = await client.post(DATA)
        return b"".join([part async for part in response.streaming_content])

    assert "events.json" in ZipFile(io.BytesIO(async_to_sync(ask)())).namelist()


def test_looking_sends_nothing(user: User, sign_in: SignIn) -> None:
    """The page asks first."""
    response = sign_in(user).get(DATA)

    assert "Download my data" in response.content.decode()
    assert not SessionEvent.objects.filter(event=Event.DATA_EXPORTED).exists()


@pytest.mark.parametrize("method", ["get", "post"])
def test_a_fresh_proof_is_asked_for(user: User, sign_in: SignIn, method: str) -> None:
    """Whoever proved themselves long ago does so again."""
    client = sign_in(user)
    Session.objects.update(reauthenticated_at=timezone.now() - timedelta(hours=1))

    response = getattr(client, method)(DATA)

    assert response.status_code == 302
    assert response["Location"].startswith("/account/reauthenticate/")


def test_once_a_day(user: User, sign_in: SignIn) -> None:
    """After a download the next one waits for a day, and the page says until when."""
    client = sign_in(user)
    download(client)

    again = client.post(DATA)
    with time_machine.travel(timezone.now() + timedelta(days=1, seconds=1)):
        tomorrow = download(sign_in(user))

    assert "can be made from" in again.content.decode()
    assert tomorrow["Content-Type"] == "application/zip"


def test_others_do_not_wait(user: User, other_user: User, sign_in: SignIn) -> None:
    """The pause is each person's own."""
    download(sign_in(user))

    assert download(sign_in(other_user))["Content-Type"] == "application/zip"


def test_it_is_told_by_mail(user: User, sign_in: SignIn) -> None:
    """A download is an event, and its person is told of it."""
    client = sign_in(user)
    mail.outbox.clear()

    download(client)

    assert SessionEvent.objects.get(event=Event.DATA_EXPORTED).user == user
    assert [letter.subject for letter in mail.outbox] == ["Your data was downloaded"]


def test_strangers_sign_in_first(db: None, client: Any) -> None:
    """Nobody gets anything without signing in."""
    assert client.post(DATA).status_code == 302


def test_the_activity_page_leads_there(user: User, sign_in: SignIn) -> None:
    """It is found where people look at what happened."""
    assert f'href="{DATA}"' in sign_in(user).get("/account/activity/").content.decode()


def test_a_large_copy_is_streamed(
    user: User, sign_in: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What does not fit in memory goes through a file."""
    from sessions_plus.views import data

    monkeypatch.setattr(data, "IN_MEMORY_BYTES", 1)

    response: Any = download(sign_in(user))

    assert archive_in(response).testzip() is None
