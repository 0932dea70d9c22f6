"""Who must have a second factor: the wall before whoever has none, with a gate to enrol."""

from __future__ import annotations

import re
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth.models import User
from django.test import AsyncClient, Client
from django.urls import get_resolver

from sessions_plus.models import Session
from tests.security.test_second_factor_at_every_door import every_path
from tests.support.authenticators import App, enrol

pytestmark = pytest.mark.django_db

BACKEND = "django.contrib.auth.backends.ModelBackend"


def is_ann(user: User) -> bool:
    return user.username == "ann"


@pytest.fixture(autouse=True)
def site(settings: Any) -> None:
    settings.ROOT_URLCONF = "tests.support.doors"
    settings.LOGIN_URL = "/account/login/"
    settings.LOGIN_REDIRECT_URL = "/"
    settings.SESSIONS_PLUS_MFA_POLICY = "required"


def signed_in(user: User) -> Client:
    client = Client(raise_request_exception=False)
    client.force_login(user, backend=BACKEND)
    return client


@pytest.mark.parametrize(
    ("policy", "name", "must"),
    [
        ("optional", "root", False),
        ("staff", "root", True),
        ("staff", "ann", False),
        ("required", "ann", True),
        ("tests.mfa.test_policy.is_ann", "ann", True),
        (is_ann, "ann", True),
        (is_ann, "root", False),
    ],
)
def test_who_must(
    user: User, staff: User, policy: Any, name: str, must: bool, settings: Any
) -> None:
    """Nobody, staff, everybody, or whom a function names."""
    settings.SESSIONS_PLUS_MFA_POLICY = policy

    response = signed_in(User.objects.get(username=name)).get("/")

    assert (response.status_code == 302) == must


def test_asvs_6_3_3_nothing_else_is_reached(staff: User) -> None:
    """Whoever must enrol reaches the enrolment and the way out, and nothing else."""
    client = signed_in(staff)
    reached = set()
    for path in every_path(get_resolver().url_patterns):
        if {"logout", "login", "sign-out", "sign-in", "program"} & set(path.strip("/").split("/")):
            continue
        response = client.get(path)
        led = response.headers.get("Location", "").startswith("/account/security/totp/?next=")
        if not led:
            reached.add(path)

    assert reached <= {
        "/account/challenge/",
        "/account/challenge/cancel/",
        "/account/password/reset/",
        "/account/password/reset/sent/",
        "/account/password/reset/done/",
        "/account/password/reset/1/1/",
        "/account/device-key/register/",
        "/account/device-key/refresh/",
        "/account/device-key/check/",
        "/account/challenge/passkey/options/",
        "/account/challenge/passkey/finish/",
        "/account/reauthenticate/",
        "/account/reauthenticate/passkey/options/",
        "/account/reauthenticate/passkey/finish/",
        "/account/security/passkeys/",
        "/account/security/passkeys/begin/",
        "/account/security/totp/",
        "/account/security/totp/begin/",
        "/account/security/recovery-codes/download/",
        "/admin/jsi18n/",
    }


@pytest.mark.parametrize("path", ["/", "/sync/who/", "/async/who/", "/admin/", "/account/devices/"])
def test_no_circle(user: User, path: str) -> None:
    """Following where one is led ends at the enrolment."""
    response = signed_in(user).get(path, follow=True)

    assert response.status_code == 200
    assert response.request["PATH_INFO"] == "/account/security/totp/"
    assert len(response.redirect_chain) == 1


def test_enrolling_opens_the_site_at_once(user: User) -> None:
    """With the first code the same session goes on to where it wanted."""
    client = signed_in(user)
    client.post("/account/security/totp/begin/", {"next": "/two/"})
    page = client.get("/account/security/totp/?next=/two/").content.decode()
    app = App.typed(re.findall(r'class="secret"[^>]*>([^<]+)<', page)[0])

    done = client.post("/account/security/totp/", {"code": app.code(), "next": "/two/"})

    assert 'href="/two/"' in done.content.decode()
    assert client.get("/two/").content == b"two factors"


def test_programs_get_a_code(user: User) -> None:
    """Whoever takes no HTML gets 403 with a code that says what to do."""
    client = signed_in(user)

    for headers in ({"accept": "application/json"}, {"sec-fetch-dest": "empty"}):
        response = client.get("/", headers=headers)

        assert response.status_code == 403
        assert response.json()["code"] == "mfa_enrollment_required"


def test_in_the_async_world(user: User) -> None:
    """An async request meets the same wall."""
    client = AsyncClient()
    client.force_login(user, backend=BACKEND)

    response = async_to_sync(client.get)("/async/who/")

    assert response["Location"].startswith("/account/security/totp/")


def test_the_way_out_is_open(user: User) -> None:
    """Whoever does not want to enrol can sign out."""
    client = signed_in(user)

    client.post("/account/logout/")

    assert client.get("/sync/who/").content == b"AnonymousUser"


def test_a_session_of_before_proves_its_factor(user: User) -> None:
    """A session that began before the enrolment elsewhere is asked for a code, not to enrol."""
    client = signed_in(user)
    app = enrol(user)

    led = client.get("/two/")["Location"]
    assert led.startswith("/account/reauthenticate/")
    client.post(led, {"code": app.code(), "password": "correct horse battery staple"})

    assert client.get("/two/").content == b"two factors"
    assert Session.objects.get(user=user).methods == ["ext", "pwd", "otp"]


def test_removing_the_last_factor_builds_the_wall_again(user: User, password: str) -> None:
    """Who must have a factor and removes it reaches nothing else, here and elsewhere."""
    app = enrol(user)
    clients = [Client(), Client()]
    for number, client in enumerate(clients):
        client.post("/account/login/", {"username": "ann", "password": password})
        client.post("/account/challenge/", {"code": app.recovery_codes[number]})
    page = clients[0].get("/account/security/").content.decode()
    (url,) = re.findall(r'href="(/account/security/[0-9a-f-]+/remove/)"', page)

    clients[0].post(url)

    assert clients[0].get("/")["Location"].startswith("/account/security/totp/")
    assert clients[1].get("/sync/who/").content == b"AnonymousUser"


def test_strangers_pay_nothing(client: Client, django_assert_num_queries: Any) -> None:
    """A visitor without a session is not looked at."""
    with django_assert_num_queries(0):
        client.get("/sync/nothing/")


def test_a_session_with_a_factor_pays_nothing(
    user: User, password: str, django_assert_num_queries: Any
) -> None:
    """A session with a second factor is let through by what its row says: one read of it."""
    app = enrol(user)
    client = Client()
    client.post("/account/login/", {"username": "ann", "password": password})
    client.post("/account/challenge/", {"code": app.code()})
    client.get("/sync/nothing/")

    with django_assert_num_queries(1):
        client.get("/sync/nothing/")


def test_optional_looks_at_nothing(
    user: User, django_assert_num_queries: Any, settings: Any
) -> None:
    """Without a policy a view that does not use the session costs no query and no Vary."""
    settings.SESSIONS_PLUS_MFA_POLICY = "optional"
    client = signed_in(user)

    with django_assert_num_queries(0):
        response = client.get("/sync/nothing/")

    assert "Cookie" not in response.headers.get("Vary", "")
