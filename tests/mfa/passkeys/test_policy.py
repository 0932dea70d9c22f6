"""Who must use a passkey reaches nothing but it, however else they proved themselves."""

from __future__ import annotations

import json
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth.models import User
from django.test import AsyncClient, Client

from sessions_plus.models import Event, SessionEvent
from sessions_plus.testing import sign_in as signed_in
from tests.support.authenticators import enrol
from tests.support.passkeys import SoftwareAuthenticator, enrol_passkey

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.support.gated")]

ENROL = "/account/security/passkeys/"
PROVE = "/account/reauthenticate/"


def is_ann(user: User) -> bool:
    return user.username == "ann"


@pytest.fixture(autouse=True)
def site(settings: Any) -> None:
    settings.ALLOWED_HOSTS = ["testserver"]
    settings.SESSIONS_PLUS_MFA_PHISHING_RESISTANT = "required"


def led_to(client: Client, path: str = "/plain/") -> str:
    """Where a page leads; "": it shows itself."""
    return client.get(path).headers.get("Location", "").partition("?")[0]


def by_code(user: User, *methods: str) -> Client:
    client = Client()
    signed_in(client, user, methods=methods or ("pwd", "otp"))
    return client


@pytest.mark.parametrize(
    ("policy", "name", "must"),
    [
        ("optional", "ann", False),
        ("staff", "ann", False),
        ("staff", "root", True),
        ("required", "ann", True),
        ("tests.mfa.passkeys.test_policy.is_ann", "ann", True),
        (is_ann, "ann", True),
        (is_ann, "root", False),
    ],
)
def test_who_must(
    user: User, staff: User, policy: Any, name: str, must: bool, settings: Any
) -> None:
    """Nobody, staff, everybody, or whom a function names: then a code is not enough."""
    settings.SESSIONS_PLUS_MFA_PHISHING_RESISTANT = policy
    person = User.objects.get(username=name)
    enrol(person)

    assert led_to(by_code(person)) == (ENROL if must else "")


@pytest.mark.parametrize(
    ("methods", "is_enough"),
    [
        (("pwd",), False),
        (("pwd", "otp"), False),
        (("pwd", "rcv"), False),
        (("pwd", "dev"), False),
        (("ext",), False),
        (("pwd", "sec", "hwk"), True),
        (("pky", "swk"), True),
    ],
)
def test_what_is_enough(user: User, methods: tuple[str, ...], is_enough: bool) -> None:
    """A passkey, alone or after a password; nothing that could be typed into a false site."""
    enrol_passkey(user)
    client = by_code(user, *methods)

    assert led_to(client) == ("" if is_enough else PROVE)
    as_program = client.get("/plain/", headers={"accept": "application/json"})
    assert (as_program.status_code == 200) == is_enough
    if not is_enough:
        assert as_program.json()["code"] == "passkey_required"


def test_proving_it_opens_the_site(user: User) -> None:
    """Who is led to use their passkey goes on with it, in both worlds."""
    phone, client = enrol_passkey(user), by_code(user)
    target = client.get("/plain/").headers["Location"]
    assert "factors=passkey" in target
    assert "Use a passkey" in client.get(target).content.decode()

    options = client.post(PROVE + "passkey/options/", content_type="application/json").json()
    body = {"credential": phone.use(options), "next": "/plain/"}
    client.post(PROVE + "passkey/finish/", body, content_type="application/json")

    assert led_to(client) == ""
    world = AsyncClient()
    world.cookies = client.cookies
    assert async_to_sync(world.get)("/aplain/").status_code == 200


def test_who_has_none_adds_one_and_nothing_else(user: User) -> None:
    """They are led to add one, once, and no page offers them an app in its place."""
    client = by_code(user)

    response = client.get("/plain/", follow=True)

    assert response.request["PATH_INFO"] == ENROL
    assert len(response.redirect_chain) == 1
    page = response.content.decode()
    assert "This site asks you for a passkey." in page
    assert "Use an authenticator app instead" not in page
    as_program = client.get("/plain/", headers={"accept": "application/json"})
    assert as_program.json()["code"] == "passkey_enrollment_required"


def test_adding_one_opens_the_site(user: User) -> None:
    """The new passkey is proof itself."""
    client, phone = by_code(user, "pwd"), SoftwareAuthenticator()
    options = client.post(ENROL + "begin/", content_type="application/json").json()

    client.post(ENROL, {"credential": json.dumps(phone.make(options)), "name": ""})

    assert led_to(client) == ""


def test_no_circle_where_there_are_none(user: User, settings: Any) -> None:
    """A site that asks for what it turned off refuses, and leads nobody round and round."""
    settings.SESSIONS_PLUS_PASSKEY_SIGN_IN = "off"
    client = by_code(user)

    response = client.get("/plain/", follow=True)

    assert response.status_code == 403
    assert len(response.redirect_chain) == 1


def test_a_passkey_of_another_domain_is_none_here(user: User, settings: Any) -> None:
    """Who has passkeys for the domain of before only is led to add one."""
    enrol_passkey(user)
    settings.SESSIONS_PLUS_SITE_URL = "https://new.example"

    assert led_to(by_code(user)) == ENROL


@pytest.mark.parametrize("path", ["account/reauthenticate/passkey/options/", ENROL[1:] + "begin/"])
def test_scripts_are_told_that_nobody_is_signed_in(path: str, user: User) -> None:
    """A page's script whose session has ended gets 401, and loads the page again."""
    response = Client().post(f"/{path}", content_type="application/json")

    assert (response.status_code, response.json()["code"]) == (401, "not_authenticated")
    assert not SessionEvent.objects.filter(event=Event.REAUTHENTICATION_FAILED).exists()
