"""
A bearer beside a cookie: the proof of the one is none of the other.

The attacker has an account of their own, with a second factor that they just proved, and a
victim's access token, good for some minutes.
"""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from sessions_plus.models import Authenticator, RecoveryCode, Session
from tests.support.authenticators import enrol
from tests.tokens.factories import new_tokens

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.support.gated")]

BEARERS = "sessions_plus.tokens.guards.BearerMiddleware"


@pytest.fixture(autouse=True)
def _site(settings: Any) -> None:
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, BEARERS]
    settings.LOGIN_URL = "/account/login/"


@pytest.fixture
def attacker(user: User, other_user: User, password: str) -> Client:
    """A browser with the attacker's own fresh session and the victim's token in its header."""
    app = enrol(other_user)
    victims = enrol(user)
    assert victims.recovery_codes
    token = new_tokens(user, methods=("pwd", "otp")).access
    Session.objects.for_user(user).update(reauthenticated_at=None)
    client = Client(headers={"user-agent": "shop/1.0"})
    client.post("/account/login/", {"username": "ben", "password": password})
    client.post("/account/challenge/", {"code": app.code()})
    client.defaults["HTTP_AUTHORIZATION"] = f"Bearer {token}"
    return client


@pytest.mark.parametrize(
    "path",
    [
        "/account/security/recovery-codes/make/",
        "/account/security/totp/begin/",
        "/account/devices/revoke-others/",
    ],
)
def test_nothing_of_the_victims_is_changed(attacker: Client, user: User, path: str) -> None:
    """The victim's codes, factors and sessions stay; the answer is that nobody knows who asks."""
    codes = set(RecoveryCode.objects.filter(user=user).values_list("pk", flat=True))

    response = attacker.post(path, headers={"accept": "application/json"})

    assert (response.status_code, response.json()["code"]) == (403, "conflicting_sessions")
    assert set(RecoveryCode.objects.filter(user=user).values_list("pk", flat=True)) == codes
    assert Authenticator.objects.for_user(user).count() == 1
    assert Session.objects.for_user(user).filter(revoked_at=None).count() == 1


def test_a_factor_is_not_removed(attacker: Client, user: User) -> None:
    """The victim's authenticator stays."""
    own = Authenticator.objects.for_user(user).get()

    response = attacker.post(f"/account/security/{own.public_id}/remove/")

    assert response.status_code == 403
    assert Authenticator.objects.for_user(user).exists()


def test_a_view_for_bearers_asks_the_bearers_session(attacker: Client) -> None:
    """A view that takes bearers and asks for a fresh proof does not look into the cookie."""
    response = attacker.get("/bearer-fresh/")

    assert (response.status_code, response.json()["code"]) == (403, "conflicting_sessions")


def test_a_fresh_bearer_needs_no_cookie(user: User) -> None:
    """What the token's own session proved a moment ago counts."""
    enrol(user)
    token = new_tokens(user, methods=("pwd", "otp")).access
    headers = {"user-agent": "shop/1.0", "authorization": f"Bearer {token}"}

    assert Client().get("/bearer-fresh/", headers=headers).content == b"fresh"
    assert Client().get("/fresh/", headers=headers).content == b"fresh"


def test_an_anonymous_cookie_is_nobody(user: User) -> None:
    """A cart beside a token proves nothing and stands in no way."""
    enrol(user)
    token = new_tokens(user, methods=("pwd", "otp")).access
    client = Client(headers={"user-agent": "shop/1.0", "authorization": f"Bearer {token}"})
    session = client.session
    session["cart"] = [1]
    session.save()

    assert client.get("/fresh/").content == b"fresh"
    assert client.session["cart"] == [1]


def test_ones_own_cookie_beside_ones_own_token(user: User, password: str) -> None:
    """The token's session is the authority: a stale one is not made fresh by the cookie's."""
    enrol(user)
    tokens = new_tokens(user, methods=("pwd", "otp"))
    Session.objects.update(reauthenticated_at=None)
    client = Client(headers={"user-agent": "shop/1.0"})
    client.force_login(user)
    client.defaults["HTTP_AUTHORIZATION"] = f"Bearer {tokens.access}"

    response = client.get("/bearer-fresh/")

    assert response.json()["code"] == "reauthentication_required"


def test_stateless_verification_proves_nothing_lately(user: User, settings: Any) -> None:
    """Where nobody asks the session, nobody knows when anything was proved."""
    settings.SESSIONS_PLUS_TOKEN_VERIFICATION = "stateless"
    token = new_tokens(user).access
    headers = {"user-agent": "shop/1.0", "authorization": f"Bearer {token}"}

    assert Client().get("/bearer/", headers=headers).status_code == 200
    assert Client().get("/fresh/", headers=headers).json()["code"] == "reauthentication_required"


def test_a_borrowed_key_changes_nothing_of_its_session(user: User, password: str) -> None:
    """A browser's session key as a bearer cannot prove anew: the browser has to keep its key."""
    client = Client(headers={"user-agent": "shop/1.0"})
    client.force_login(user)
    key = client.cookies["sessionid"].value
    borrowed = Client(headers={"user-agent": "shop/1.0", "authorization": f"Bearer {key}"})

    response = borrowed.post(
        "/api/reauthenticate/", {"password": password}, content_type="application/json"
    )

    assert (response.status_code, response.json()["code"]) == (403, "permission_denied")
    assert client.get("/plain/").status_code == 200
