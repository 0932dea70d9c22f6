"""The cookies that we set, on a site on HTTPS (OWASP ASVS 3.3, 14.3)."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.core import mail
from django.core.checks import run_checks
from django.test import Client, override_settings

from sessions_plus.lifecycle import revoke_all
from sessions_plus.models import Reason, Session
from tests.conftest import World
from tests.security.addresses import Address, addresses
from tests.security.conftest import HTTPS, Person
from tests.support.browsers import SAFARI, Browser

pytestmark = pytest.mark.django_db(transaction=True)

SAMESITE = {
    "__Host-sessionid": "Lax",
    "__Host-csrftoken": "Lax",
    "__Host-device": "Lax",
    "__Host-trust": "Strict",
}
SCRIPTS_READ = {"__Host-csrftoken"}  # Django's scripts send it back in a header

EVERYWHERE = [pytest.param(address, id=address.name) for address in addresses()]


def signed_out(person: Person) -> Any:
    return person.ask("post", "/account/logout/")


@pytest.fixture
def jar(ann: Person, facts: dict[str, str]) -> list[Any]:
    """Every cookie of a tour of all our addresses, from sign-in to sign-out."""
    for address in addresses():
        for method in ("get", "head"):
            ann.ask(method, address.path(**facts))
    signed_out(ann)
    return ann.jar


def test_asvs_3_3_1_secure_and_prefixed(jar: list[Any]) -> None:
    """Every cookie is for HTTPS only, and its name makes browsers hold that."""
    assert {morsel.key for morsel in jar} >= {"__Host-sessionid", "__Host-device"}
    for morsel in jar:
        assert morsel.key.startswith("__Host-")
        # Django's delete_cookie() marks whatever has the prefix as secure, too.
        assert morsel["secure"]


def test_asvs_3_3_2_same_site(jar: list[Any]) -> None:
    """Each cookie says which requests of other sites carry it."""
    for morsel in jar:
        assert morsel["samesite"] == SAMESITE[morsel.key]


def test_asvs_3_3_3_of_this_host_only(jar: list[Any]) -> None:
    """No cookie is shared with other hosts, or narrowed to a path that protects nothing."""
    for morsel in jar:
        assert (morsel["domain"], morsel["path"]) == ("", "/")


def test_asvs_3_3_4_not_for_scripts(jar: list[Any]) -> None:
    """No script reads what only the server needs."""
    for morsel in jar:
        is_deleted = morsel["max-age"] == 0
        assert morsel["httponly"] or is_deleted or morsel.key in SCRIPTS_READ


@pytest.mark.parametrize("address", EVERYWHERE)
def test_asvs_3_3_4_only_in_set_cookie(
    ann: Person, facts: dict[str, str], address: Address
) -> None:
    """What is in a cookie stands in no body and in no other header."""
    secrets = [ann.key, ann.client.cookies["__Host-device"].value]

    response = ann.ask("get", address.path(**facts))

    shown = json.dumps([response.content.decode(), dict(response.headers)])
    assert all(secret not in shown for secret in secrets)


def test_asvs_3_3_5_small(jar: list[Any]) -> None:
    """Name and value of each cookie are far from what browsers drop."""
    for morsel in jar:
        assert len(morsel.key) + len(morsel.value) <= 512


@pytest.mark.parametrize(
    ("domain", "path", "expected"),
    [
        (None, "/", "__Host-device"),
        (".example.com", "/", "__Secure-device"),
        (None, "/shop/", "__Secure-device"),
    ],
)
def test_prefix_follows_the_session_cookie(
    user: User, password: str, domain: str | None, path: str, expected: str
) -> None:
    """Our cookie has the strictest prefix that goes where the session's cookie goes."""
    wide = {"SESSION_COOKIE_DOMAIN": domain, "SESSION_COOKIE_PATH": path}
    with override_settings(**{**HTTPS, "SESSION_COOKIE_NAME": "__Secure-sessionid"}, **wide):
        client = Client()
        client.post("/account/login/", {"username": "ann", "password": password}, secure=True)

    assert expected in client.cookies


def test_plain_http_has_no_prefix(user: User, password: str) -> None:
    """On a developer's machine the cookies work without HTTPS, in every browser."""
    client = Client()
    client.post("/account/login/", {"username": "ann", "password": password})

    assert {"sessionid", "device"} <= set(client.cookies)
    assert not any(morsel["secure"] for morsel in client.cookies.values())


@pytest.mark.parametrize(
    ("setting", "value", "found"),
    [
        ("SESSION_COOKIE_SECURE", False, "SESSION_COOKIE_SECURE"),
        ("SESSION_COOKIE_HTTPONLY", False, "SESSION_COOKIE_HTTPONLY"),
        ("SESSION_COOKIE_SAMESITE", "None", "SESSION_COOKIE_SAMESITE"),
        ("SESSION_COOKIE_DOMAIN", ".example.com", "SESSION_COOKIE_DOMAIN"),
        ("SESSION_COOKIE_NAME", "sessionid", "__Host-sessionid"),
        ("CSRF_COOKIE_NAME", "csrftoken", "__Host-csrftoken"),
    ],
)
def test_deployment_checks(https_site: None, setting: str, value: object, found: str) -> None:
    """`check --deploy` asks for each attribute, and is content with what it asks for."""
    assert found not in complaints()

    with override_settings(**{setting: value}):
        assert found in complaints()


