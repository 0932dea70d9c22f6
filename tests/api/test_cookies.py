"""Signing in on the session cookie, as a page that is one program does."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.utils import timezone

from sessions_plus.models import Kind, Reason, Session
from tests.api.conftest import Caller, give_csrf_token

pytestmark = pytest.mark.django_db


def test_login(web: Caller) -> None:
    """Signing in sets the session cookie; from then on the cookie opens the API."""
    session = Session.objects.get()

    assert session.kind == Kind.BROWSER
    assert web("get", "session_list").json()["results"][0]["is_current"] is True
    assert web.client.cookies["sessionid"]["httponly"]


def test_login_tells_the_session(user: Any, password: str) -> None:
    """The answer names the session, and holds no secret."""
    caller = Caller()
    give_csrf_token(caller)

    response = caller("post", "login", {"username": "ann", "password": password})

    assert response.json() == {"session": str(Session.objects.get().public_id)}


@pytest.mark.parametrize("name", ["login", "login_challenge"])
def test_login_needs_the_csrf_token(user: Any, password: str, stranger: Caller, name: str) -> None:
    """No other site can sign its visitors in here."""
    response = stranger("post", name, {"username": "ann", "password": password})

    assert (response.status_code, response.json()["code"]) == (403, "csrf_failed")
    assert not Session.objects.exists()


def test_wrong_password(user: Any, stranger: Caller) -> None:
    """A wrong password signs nobody in."""
    give_csrf_token(stranger)

    response = stranger("post", "login", {"username": "ann", "password": "wrong"})

    assert (response.status_code, response.json()["code"]) == (401, "invalid_credentials")


def test_logout(web: Caller) -> None:
    """Signing out ends the session and takes the cookie away."""
    response = web("post", "logout")

    assert response.status_code == 204
    assert response.cookies["sessionid"].value == ""
    assert Session.objects.get().revoked_reason == Reason.SIGNED_OUT
    assert web("get", "session_list").status_code == 401


def test_logout_of_a_program(program: Caller) -> None:
    """With a bearer token, its session ends."""
    assert program("post", "logout").status_code == 204

    assert program("get", "session_list").status_code == 401
    assert Session.objects.get().revoked_reason == Reason.SIGNED_OUT


def test_cookie_needs_the_csrf_token(web: Caller) -> None:
    """What a cookie changes needs the CSRF token; what it reads does not."""
    web.sends_csrf = False

    assert web("get", "session_list").status_code == 200
    response = web("post", "revoke_others")
    assert (response.status_code, response.json()["code"]) == (403, "csrf_failed")


def test_reauthentication(user: Any, password: str) -> None:
    """Proving oneself again gives the session a new key, and the old one is dead."""
    with time_machine.travel(timezone.now(), tick=False) as clock:
        caller = Caller()
        give_csrf_token(caller)
        caller("post", "login", {"username": "ann", "password": password})
        clock.shift(timedelta(minutes=20))
        assert caller("post", "revoke_others").status_code == 403
        old = caller.client.cookies["sessionid"].value

        response = caller("post", "reauthenticate", {"password": password})

        assert response.status_code == 200, response.content
        assert caller.client.cookies["sessionid"].value != old
        assert caller("post", "revoke_others").status_code == 200


def test_session_key_as_bearer(web: Caller) -> None:
    """The key of a browser's session opens the API from the header, without CSRF token."""
    caller = Caller(web.client.cookies["sessionid"].value)

    assert caller("post", "revoke_others").status_code == 200


def test_session_key_as_bearer_gets_no_new_one(web: Caller, password: str) -> None:
    """A program that borrows a browser's key cannot change it under the browser's hands."""
    caller = Caller(web.client.cookies["sessionid"].value)

    response = caller("post", "reauthenticate", {"password": password})

    assert response.status_code == 403
    assert web("get", "session_list").status_code == 200
