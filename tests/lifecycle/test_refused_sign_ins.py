"""One sign-in too many is answered calmly, at whichever door, and whoever saved the session."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.conf import settings
from django.contrib.auth.models import User
from django.db import connection
from django.test import AsyncClient, Client, override_settings

from sessions_plus.models import Reason, Session
from tests.conftest import PASSWORD

pytestmark = [
    pytest.mark.urls("tests.lifecycle.refusing_site"),
    pytest.mark.django_db(transaction=True),
]

WORDS = "as many devices as this site allows"
JSON = {"accept": "application/json"}
LOGIN = {"username": "root", "password": PASSWORD}
BY_HEADER = {"x-name": "root"}
SIGNING_IN_FIRST = [*settings.MIDDLEWARE, "tests.lifecycle.refusing_site.sign_in_first"]


@pytest.fixture(autouse=True)
def _full(engine: str, staff: User) -> Iterator[None]:
    """The user ``root`` is signed in as often as they may be."""
    with override_settings(
        SESSIONS_PLUS_MAX_SESSIONS_PER_USER=1, SESSIONS_PLUS_ON_SESSION_LIMIT="refuse"
    ):
        assert Client().get("/sync/sign-in/", {"name": "root"}).status_code == 200
        yield
    assert Session.objects.active().exclude(user=None).count() == 1


def is_signed_in(client: Any) -> bool:
    cookie = client.cookies.get(settings.SESSION_COOKIE_NAME)
    return bool(cookie and cookie.value)


DOORS = [
    pytest.param("/sync/sign-in/?name=root", None, id="saved by the middleware"),
    pytest.param("/sync/sign-in-and-save/?name=root", None, id="saved by the view"),
    pytest.param("/account/login/", LOGIN, id="our page"),
    pytest.param("/admin/login/", LOGIN, id="admin"),
]


@pytest.mark.parametrize(("url", "form"), DOORS)
def test_people_get_a_page(url: str, form: dict[str, str] | None) -> None:
    """It says what to do and leads back to the form, and nobody is signed in."""
    client = Client()

    response = client.get(url) if form is None else client.post(url, form)

    assert response.status_code == 403
    assert WORDS in response.text
    assert f'href="{url}"' in response.text
    assert not is_signed_in(client)


@pytest.mark.parametrize(("url", "form"), DOORS)
def test_programs_get_a_code(url: str, form: dict[str, str] | None) -> None:
    """Whoever asks for JSON is told by a code."""
    client = Client(headers=JSON)

    response = client.get(url) if form is None else client.post(url, form)

    assert (response.status_code, response.json()["code"]) == (403, "session_limit_reached")
    assert not is_signed_in(client)


@pytest.mark.parametrize("view", ["sign-in", "sign-in-and-save"])
@pytest.mark.parametrize("headers", [{}, JSON], ids=["page", "JSON"])
def test_async_views(view: str, headers: dict[str, str]) -> None:
    """The same where the view is asynchronous."""
    client = AsyncClient()

    response = async_to_sync(client.get)(f"/async/{view}/?name=root", headers=headers)

    assert response.status_code == 403
    assert WORDS in response.content.decode()
    assert ("application/json" in response.headers["Content-Type"]) == bool(headers)
    assert not is_signed_in(client)


@pytest.mark.parametrize(
    ("method", "url", "extra"),
    [
        pytest.param("get", "/json/?name=root", {}, id="the view answers JSON"),
        pytest.param(
            "post",
            "/sync/sign-in-and-save/?name=root",
            {"data": {}, "content_type": "application/json"},
            id="JSON was sent",
        ),
    ],
)
def test_programs_that_do_not_say_what_they_want(
    method: str, url: str, extra: dict[str, Any]
) -> None:
    """Whoever speaks JSON is answered in JSON, also without an ``Accept`` header."""
    response = getattr(Client(), method)(url, **extra)

    assert (response.status_code, response.json()["code"]) == (403, "session_limit_reached")


def test_rest_framework() -> None:
    """A view of REST framework answers as that does, with our words."""
    client = Client()

    response = client.get("/rest/?name=root", headers=JSON)

    assert response.status_code == 403
    assert WORDS in response.json()["detail"]
    assert not is_signed_in(client)


@override_settings(MIDDLEWARE=SIGNING_IN_FIRST)
def test_a_middleware_that_saves() -> None:
    """Where a middleware signs people in, and no view is asked, it is a refusal, no fault."""
    client = Client()

    response = client.get("/sync/nothing/", headers=BY_HEADER)

    assert response.status_code == 403
    assert not is_signed_in(client)


def test_a_view_with_an_answer_of_its_own() -> None:
    """A view that catches the exception is the one that answers."""
    client = Client()

    response = client.get("/knowing/?name=root")

    assert (response.status_code, response.text) == (409, "Our own words")
    assert not is_signed_in(client)


@pytest.mark.parametrize("headers", [{}, JSON], ids=["page", "JSON"])
def test_saved_in_a_transaction(headers: dict[str, str]) -> None:
    """What is refused after the commit is answered like what is refused before."""
    client = Client(headers=headers)

    response = client.get("/sync/sign-in-and-save-at-once/?name=root")

    assert response.status_code == 403
    assert WORDS in response.text
    assert not is_signed_in(client)
    assert Session.objects.latest("pk").revoked_reason == Reason.LIMIT


def test_on_a_site_whose_views_run_in_transactions(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same under ``ATOMIC_REQUESTS``."""
    monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", True)
    client = Client()

    response = client.get("/sync/sign-in-and-save/?name=root")

    assert response.status_code == 403
    assert WORDS in response.text
    assert not is_signed_in(client)