def complaints() -> str:
    messages = run_checks(tags=["sessions_plus"], include_deployment_checks=True)
    return "\n".join(f"{message.msg} {message.hint}" for message in messages)


# What a browser keeps


def test_asvs_14_3_1_sign_out(ann: Person) -> None:
    """Signing out makes the browser forget pages and what scripts stored, but not its device."""
    response = signed_out(ann)

    assert response.headers["Clear-Site-Data"] == '"cache", "storage"'
    assert ann.client.cookies["__Host-device"].value


def test_asvs_14_3_1_once_after_a_revocation(ann: Person, user: User) -> None:
    """The first answer after a session was ended elsewhere makes the browser forget, too."""
    revoke_all(user)

    first = ann.ask("get", "/account/devices/")
    second = ann.ask("get", "/account/devices/")

    assert first.status_code == second.status_code == 302
    assert "Clear-Site-Data" in first.headers
    assert "Clear-Site-Data" not in second.headers


@pytest.mark.parametrize(
    "key", ["nonsense", "", "A" * 200], ids=["never issued", "empty", "another"]
)
def test_nothing_is_cleared_for_strangers(https_site: None, db: None, key: str) -> None:
    """A cookie that was never ours clears nothing."""
    person = Person()
    person.client.cookies["__Host-sessionid"] = key

    assert "Clear-Site-Data" not in person.ask("get", "/account/devices/").headers


@pytest.mark.urls("tests.support.sites")
def test_nothing_is_cleared_for_visitors(https_site: None, db: None) -> None:
    """The end of a session that nobody was signed in to is nobody's sign-out."""
    person = Person()
    person.ask("get", "/sync/write/")
    Session.objects.all().delete()

    assert "Clear-Site-Data" not in person.ask("get", "/sync/read/").headers


def test_plain_http_is_not_told(user: User, password: str) -> None:
    """Browsers take the header on HTTPS only, so it is sent there only."""
    client = Client()
    client.post("/account/login/", {"username": "ann", "password": password})

    assert "Clear-Site-Data" not in client.post("/account/logout/").headers


@pytest.mark.parametrize(
    ("chosen", "expected"), [([], None), (["cookies", "*"], '"cookies", "*"')], ids=["off", "all"]
)
def test_what_is_cleared_is_the_sites_choice(
    ann: Person, chosen: list[str], expected: str | None
) -> None:
    """A site says what goes; nothing, if it wants."""
    with override_settings(SESSIONS_PLUS_CLEAR_SITE_DATA=chosen):
        assert signed_out(ann).headers.get("Clear-Site-Data") == expected


@pytest.mark.urls("tests.support.sites")
def test_asvs_14_3_1_any_sign_out(engine: str, world: World, user: User) -> None:
    """Whichever view signs out, in either world."""
    with override_settings(SECURE_PROXY_SSL_HEADER=("HTTP_X_FORWARDED_PROTO", "https")):
        browser = Browser(world)
        browser.headers["x-forwarded-proto"] = "https"
        browser.get("sign-in", name="ann")

        response = browser.get("sign-out")

    assert response.headers["Clear-Site-Data"] == '"cache", "storage"'
    assert Session.objects.get().revoked_reason == Reason.SIGNED_OUT


@pytest.mark.urls("tests.support.sites")
def test_signing_in_clears_nothing(engine: str, world: World, user: User, other_user: User) -> None:
    """Somebody who signs in where another was signed in starts with what they stored since."""
    with override_settings(SECURE_PROXY_SSL_HEADER=("HTTP_X_FORWARDED_PROTO", "https")):
        browser = Browser(world, user_agent=SAFARI)
        browser.headers["x-forwarded-proto"] = "https"
        browser.get("sign-in", name="ann")

        assert "Clear-Site-Data" not in browser.get("sign-in", name="ben").headers


@pytest.mark.urls("tests.support.sites")
@pytest.mark.parametrize("view", ["sign-in", "write", "sign-out"])
def test_asvs_14_3_2_no_cache_keeps_a_cookie(
    engine: str, world: World, user: User, view: str
) -> None:
    """Whatever sets, renews or deletes the session's cookie is kept by no cache."""
    browser = Browser(world)
    if view == "sign-out":
        browser.get("sign-in", name="ann")

    response = browser.get(view, name="ann")

    assert settings.SESSION_COOKIE_NAME in response.cookies
    assert {"no-store", "private"} <= set(response.headers["Cache-Control"].split(", "))


@pytest.mark.urls("tests.support.sites")
def test_other_answers_are_the_sites(engine: str, world: World, user: User) -> None:
    """A page that sets no cookie is cached as the site says."""
    browser = Browser(world)
    browser.get("sign-in", name="ann")
    browser.get("who")

    assert "Cache-Control" not in browser.get("who").headers


def test_mails_hold_no_cookie(ann: Person) -> None:
    """What is sent by mail opens no session."""
    body = str(mail.outbox[-1].body)

    assert all(morsel.value not in body for morsel in ann.jar if morsel.value)
