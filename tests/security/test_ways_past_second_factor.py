"""Views of other packages that take a password: named before a site goes live, or held."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth.models import User
from django.core.checks import run_checks
from django.test import Client, override_settings
from django.urls import clear_url_caches, path
from rest_framework.authtoken.views import ObtainAuthToken

from sessions_plus.checks.catalogue import TAG
from sessions_plus.checks.second_factor import check_ways_past_second_factor
from sessions_plus.mfa import elsewhere
from sessions_plus.mfa.policy import aneeds_second_factor, needs_second_factor
from tests.support import foreign_doors
from tests.support.authenticators import enrol
from tests.support.foreign_doors import Asking, Derived

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
    assert "2 views" in said["sessions_plus.W221"]
    assert "/orders/" in said["sessions_plus.W221"]


@pytest.mark.parametrize(("view", "is_named"), [(Derived, True), (Asking, False)])
def test_views_of_a_site(
    view: type[ObtainAuthToken], is_named: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that is derived from such a view is such a view, unless it says that it asks."""
    monkeypatch.setattr(foreign_doors, "urlpatterns", [path("own/", view.as_view())])
    clear_url_caches()
    found = check_ways_past_second_factor()
    monkeypatch.undo()
    clear_url_caches()

    assert [message.id for message in found] == ["sessions_plus.W220"] * is_named


def test_a_program_is_told(user: User, password: str) -> None:
    """A view of REST framework that fails for want of a proof answers a program, not a browser."""
    refused = Client().get("/failing/", headers=basic(user, password))

    assert (refused.status_code, refused.json()["code"]) == (403, "mfa_required")


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


def test_the_permission_holds_people_with_a_factor_elsewhere(
    user: User, password: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So is whoever has one with another package."""
    monkeypatch.setattr(elsewhere, "has_factor", lambda asked: asked == user)

    refused = Client().get("/guarded-orders/", headers=basic(user, password))

    assert (refused.status_code, refused.json()["code"]) == (403, "mfa_required")


def test_the_question_that_recipes_ask(user: User) -> None:
    """Both twins of it say the same, of who has a factor and of who has none."""
    asked = async_to_sync(aneeds_second_factor)
    assert (needs_second_factor(user), asked(user)) == (False, False)

    enrol(user)

    assert (needs_second_factor(user), asked(user)) == (True, True)


def test_the_permission_lets_a_session_of_ours_pass(user: User) -> None:
    """Whoever is signed in with a session has proved what their account asks for."""
    client = Client()
    client.force_login(user)

    assert client.get("/guarded-orders/").json() == {"user": "ann"}
