"""Whether a password manager may save a passkey by itself, after it filled in the password."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.template import Context, Template
from django.test import Client, RequestFactory
from django.utils import timezone

from sessions_plus.models import Authenticator, RecoveryCode, Session
from tests.support.authenticators import App, a_passkey, enrol
from tests.support.passkeys import PRESENT, VERIFIED, SoftwareAuthenticator

pytestmark = pytest.mark.django_db

SECURITY = "/account/security/"
FORM = 'data-passkey="upgrade"'


@pytest.fixture(autouse=True)
def _host(settings: Any) -> None:
    settings.ALLOWED_HOSTS = ["testserver"]


@pytest.fixture
def app(user: User) -> App:
    """Ann has an app, and the recovery codes that came with it."""
    return enrol(user)


def by_password_and_code(app: App, password: str) -> Client:
    client = Client()
    client.post("/account/login/", {"username": "ann", "password": password})
    client.post("/account/challenge/", {"code": app.code()})
    return client


def is_offered(client: Client) -> bool:
    return FORM in client.get(SECURITY).content.decode()


def test_right_after_the_sign_in(app: App, password: str) -> None:
    """Who signed in by password and code just now may be given one."""
    assert is_offered(by_password_and_code(app, password))


def test_not_to_who_has_no_second_factor(user: User, password: str) -> None:
    """To them it would bring a factor that they did not ask for."""
    client = Client()
    client.post("/account/login/", {"username": "ann", "password": password})

    assert not is_offered(client)


LATER = timedelta(minutes=5)

UNLESS = [
    pytest.param(
        lambda user: a_passkey(user, last_used_at=timezone.now()), {}, id="they have a passkey"
    ),
    pytest.param(lambda _: RecoveryCode.objects.all().delete(), {}, id="they have no codes"),
    pytest.param(
        lambda _: Session.objects.update(authenticated_at=timezone.now() - LATER),
        {},
        id="it was a while ago",
    ),
    pytest.param(
        lambda _: Session.objects.update(reauthenticated_at=timezone.now() - timedelta(hours=1)),
        {"SESSIONS_PLUS_REAUTHENTICATION_AGE": timedelta(minutes=1)},
        id="the proof is not fresh",
    ),
    pytest.param(lambda _: None, {"SESSIONS_PLUS_PASSKEY_SIGN_IN": "off"}, id="they are off"),
]


@pytest.mark.parametrize(("change", "values"), UNLESS)
def test_not_to_everybody(
    user: User, app: App, password: str, change: Any, values: dict[str, Any], settings: Any
) -> None:
    """Not where one is there, where its loss would lock out, or where it is too late for it."""
    client = by_password_and_code(app, password)
    assert is_offered(client)
    change(user)
    for name, value in values.items():
        setattr(settings, name, value)

    assert not is_offered(client)


def test_the_tag_says_the_same_on_any_page(
    user: User, app: App, password: str, django_assert_num_queries: Any
) -> None:
    """On a site's own page; a stranger costs no query there."""
    shown = Template("{% load sessions_plus %}{% passkey_upgrade %}")
    request = by_password_and_code(app, password).get(SECURITY).wsgi_request

    assert FORM in shown.render(Context({"request": request}))
    with django_assert_num_queries(0):
        stranger = RequestFactory().get("/")
        assert FORM not in shown.render(Context({"request": stranger}))
        assert FORM not in shown.render(Context({}))


def test_it_is_a_second_factor_at_first(user: User, app: App, password: str) -> None:
    """Made with nobody there it confirms a password, and signs nobody in alone; a page is told."""
    client, manager = by_password_and_code(app, password), SoftwareAuthenticator()
    begin = f"{SECURITY}passkeys/begin/?conditional"
    options = client.post(begin, content_type="application/json").json()
    made = manager.make(options, without=PRESENT | VERIFIED)

    response = client.post(
        f"{SECURITY}passkeys/",
        {"credential": json.dumps(made), "name": ""},
        headers={"accept": "application/json"},
    )

    assert response.json() == {"detail": "Passkey is set up."}
    assert Authenticator.objects.passkeys().get().verifies_user is False
    assert RecoveryCode.objects.count() == len(app.recovery_codes)
    assert not is_offered(client)
