"""
OWASP ASVS 5.0, row 7.4.1: what somebody had before signing out opens nothing, at any address.

A thief asks every address of ours with it, and is answered as a stranger is.
"""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.cache import caches
from django.test import Client
from django.urls import reverse

from sessions_plus.models import Session
from tests.security.addresses import addresses
from tests.tokens.factories import new_tokens

pytestmark = pytest.mark.django_db(transaction=True)

METHODS = ("get", "post", "patch", "delete")
COPIES = [
    "key as cookie",
    "key as bearer",
    "access token as bearer",
    "refresh token as bearer",
    "refresh token as cookie",
]
# What everybody is shown: where to sign in, the way to a new password, and which keys sign tokens.
FOR_EVERYBODY = {
    "sessions_plus:login",
    "sessions_plus:passkey_sign_in_options",
    "sessions_plus:recover",
    "sessions_plus:password_reset",
    "sessions_plus:password_reset_done",
    "sessions_plus:password_reset_complete",
    "sessions_plus:password_reset_confirm",
    "sessions_plus_api:jwks",
    "sessions_plus_api:token_passkey_options",
}


@pytest.fixture(autouse=True)
def no_rates(settings: Any) -> None:
    rates = dict.fromkeys(("requests", "sign_in", "refresh"))
    settings.SESSIONS_PLUS_API_THROTTLE_RATES = rates
    caches["default"].clear()


def signed_in(user: User, password: str) -> Client:
    client = Client()
    client.post(
        reverse("sessions_plus:login"), {"username": user.get_username(), "password": password}
    )
    return client


def signed_out_copies(user: User, password: str) -> dict[str, str]:
    """Sign in and out by browser and by program; return what a thief copied meanwhile."""
    browser, tokens = signed_in(user, password), new_tokens(user)
    key = browser.cookies["sessionid"].value
    assert browser.get(reverse("sessions_plus:session_list")).status_code == 200
    browser.post(reverse("sessions_plus:logout"))
    program = Client(headers={"authorization": f"Bearer {tokens.access}"})
    done = program.post(reverse("sessions_plus_api:logout"), {}, "application/json")
    assert done.status_code == 204
    return {"key": key, "access token": tokens.access, "refresh token": tokens.refresh}


def holding(copies: dict[str, str], which: str) -> Client:
    what, _, how = which.partition(" as ")
    if how == "bearer":
        return Client(headers={"authorization": f"Bearer {copies[what]}"})
    client = Client()
    client.cookies["sessionid"] = copies[what]
    return client


@pytest.mark.parametrize("which", COPIES)
def test_asvs_7_4_1(engine: str, user: User, password: str, which: str) -> None:
    """Every address of the pages and the API takes it for nothing, and nothing else ends."""
    other = signed_in(user, password)
    session = Session.objects.get()
    facts = {
        "public_id": str(session.public_id),
        "user_id": str(user.pk),
        "token": "x",
        "uidb64": "MQ",
    }
    copies = signed_out_copies(user, password)
    shown = set()

    for address in addresses():
        for method in METHODS:
            path = address.path(**facts)
            ours, theirs = (
                getattr(client, method)(path, data={}, content_type="application/json")
                if method != "get"
                else client.get(path)
                for client in (holding(copies, which), Client())
            )

            assert ours.status_code == theirs.status_code, (method, path)
            assert not is_known(ours), (method, path)
            if ours.status_code < 300:
                shown.add(address.name)

    assert shown == FOR_EVERYBODY
    assert other.get(reverse("sessions_plus:session_list")).status_code == 200


def is_known(response: Any) -> bool:
    """Say whether the view took the request for somebody's."""
    user = getattr(response.wsgi_request, "user", None)
    return user is not None and user.is_authenticated


def test_asvs_7_4_1_for_new_tokens(engine: str, user: User, password: str) -> None:
    """The refresh token makes no new ones, and ending it again ends nothing else."""
    other = signed_in(user, password)
    given = {"refresh": signed_out_copies(user, password)["refresh token"]}

    answers = [
        Client().post(reverse(f"sessions_plus_api:{name}"), given, "application/json")
        for name in ("token_refresh", "token_revoke")
    ]

    assert [answer.status_code for answer in answers] == [401, 204]
    assert other.get(reverse("sessions_plus:session_list")).status_code == 200
