"""What programs look for: where passwords are changed, and what each field is for."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core import mail
from django.http import HttpRequest, HttpResponse
from django.test import Client
from django.urls import include, path

from tests.support.authenticators import enrol
from tests.views.conftest import SignIn

ADDRESS = "/.well-known/change-password"

OURS = [
    path("account/", include("sessions_plus.urls")),
    path(".well-known/", include("sessions_plus.well_known_urls")),
]


def own_page(request: HttpRequest) -> HttpResponse:
    return HttpResponse("the site's own")


class Mounted:
    urlpatterns = OURS


class WithOwnPage:
    urlpatterns = [*OURS, path("my/password/", own_page, name="password_change")]


@pytest.mark.parametrize("method", ["get", "head"])
def test_change_password_leads_there(
    user: User, sign_in: SignIn, settings: Any, method: str
) -> None:
    """Signed in or not, the W3C's address leads to where a password is changed."""
    settings.ROOT_URLCONF = Mounted

    for client in (Client(), sign_in(user)):
        response = getattr(client, method)(ADDRESS)
        assert (response.status_code, response["Location"]) == (302, "/account/security/password/")
    assert Client().post(ADDRESS).status_code == 405


def test_sites_own_page_comes_first(db: None, settings: Any) -> None:
    settings.ROOT_URLCONF = WithOwnPage

    assert Client().get(ADDRESS)["Location"] == "/my/password/"


@pytest.mark.parametrize(
    ("page", "expected"),
    [
        ("login/", {"username": "username", "password": "current-password"}),
        ("password/reset/", {"email": "email"}),
        (
            "security/password/",
            {
                "username": "username",
                "old_password": "current-password",
                "new_password1": "new-password",
                "new_password2": "new-password",
            },
        ),
    ],
)
def test_fields_say_what_they_are_for(
    user: User, sign_in: SignIn, page: str, expected: dict[str, str]
) -> None:
    """Browsers and password managers fill in each field by its ``autocomplete``."""
    client = Client() if page in ("login/", "password/reset/") else sign_in(user)

    html = client.get(f"/account/{page}").content.decode()

    inputs = [part.split(">")[0] for part in html.split("<input")[1:]]
    found = {name: one for one in inputs for name in expected if f'name="{name}"' in one}
    assert found.keys() == expected.keys()
    assert all(f'autocomplete="{expected[name]}"' in found[name] for name in expected)


def fields_in(html: str) -> dict[str, str]:
    """The names of a page's fields that people fill in, and what each says it is for."""
    inputs = [part.split(">")[0] for part in html.split("<input")[1:]]
    typed = [one for one in inputs if 'type="hidden"' not in one and 'type="checkbox"' not in one]
    return {
        attribute(one, "name"): attribute(one, "autocomplete") for one in typed if "name=" in one
    }


def attribute(tag: str, name: str) -> str:
    found = re.search(rf' {name}="([^"]*)"', tag)
    return found[1] if found else ""


@pytest.mark.django_db(transaction=True)
def test_codes_and_new_passwords_say_so_too(user: User, sign_in: SignIn, password: str) -> None:
    """A code is one that is used once, and a new password none that is known already."""
    enrolling = sign_in(user)
    enrolling.post("/account/security/totp/begin/")
    assert fields_in(page(enrolling, "security/totp/"))["code"] == "one-time-code"
    enrol(user)
    asked = Client()
    asked.post("/account/login/", {"username": "ann", "password": password})
    assert fields_in(page(asked, "challenge/"))["code"] == "one-time-code"
    proving = fields_in(page(enrolling, "reauthenticate/"))
    assert proving["password"] == "current-password"
    assert fields_in(page(Client(), "login/recover/"))["username"] == "username"

    Client().post("/account/password/reset/", {"email": "ann@example.com"})
    [link] = re.findall(r"http://testserver(/\S+)", str(mail.outbox[-1].body))
    confirm = Client().get(link, follow=True).content.decode()
    found = fields_in(confirm)
    assert found["new_password1"] == found["new_password2"] == "new-password"


def page(client: Client, path: str) -> str:
    return str(client.get(f"/account/{path}").content.decode())


PASSKEYS_AT = "/.well-known/passkey-endpoints"
RELATED_AT = "/.well-known/webauthn"


class TestPasskeys:
    @pytest.fixture(autouse=True)
    def site(self, settings: Any) -> None:
        settings.ROOT_URLCONF = Mounted
        settings.SESSIONS_PLUS_SITE_URL = "https://shop.example"

    def test_password_managers_find_the_pages(self) -> None:
        """Where passkeys are added and managed, in full; without a cookie, and no database."""
        response = Client().get(PASSKEYS_AT)

        assert response.json() == {
            "enroll": "https://shop.example/account/security/passkeys/",
            "manage": "https://shop.example/account/security/",
        }
        assert response.headers["Content-Type"] == "application/json"
        assert not response.cookies

    def test_there_are_none_where_passkeys_are_off(self, settings: Any) -> None:
        """Then it is an address that there is not."""
        settings.SESSIONS_PLUS_PASSKEY_SIGN_IN = "off"

        assert Client().get(PASSKEYS_AT).status_code == 404
        assert Client().get(RELATED_AT).status_code == 404

    @pytest.mark.parametrize(
        ("origins", "told"),
        [
            ([], None),
            (["https://shop.example", "https://www.shop.example"], None),
            (["https://shop.example", "android:apk-key-hash:abc"], None),
            (
                ["https://shop.example", "https://shop.test", "https://notshop.example"],
                ["https://shop.test", "https://notshop.example"],
            ),
        ],
    )
    def test_browsers_are_told_of_other_domains(
        self, origins: list[str], told: list[str] | None, settings: Any
    ) -> None:
        """Those that are not below the domain itself, and nothing else."""
        settings.SESSIONS_PLUS_PASSKEY_ORIGINS = origins

        response = Client().get(RELATED_AT)

        if told is None:
            assert response.status_code == 404
        else:
            assert response.json() == {"origins": told}

    def test_who_must_have_a_passkey_is_told_too(
        self, user: User, sign_in: SignIn, settings: Any
    ) -> None:
        """A policy does not lead a browser away that asks."""
        settings.SESSIONS_PLUS_MFA_PHISHING_RESISTANT = "required"

        assert sign_in(user).get(PASSKEYS_AT).status_code == 200
