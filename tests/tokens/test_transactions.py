"""Tokens on a site whose views run in transactions (``ATOMIC_REQUESTS``)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.test import Client
from django.urls import include, path
from django.utils import timezone
from pytest_django import Settings

from sessions_plus.models import Session
from sessions_plus.tokens.guards import bearer_required
from tests.api.conftest import Caller
from tests.tokens.factories import new_tokens

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("engine")]


@bearer_required
def guarded(request: HttpRequest) -> HttpResponse:
    return HttpResponse(str(connection.in_atomic_block))


urlpatterns = [path("guarded", guarded), path("api/", include("sessions_plus.api.urls"))]


@pytest.fixture(autouse=True)
def atomic_requests(settings: Settings) -> Iterator[None]:
    settings.ROOT_URLCONF = __name__
    connection.settings_dict["ATOMIC_REQUESTS"] = True
    yield
    connection.settings_dict["ATOMIC_REQUESTS"] = False


def test_activity_is_recorded(user: Any) -> None:
    """A request with an access token renews its session, once its transaction is over."""
    with time_machine.travel(timezone.now(), tick=False) as clock:
        tokens = new_tokens(user)
        clock.shift(timedelta(minutes=2))
        headers = {"authorization": f"Bearer {tokens.access}", "user-agent": "shop/1.0"}

        response = Client().get("/guarded", headers=headers)

        assert response.content == b"True"
        assert Session.objects.get().last_activity == timezone.now()


def test_refreshing_renews_the_session(user: Any) -> None:
    """Who refreshes in time is not signed out for a pause that never was."""
    with time_machine.travel(timezone.now(), tick=False) as clock:
        refresh = new_tokens(user).refresh
        for _ in range(3):
            clock.shift(timedelta(days=5))
            response = Caller()("post", "token_refresh", {"refresh": refresh})
            assert response.status_code == 200, response.content
            refresh = response.json()["refresh"]


def test_reuse_ends_the_session_for_good(user: Any) -> None:
    """The end of a session after a replay is not rolled back with the refused request."""
    first = new_tokens(user).refresh
    second = Caller()("post", "token_refresh", {"refresh": first}).json()["refresh"]
    Caller()("post", "token_refresh", {"refresh": second})

    assert Caller()("post", "token_refresh", {"refresh": first}).status_code == 401

    assert Session.objects.get().revoked_at is not None


def test_wrong_password_is_recorded(user: Any) -> None:
    """What a refused request leaves in the audit and the counters stays there."""
    from sessions_plus.models import Event, SessionEvent

    body = {"username": "ann", "password": "wrong"}

    assert Caller()("post", "token_issue", body).status_code == 401

    assert SessionEvent.objects.filter(event=Event.SIGN_IN_FAILED).count() == 1
