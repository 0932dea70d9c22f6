"""Signing in and out on our pages."""

from __future__ import annotations

import re

import pytest
from django.contrib.auth.models import User
from django.test import Client, override_settings

from sessions_plus.models import Reason, Session
from tests.views.conftest import SignIn

LOGIN = "/account/login/"
REFUSAL = "These details did not sign you in."


def test_sign_in_leads_to_the_devices(user: User, password: str) -> None:
    """On a site that named no page for it, people come to their devices."""
    response = Client().post(LOGIN, {"username": "ann", "password": password})

    assert response.headers["Location"] == "/account/devices/"


@override_settings(LOGIN_REDIRECT_URL="/admin/")
def test_the_sites_own_page_comes_first(user: User, password: str) -> None:
    """A page that the site named is where people come to."""
    response = Client().post(LOGIN, {"username": "ann", "password": password})

    assert response.headers["Location"] == "/admin/"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        pytest.param("/account/activity/", "/account/activity/", id="ours"),
        pytest.param("https://evil.example/", "/account/devices/", id="foreign"),
        pytest.param("//evil.example/", "/account/devices/", id="without scheme"),
        pytest.param("javascript:alert(1)", "/account/devices/", id="script"),
    ],
)
def test_next_stays_on_the_site(user: User, password: str, given: str, expected: str) -> None:
    """Nobody is sent to another site after signing in."""
    credentials = {"username": "ann", "password": password, "next": given}

    assert Client().post(LOGIN, credentials).headers["Location"] == expected


@pytest.mark.parametrize(
    "backend",
    [
        "django.contrib.auth.backends.ModelBackend",
        "django.contrib.auth.backends.AllowAllUsersModelBackend",
    ],
)
def test_every_failure_reads_the_same(
    user: User, other_user: User, password: str, backend: str
) -> None:
    """A wrong password, an unknown name and a disabled account cannot be told apart."""
    User.objects.filter(pk=other_user.pk).update(is_active=False)

    pages = []
    with override_settings(AUTHENTICATION_BACKENDS=[backend]):
        for name, secret in (("ann", "wrong"), ("eve", "wrong"), ("ben", password)):
            client = Client()
            html = client.post(LOGIN, {"username": name, "password": secret}).content.decode()
            token = client.cookies["csrftoken"].value
            assert token
            html = re.sub(r'name="csrfmiddlewaretoken" value="\w+"', "", html)
            pages.append(html.replace(f'value="{name}"', ""))

    assert REFUSAL in pages[0]
    assert pages[0] == pages[1] == pages[2]


def test_who_is_signed_in_goes_on(user: User, sign_in: SignIn) -> None:
    """The sign-in page has nothing for somebody who is signed in."""
    assert sign_in(user).get(LOGIN).headers["Location"] == "/account/devices/"


def test_a_closed_page_does_not_send_in_circles(user: User, sign_in: SignIn) -> None:
    """Whoever a page sent here although they are signed in may sign in as somebody else."""
    response = sign_in(user).get(LOGIN, {"next": "/closed/"})

    assert response.status_code == 200
    assert "You are signed in as ann." in response.content.decode()


def test_sign_out_ends_the_session(user: User, sign_in: SignIn) -> None:
    """Signing out ends the session for good, and the copied cookie with it."""
    client = sign_in(user)
    copied = Client()
    copied.cookies.load({"sessionid": client.cookies["sessionid"].value})

    response = client.post("/account/logout/", follow=True)

    assert response.redirect_chain == [(LOGIN, 302)]
    assert "You are signed out." in response.content.decode()
    assert Session.objects.get().revoked_reason == Reason.SIGNED_OUT
    assert copied.get("/account/devices/").status_code == 302


def test_sign_out_never_returns_to_itself(user: User, sign_in: SignIn) -> None:
    """Asked to come back to the sign-out itself, people come to the sign-in."""
    response = sign_in(user).post("/account/logout/", {"next": "/account/logout/"})

    assert response.headers["Location"] == LOGIN
