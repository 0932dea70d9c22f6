"""Proving oneself again: the rule, the page, the decorators."""

from __future__ import annotations

from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.test import AsyncClient, Client
from django.utils import timezone
from django.views import View

from sessions_plus.decorators import ReauthenticationRequiredMixin
from sessions_plus.mfa.reauthentication import is_fresh
from sessions_plus.models import Event, Outcome, Session, SessionEvent
from tests.support import stores
from tests.support.authenticators import App, enrol

pytestmark = pytest.mark.django_db

AGE = timedelta(minutes=10)


@pytest.fixture(autouse=True)
def site(settings: Any) -> None:
    settings.ROOT_URLCONF = "tests.support.doors"
    settings.LOGIN_URL = "/account/login/"
    settings.LOGIN_REDIRECT_URL = "/"


def row(methods: str, *, age: timedelta = timedelta(0), sign_in: str = "pwd") -> Any:
    at = datetime(2030, 1, 1, tzinfo=timezone.get_default_timezone()) - age
    return SimpleNamespace(
        user_id=1, reauthenticated_at=at, reauth_methods=methods, auth_methods=sign_in
    )


@pytest.mark.parametrize(
    ("facts", "factors", "has_authenticator", "fresh"),
    [
        pytest.param(row("pwd"), "one", True, True, id="one: password"),
        pytest.param(row("otp"), "one", True, True, id="one: code"),
        pytest.param(row("dev"), "one", True, False, id="one: trusted device is none"),
        pytest.param(row(""), "one", True, False, id="one: nothing"),
        pytest.param(row("pwd", age=AGE), "one", True, False, id="one: exactly too old"),
        pytest.param(
            row("pwd", age=AGE - timedelta(seconds=1)), "one", True, True, id="one: in time"
        ),
        pytest.param(None, "one", True, False, id="no session"),
        pytest.param(row("pwd"), "all", False, True, id="all: there is only a password"),
        pytest.param(row("pwd"), "all", True, False, id="all: password alone"),
        pytest.param(row("otp"), "all", True, False, id="all: code alone"),
        pytest.param(row("pwd otp"), "all", True, True, id="all: both"),
        pytest.param(row("pwd rcv"), "all", True, True, id="all: recovery code"),
        pytest.param(row("pwd dev"), "all", True, False, id="all: trusted device is none"),
        pytest.param(row("pwd otp", age=AGE), "all", True, False, id="all: too old"),
        pytest.param(row("otp", sign_in="ext otp"), "all", True, True, id="all: ext and code"),
        pytest.param(row("dev", sign_in="ext dev"), "all", True, False, id="all: ext, trusted"),
    ],
)
def test_is_fresh(facts: Any, factors: Any, has_authenticator: bool, fresh: bool) -> None:
    """What was proved, and when, decides; a trusted device proves nothing."""
    now = datetime(2030, 1, 1, tzinfo=timezone.get_default_timezone())

    found = is_fresh(
        facts, factors=factors, has_authenticator=has_authenticator, max_age=AGE, now=now
    )

    assert found is fresh


def signed_in(user: User, app: App | None = None, *, ago: timedelta = timedelta(hours=1)) -> Client:
    """A browser that signed in a while ago."""
    client = Client()
    client.force_login(user)
    if app is not None:
        client.post("/account/challenge/", {"code": app.recovery_codes.pop()})
    methods = "pwd" if app is None else "pwd rcv"
    Session.objects.for_user(user).update(
        reauthenticated_at=timezone.now() - ago, auth_methods=methods
    )
    return client


@pytest.mark.parametrize("path", ["/all-fresh/", "/aall-fresh/", "/one-fresh/"])
def test_a_stale_session_is_led_to_prove_and_back(user: User, password: str, path: str) -> None:
    """The page asks, makes a new key, and leads back to where one wanted."""
    client = signed_in(user)
    key = client.cookies["sessionid"].value

    led = client.get(path)["Location"]
    assert led.startswith("/account/reauthenticate/?next=")
    form = client.get(led).content.decode()
    assert 'autocomplete="current-password"' in form
    back = client.post(led, {"password": password})

    assert back["Location"] == path
    assert client.cookies["sessionid"].value != key
    assert client.get(path).status_code == 200
    event = SessionEvent.objects.get(event=Event.REAUTHENTICATED)
    assert (event.user, event.reason) == (user, "pwd")


def test_all_means_password_and_code(user: User, password: str) -> None:
    """With an authenticator the page wants both, and either alone is not enough."""
    app = enrol(user)
    client = signed_in(user, app)
    url = "/account/reauthenticate/?next=/all-fresh/"

    assert client.post(url, {"password": password}).status_code == 200
    assert client.post(url, {"code": app.code()}).status_code == 200
    assert client.get("/all-fresh/").status_code == 302
    assert client.post(url, {"password": password, "code": app.code()}).status_code == 302

    assert client.get("/all-fresh/").status_code == 200


def test_one_means_either(user: User) -> None:
    """Where one factor will do, a code alone is enough, and nothing at all is not."""
    app = enrol(user)
    client = signed_in(user, app)
    url = "/account/reauthenticate/?factors=one&next=/one-fresh/"

    assert "Please enter" in client.post(url, {}).content.decode()
    client.post(url, {"code": app.code()})

    assert client.get("/one-fresh/").status_code == 200
    assert client.get("/all-fresh/").status_code == 302


