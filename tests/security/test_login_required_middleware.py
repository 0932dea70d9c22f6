"""Under Django's ``LoginRequiredMiddleware`` our public views stay public, and no others."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import get_resolver

from tests.security.test_second_factor_at_every_door import every_path

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.support.gated")]

MIDDLEWARE = "django.contrib.auth.middleware.LoginRequiredMiddleware"

# Where people come in or out, what mails and scripts ask, and what programs call, which say
# themselves whom they let in.
PUBLIC = {
    "/account/login/",
    "/account/login/passkey/options/",
    "/account/login/passkey/finish/",
    "/account/login/recover/",
    "/account/login/recover/passkey/",
    "/account/login/recover/passkey/begin/",
    "/account/challenge/",
    "/account/challenge/cancel/",
    "/account/challenge/passkey/options/",
    "/account/challenge/passkey/finish/",
    "/account/notices/1/",
    "/account/password/reset/",
    "/account/password/reset/sent/",
    "/account/password/reset/done/",
    "/account/password/reset/1/1/",
    "/account/session/remaining/",
    "/account/session/stay/",
    "/account/device-key/register/",
    "/account/device-key/refresh/",
    "/account/device-key/check/",
    "/bearer/",
    "/abearer/",
    "/bearer-fresh/",
    "/orders/",
}

# A script asks: it is told in JSON, and not led to a page.
SCRIPTED = {
    "/account/reauthenticate/passkey/options/",
    "/account/reauthenticate/passkey/finish/",
    "/account/security/passkeys/begin/",
}


@pytest.fixture(autouse=True)
def _site(settings: Any) -> None:
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, MIDDLEWARE]
    settings.LOGIN_URL = "/account/login/"


def is_sent_to_sign_in(path: str) -> bool:
    """Say whether the middleware answered, in place of the view: with ``next`` to come back."""
    response = Client(raise_request_exception=False).post(path)
    return bool(
        response.status_code == 302 and response["Location"].startswith("/account/login/?next=")
    )


def test_every_url_of_ours() -> None:
    """All that is public answers itself; everything else asks for a sign-in."""
    every = every_path(get_resolver().url_patterns)
    paths = [path for path in every if not path.startswith("/admin/")]  # which asks by itself

    open_to_all = {path for path in paths if not is_sent_to_sign_in(path)}

    assert len(paths) > 50
    assert {path for path in open_to_all if not path.startswith("/api/")} == PUBLIC | SCRIPTED
    assert {Client().post(path).status_code for path in SCRIPTED} == {401}
    assert {path for path in paths if path.startswith("/api/")} <= open_to_all


def test_the_sign_in_page_shows_itself(user: User, password: str) -> None:
    """People sign in there, and do not go round in a circle."""
    client = Client()

    assert client.get("/account/login/").status_code == 200
    client.post("/account/login/", {"username": "ann", "password": password})

    assert client.get("/account/devices/").status_code == 200


def test_programs_sign_in(user: User, password: str) -> None:
    """A password is exchanged for tokens, and a token opens, without any session cookie."""
    given = {"username": "ann", "password": password}

    tokens = Client().post("/api/tokens/", given, content_type="application/json").json()

    headers = {"authorization": f"Bearer {tokens['access']}"}
    assert Client().get("/api/sessions/", headers=headers).status_code == 200
    assert Client().get("/bearer/", headers=headers).status_code == 200
    assert Client().get("/api/tokens/jwks.json").status_code == 200
