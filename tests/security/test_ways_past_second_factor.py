"""Views of other packages that take a password: named before a site goes live, or held."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.checks import run_checks
from django.test import Client, override_settings

from sessions_plus.checks.catalogue import TAG
from tests.support.authenticators import enrol

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.support.foreign_doors")]


def basic(user: User, password: str) -> dict[str, str]:
    """Return the header of HTTP's own way to send a name and a password."""
    pair = base64.b64encode(f"{user.get_username()}:{password}".encode()).decode()
    return {"authorization": f"Basic {pair}"}


def test_views_are_named_with_an_address() -> None:
    """The check names each package once, and counts the views that take a password."""
    with override_settings(DEBUG=False):
        found = run_checks(tags=[TAG], include_deployment_checks=True)
    said = {str(message.id): message.msg for message in found}

    assert "rest_framework.authtoken" in said["sessions_plus.W220"]
    assert "/token/" in said["sessions_plus.W220"]
    assert "1 views" in said["sessions_plus.W221"]
    assert "/orders/" in said["sessions_plus.W221"]


def test_a_password_alone_opens_what_is_not_held(user: User, password: str) -> None:
    """What the check warns of is so: REST framework's own default asks for no second factor."""
    enrol(user)

    assert Client().get("/orders/", headers=basic(user, password)).status_code == 200


def test_the_permission_holds_people_with_a_second_factor(user: User, password: str) -> None:
    """Where our permission stands, a password alone is refused to whoever has a factor."""
    before = Client().get("/guarded-orders/", headers=basic(user, password))
    enrol(user)

    refused = Client().get("/guarded-orders/", headers=basic(user, password))

    assert before.status_code == 200
    assert (refused.status_code, refused.json()["code"]) == (403, "mfa_required")


def test_the_permission_holds_people_who_must_have_one(
    user: User, password: str, settings: Any
) -> None:
    """Under a policy also whoever has none yet is refused."""
    settings.SESSIONS_PLUS_MFA_POLICY = "required"

    refused = Client().get("/guarded-orders/", headers=basic(user, password))

    assert (refused.status_code, refused.json()["code"]) == (403, "mfa_required")


def test_the_permission_lets_a_session_of_ours_pass(user: User) -> None:
    """Whoever is signed in with a session has proved what their account asks for."""
    client = Client()
    client.force_login(user)

    assert client.get("/guarded-orders/").json() == {"user": "ann"}
