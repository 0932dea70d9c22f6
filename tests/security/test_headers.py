"""What every page of ours answers with, on a site on HTTPS (OWASP ASVS 3.2 to 3.7, 14.3)."""

from __future__ import annotations

import html
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urljoin, urlsplit

import pytest
from django.contrib.auth.models import User
from django.db.models import Model

from sessions_plus.devices.naming import rename
from sessions_plus.models import (
    Authenticator,
    Challenge,
    Device,
    Notice,
    RecoveryCode,
    Session,
    SessionEvent,
)
from tests.security.addresses import Address, addresses
from tests.security.conftest import Person

pytestmark = pytest.mark.django_db(transaction=True)

PAGES = [pytest.param(a, id=a.name.partition(":")[2]) for a in addresses(("sessions_plus",))]
UNSAFE = ("post", "put", "patch", "delete")
SAFE = ("get", "head", "options")
ACTIVITY = {"last_activity", "expire_date", "successor_seen"}
NASTY = "<img src=x onerror=alert(1)>\"'</td><script>alert(2)</script>"


def everyone(ann: Person) -> dict[str, Person]:
    return {"somebody": ann, "nobody": Person()}


@pytest.fixture(params=["somebody", "nobody"])
def caller(request: pytest.FixtureRequest, ann: Person) -> Person:
    """Ann, and somebody who is not signed in."""
    return everyone(ann)[request.param]


@pytest.mark.parametrize("address", PAGES)
def test_headers(caller: Person, facts: dict[str, str], address: Address) -> None:
    """No answer is kept, framed, embedded, guessed at, or told of to other sites."""
    headers = caller.ask("get", address.path(**facts)).headers

    assert "no-store" in headers["Cache-Control"]  # ASVS 14.3.2
    assert headers["X-Content-Type-Options"] == "nosniff"  # ASVS 3.4.4
    assert headers["Referrer-Policy"] == "same-origin"  # ASVS 3.4.5
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]  # ASVS 3.4.6
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["Cross-Origin-Opener-Policy"] == "same-origin"  # ASVS 3.4.8
    assert headers["Cross-Origin-Resource-Policy"] == "same-origin"  # ASVS 3.5.8


@pytest.mark.parametrize("address", PAGES)
def test_asvs_3_4_2_no_cross_origin(
    caller: Person, facts: dict[str, str], address: Address
) -> None:
    """No other site may read an answer."""
    for method in ("get", "options"):
        response = caller.ask(
            method, address.path(**facts), headers={"origin": "https://evil.example"}
        )
        assert not any(name.startswith("Access-Control-") for name in response.headers)


@pytest.mark.parametrize("address", PAGES)
@pytest.mark.parametrize("method", UNSAFE)
def test_asvs_3_5_1_forgery(
    ann: Person, facts: dict[str, str], address: Address, method: str
) -> None:
    """No address changes anything for a form of another site."""
    forger = Person(enforce_csrf_checks=True)
    forger.client.cookies = ann.client.cookies
    before = everything()

    response = forger.ask(method, address.path(**facts))

    assert response.status_code in (403, 404, 405)
    assert everything() == before


@pytest.mark.parametrize("address", PAGES)
def test_no_view_is_exempt(address: Address) -> None:
    """No view of ours turns Django's protection off, but where a header of browsers does it."""
    is_exempt = getattr(address.view, "csrf_exempt", False)
    # Browsers, and the site's doctor, ask there by themselves, without a page. What they send
    # is signed, by a key that no page of another site has.
    is_of_browsers = "device_key_" in address.name

    assert is_exempt is is_of_browsers


@pytest.mark.parametrize("address", PAGES)
@pytest.mark.parametrize("method", SAFE)
def test_asvs_3_5_3_asking_changes_nothing(
    caller: Person, facts: dict[str, str], address: Address, method: str
) -> None:
    """GET, HEAD and OPTIONS leave every row as it was, but for activity."""
    before = everything()

    caller.ask(method, address.path(**facts))

    assert everything() == before


@pytest.mark.parametrize("address", PAGES)
def test_asvs_7_6_2_asking_signs_nobody_in(
    https_site: None, facts: dict[str, str], address: Address
) -> None:
    """No link signs anybody in, and looking around makes no session."""
    count = Session.objects.count()
    stranger = Person()

    stranger.ask("get", address.path(**facts))

    assert "__Host-sessionid" not in stranger.client.cookies
    assert Session.objects.count() == count


def everything() -> list[Any]:
    models: list[type[Model]] = [
        *(Session, Device, SessionEvent, Notice, Authenticator, RecoveryCode, Challenge)
    ]
    return [
        {name: value for name, value in row.items() if name not in ACTIVITY}
        for model in models
        for row in model._default_manager.order_by("pk").values()
    ]


class Elements(HTMLParser):
    """The elements of a page, and their attributes."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


@pytest.mark.parametrize("path", ["/account/devices/", "/account/activity/"])
def test_asvs_3_2_2_text_is_text(user: User, ann: Person, path: str) -> None:
    """What a device is called, or calls itself, adds no element and no attribute."""
    for device in Device.objects.all():
        rename(device, NASTY)
    Session.objects.update(browser=NASTY[:64], system=NASTY[:64], location=NASTY)
    SessionEvent.objects.update(user_agent=NASTY)

    page = ann.ask("get", path).content.decode()

    for tag, attributes in Elements(page).found:
        assert attributes.get("src") != "x"
        assert not any(name.startswith("on") for name in attributes)
        assert tag != "script" or "alert" not in str(attributes)
    assert "<script>alert" not in page
    assert path != "/account/devices/" or html.escape(NASTY) in page


OFF_SITE = [
    "https://evil.example/",
    "//evil.example/",
    "///evil.example",
    "/\\evil.example",
    "\\\\evil.example",
    "https:evil.example",
    "http:///evil.example",
    "/\tevil.example//",
    "\x08//evil.example",
    "javascript:alert(1)",
    "data:text/html,x",
    "https://testserver@evil.example/",
    "https://testserver.evil.example/",
    "http://testserver/",  # the same host, but without TLS
    "%2F%2Fevil.example",
]


@pytest.mark.parametrize("target", OFF_SITE)
@pytest.mark.parametrize("form", ["login", "reauthenticate"])
def test_asvs_3_7_2_redirects_stay(
    https_site: None, user: User, password: str, target: str, form: str
) -> None:
    """Nobody is led off the site by an address that somebody else wrote."""
    person = Person()
    if form == "reauthenticate":
        person.sign_in(user, password)
    details = {"username": "ann", "password": password, "next": target}

    response = person.ask("post", f"/account/{form}/", details)

    assert response.status_code == 302
    location = response["Location"]
    landed = urlsplit(urljoin("https://testserver/account/login/", location))
    assert (landed.scheme, landed.netloc) == ("https", "testserver")
    # Browsers read a backslash as a slash.
    assert not location.replace("\\", "/").startswith("//")
