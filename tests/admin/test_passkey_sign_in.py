"""Staff sign in by passkey on the admin's own page."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import User
from django.test import Client
from django.urls import path

from sessions_plus.admin.sessions import SessionAdmin
from sessions_plus.admin.sign_in import TEMPLATE
from sessions_plus.models import Session
from tests.support.passkeys import enrol_passkey

pytestmark = pytest.mark.django_db

LOGIN = "/admin/login/?next=/admin/auth/user/"
BUTTON = "Sign in with a passkey"

urlpatterns = [path("admin/", admin.site.urls)]


@pytest.fixture(autouse=True)
def _host(settings: Any) -> None:
    settings.ALLOWED_HOSTS = ["testserver"]


def test_signs_in_to_the_admin(staff: User) -> None:
    """The button leads on to the page that was asked for, by a passkey and nothing else."""
    phone, client = enrol_passkey(staff), Client()
    page = client.get(LOGIN).content.decode()
    assert BUTTON in page
    assert 'data-next="/admin/auth/user/"' in page
    assert 'data-conditional="#id_username"' in page

    options = client.post("/account/login/passkey/options/", content_type="application/json")
    body = {"credential": phone.use(options.json()), "next": "/admin/auth/user/"}
    done = client.post("/account/login/passkey/finish/", body, content_type="application/json")

    assert done.json()["next"] == "/admin/auth/user/"
    assert client.get("/admin/auth/user/").status_code == 200
    assert Session.objects.get(user=staff).methods == ["pky", "swk"]


@pytest.mark.parametrize("use", ["off", "second_factor"])
def test_is_not_offered_where_it_signs_nobody_in(use: str, settings: Any) -> None:
    """The admin's page is Django's, and loads nothing of ours."""
    settings.SESSIONS_PLUS_PASSKEY_SIGN_IN = use

    page = Client().get(LOGIN).content.decode()

    assert "passkey" not in page
    assert "sessions_plus" not in page


@pytest.mark.urls(__name__)
def test_is_not_offered_without_our_pages() -> None:
    """A site that has the admin alone has nowhere to send a passkey, and no error."""
    response = Client().get(LOGIN)

    assert response.status_code == 200
    assert "passkey" not in response.content.decode()


def test_a_template_of_the_site_is_left_alone() -> None:
    """Only a site that names none gets ours."""
    own, other = admin.AdminSite(name="own"), admin.AdminSite(name="other")
    own.login_template = "own_login.html"
    for site in (own, other):
        site.register(Session, SessionAdmin)
        assert site.urls

    assert own.login_template == "own_login.html"
    assert other.login_template == TEMPLATE
