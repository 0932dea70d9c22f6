"""The session limit at the doors of the API."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.contrib.auth.models import User
from django.test import Client, override_settings
from django.urls import reverse

from sessions_plus.models import Kind, Session

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _limit() -> Iterator[None]:
    with override_settings(
        SESSIONS_PLUS_MAX_SESSIONS_PER_USER=1,
        SESSIONS_PLUS_MAX_API_SESSIONS_PER_USER=1,
        SESSIONS_PLUS_ON_SESSION_LIMIT="refuse",
    ):
        yield


@pytest.mark.parametrize(("door", "kind"), [("login", Kind.BROWSER), ("token_issue", Kind.API)])
def test_one_too_many_is_told_by_a_code(
    engine: str, user: User, password: str, door: str, kind: Kind
) -> None:
    """Signing in by cookie and by token both answer 403 with the same code."""
    url = reverse(f"sessions_plus_api:{door}")
    given = {"username": "ann", "password": password}

    first = Client().post(url, given, content_type="application/json")
    second = Client().post(url, given, content_type="application/json")

    assert first.status_code in {200, 201}, first.content
    assert (second.status_code, second.json()["code"]) == (403, "session_limit_reached")
    assert not any(morsel.value for morsel in second.cookies.values() if morsel.key == "sessionid")
    assert Session.objects.active().filter(kind=kind).count() == 1
