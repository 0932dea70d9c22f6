"""django-otp and two-factor-auth beside us, keeping second factors."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.cache import caches
from django.test import Client

from sessions_plus.models import Session
from tests.conftest import PASSWORD
from tests.integrations.settings import INSTALLED_APPS, OUR_MIDDLEWARE, middleware
from tests.integrations.sites import Person, enrol_in_otp, sign_in_with_otp
from tests.support.authenticators import App, enrol

pytestmark = pytest.mark.django_db(transaction=True)

LOGIN = "/account/login/"


@pytest.fixture(autouse=True)
def site(engine: str, settings: Any) -> None:
    settings.INSTALLED_APPS = [
        *INSTALLED_APPS,
        "sessions_plus.integrations.otp.OtpIntegration",
    ]
    settings.MIDDLEWARE = middleware(
        OUR_MIDDLEWARE, otp="sessions_plus.integrations.otp.OTPMiddleware"
    )
    settings.LOGIN_URL = "two_factor:login"
    settings.OTP_LOGIN_URL = "two_factor:login"
    caches["default"].clear()


@pytest.fixture
def ann() -> Person:
    return Person(User.objects.create_user("ann", password=PASSWORD))


@pytest.fixture
def theirs(ann: Person) -> App:
    enrol_in_otp(ann)
    assert ann.app is not None
    return ann.app


@pytest.fixture
def client() -> Client:
    return Client()


def signed_in(client: Client) -> str:
    return str(client.get("/who/").json()["user"])


def methods() -> str:
    return Session.objects.active().exclude(user=None).get().auth_methods


def test_their_factor_counts(client: Client, ann: Person, theirs: App, settings: Any) -> None:
    """Who proved it is let in where a second factor must be, and verified for their code."""
    settings.SESSIONS_PLUS_MFA_POLICY = "required"
    sign_in_with_otp(client, ann)

    assert (signed_in(client), methods()) == ("ann", "pwd otp")
    assert client.get("/vault/").status_code == 200


def test_our_page_does_not_call_it_off(client: Client, ann: Person, theirs: App) -> None:
    """The security page knows of a factor that is kept there."""
    sign_in_with_otp(client, ann)
    page = client.get("/ours/security/").content.decode()

    assert "which you manage on another page of this site" in page
    assert ">Off<" not in page


def test_never_two(client: Client, ann: Person, theirs: App) -> None:
    """Who has one here and one there is asked once."""
    enrol(ann.user)
    sign_in_with_otp(client, ann)

    assert (signed_in(client), methods()) == ("ann", "pwd otp")


def test_who_has_one_here_only(client: Client, ann: Person) -> None:
    """Their wizard signs nobody in past our code."""
    app = enrol(ann.user)
    sign_in_with_otp(client, ann)
    assert signed_in(client) == ""

    client.post("/ours/challenge/", {"code": app.code()})

    assert (signed_in(client), methods()) == ("ann", "pwd otp")


def test_who_has_none(client: Client, ann: Person) -> None:
    sign_in_with_otp(client, ann)

    assert (signed_in(client), methods()) == ("ann", "pwd")


def test_our_page_is_no_way_around(client: Client, theirs: App) -> None:
    """It leads to theirs."""
    led = client.post("/ours/login/", {"username": "ann", "password": PASSWORD, "next": "/who/"})

    assert led.headers["Location"] == LOGIN + "?next=/who/"
    assert signed_in(client) == ""


def test_a_page_that_knows_of_neither(client: Client, theirs: App) -> None:
    """A sign-in past their wizard is refused, and led to it."""
    with pytest.raises(Exception, match="cannot be asked for here"):
        client.force_login(User.objects.get())

    assert signed_in(client) == ""