def test_a_code_of_the_sign_in_is_not_taken_again(user: User, password: str) -> None:
    """A code that was used to sign in does not re-authenticate (OWASP ASVS 6.5.1)."""
    app = enrol(user)
    client = Client()
    client.force_login(user)
    code = app.code()
    client.post("/account/challenge/", {"code": code})

    response = client.post("/account/reauthenticate/", {"password": password, "code": code})

    assert response.status_code == 200
    event = SessionEvent.objects.get(event=Event.REAUTHENTICATION_FAILED)
    assert (event.outcome, event.reason) == (Outcome.FAILURE, "reused")


def test_guessing_is_throttled(user: User, password: str) -> None:
    """Too many wrong passwords: 429 with Retry-After, even for the right one."""
    client = signed_in(user)
    for _ in range(10):
        assert client.post("/account/reauthenticate/", {"password": "no"}).status_code == 200

    response = client.post("/account/reauthenticate/", {"password": password})

    assert response.status_code == 429
    assert 0 < int(response["Retry-After"]) <= 30


def test_the_second_code_is_not_spent_on_a_wrong_password(user: User, password: str) -> None:
    """Whoever mistypes the password may use the same code again."""
    app = enrol(user)
    client = signed_in(user, app)
    code = app.code()
    client.post("/account/reauthenticate/", {"password": "no", "code": code})

    response = client.post("/account/reauthenticate/", {"password": password, "code": code})

    assert response.status_code == 302


def test_people_of_another_service_sign_in_again(user: User) -> None:
    """Whoever has no password here and no authenticator is told to sign in again."""
    user.set_unusable_password()
    user.save()
    client = signed_in(user)
    Session.objects.update(auth_methods="ext", reauth_methods="ext")

    page = client.get("/account/reauthenticate/").content.decode()

    assert "another service" in page
    assert 'name="password"' not in page


@pytest.mark.parametrize("methods", ["ext", "pwd"])
def test_whoever_has_a_password_may_use_it(user: User, password: str, methods: str) -> None:
    """Also somebody who signed in with another service, and has a password here."""
    client = signed_in(user)
    Session.objects.update(auth_methods=methods, reauth_methods=methods)
    address = "/account/reauthenticate/?factors=one"

    assert 'name="password"' in client.get(address).content.decode()
    assert client.post(address, {"password": password}).status_code == 302


def test_a_program_gets_a_code(user: User) -> None:
    """A script is told with JSON, not led to a page."""
    client = signed_in(user)

    response = client.get("/one-fresh/", headers={"accept": "application/json"})

    assert (response.status_code, response.json()["code"]) == (403, "reauthentication_required")


def test_an_interrupted_form_leads_back_to_its_page(user: User) -> None:
    """A POST comes back to where it was filled in, as its own address takes no GET."""
    client = signed_in(user)
    page = "http://testserver/account/devices/"

    led = client.post("/account/devices/revoke-others/", headers={"referer": page})["Location"]
    foreign = client.post(
        "/account/devices/revoke-others/", headers={"referer": "https://evil.example/"}
    )["Location"]

    assert led == "/account/reauthenticate/?next=%2Faccount%2Fdevices%2F&factors=one"
    assert foreign == "/account/reauthenticate/?factors=one"


@pytest.mark.parametrize("path", ["/two/", "/atwo/", "/one-fresh/", "/aall-fresh/"])
def test_strangers_sign_in_first(path: str, client: Client) -> None:
    """Whoever isn't signed in is sent to do that."""
    assert client.get(path)["Location"] == f"/account/login/?next={path}"


@pytest.mark.parametrize("path", ["/two/", "/atwo/"])
def test_mfa_required(user: User, path: str) -> None:
    """Who has no authenticator is led to enrol; who has one to prove it."""
    client = signed_in(user)
    assert client.get(path)["Location"].startswith("/account/security/totp/")

    enrol(user)

    assert client.get(path)["Location"].startswith("/account/reauthenticate/")


def test_in_the_async_world(user: User) -> None:
    """Async views are guarded by the same rule."""
    client = AsyncClient()
    client.force_login(user)
    assert async_to_sync(client.get)("/aall-fresh/").status_code == 200
    Session.objects.update(reauthenticated_at=timezone.now() - timedelta(hours=1))

    response = async_to_sync(client.get)("/aall-fresh/")

    assert response["Location"].startswith("/account/reauthenticate/")


def test_class_based_views(user: User, rf: Any) -> None:
    """The mixin guards a class-based view with the limits that it names."""

    class Page(ReauthenticationRequiredMixin, View):
        reauthentication_factors = "all"
        reauthentication_max_age = timedelta(minutes=1)

        def get(self, request: HttpRequest) -> HttpResponse:
            return HttpResponse("in")

    request = rf.get("/page/")
    request.user = user
    request.session = stores.under_way(stores.signed_in(user))
    Session.objects.update(reauthenticated_at=timezone.now() - timedelta(seconds=30))
    assert Page.as_view()(request).content == b"in"

    Session.objects.update(reauthenticated_at=timezone.now() - timedelta(seconds=61))
    request.session = stores.under_way(request.session.session_key)

    assert Page.as_view()(request).status_code == 302
