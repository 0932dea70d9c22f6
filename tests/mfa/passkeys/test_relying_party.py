"""For whom passkeys are made, and from which pages they are taken."""

from __future__ import annotations

from typing import Any

import pytest
from django.http import HttpRequest
from django.test import RequestFactory, override_settings

from sessions_plus.exceptions import PasskeysOff
from sessions_plus.mfa.passkeys import relying_party
from sessions_plus.mfa.passkeys.relying_party import (
    RelyingParty,
    are_on,
    find_relying_party,
    get_relying_party,
    origin_of,
    sign_in_alone,
)


def asked(host: str = "testserver", **options: Any) -> HttpRequest:
    return RequestFactory(headers={"host": host}).get("/", **options)


CASES: list[Any] = [
    pytest.param({}, "testserver", "http://testserver", id="the host of the request"),
    pytest.param(
        {"SESSIONS_PLUS_SITE_URL": "https://shop.example"},
        "shop.example",
        "https://shop.example",
        id="the site",
    ),
    pytest.param(
        {"SESSIONS_PLUS_SITE_URL": "https://Shop.Example:443/"},
        "shop.example",
        "https://shop.example",
        id="the site, spelled otherwise",
    ),
    pytest.param(
        {"SESSIONS_PLUS_SITE_URL": "https://käse.example"},
        "xn--kse-qla.example",
        "https://xn--kse-qla.example",
        id="another alphabet",
    ),
    pytest.param(
        {
            "SESSIONS_PLUS_SITE_URL": "https://www.shop.example",
            "SESSIONS_PLUS_PASSKEY_RP_ID": "shop.example",
        },
        "shop.example",
        "https://www.shop.example",
        id="the domain above",
    ),
    pytest.param(
        {
            "ALLOWED_HOSTS": ["*"],
            "SESSIONS_PLUS_PASSKEY_RP_ID": "shop.example",
            "SESSIONS_PLUS_PASSKEY_ORIGINS": ["https://shop.example", "https://shop.de"],
        },
        "shop.example",
        "https://shop.example https://shop.de",
        id="all of it said",
    ),
    pytest.param({"ALLOWED_HOSTS": ["*"]}, None, None, id="any host"),
    pytest.param({"ALLOWED_HOSTS": [".testserver"]}, None, None, id="any host below"),
    pytest.param(
        {"SESSIONS_PLUS_SITE_URL": "http://127.0.0.1:8000"}, None, None, id="a number for a host"
    ),
    pytest.param({"SESSIONS_PLUS_SITE_URL": "http://[::1]:8000"}, None, None, id="a longer number"),
    pytest.param({"SESSIONS_PLUS_PASSKEY_SIGN_IN": "off"}, None, None, id="off"),
]


@pytest.mark.parametrize(("settings", "domain", "origins"), CASES)
def test_whom_passkeys_are_for(
    settings: dict[str, Any], domain: str | None, origins: str | None
) -> None:
    """It is what the site says, or a host that it names in full; else there are none."""
    with override_settings(**settings):
        party = find_relying_party(asked())

        if domain is None or origins is None:
            assert party is None
            with pytest.raises(PasskeysOff):
                get_relying_party(asked())
        else:
            assert party == RelyingParty(domain, tuple(origins.split()), domain)


def test_a_host_that_nobody_named_is_not_believed() -> None:
    """A stranger's request cannot choose for whom passkeys are made."""
    with override_settings(ALLOWED_HOSTS=["testserver", ".shop.example"]):
        assert find_relying_party(asked("evil.shop.example")) is None
        assert find_relying_party(asked()) is not None


def test_is_called_as_the_site_says() -> None:
    """Authenticators show the name that the site has."""
    with override_settings(SESSIONS_PLUS_PASSKEY_NAME="The Shop"):
        assert get_relying_party(asked()).name == "The Shop"


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://shop.example", "https://shop.example"),
        ("https://shop.example:8443/x", "https://shop.example:8443"),
        ("http://localhost:80", "http://localhost"),
        ("http://localhost:443", "http://localhost:443"),
        ("http://[::1]:8000", "http://[::1]:8000"),
    ],
)
def test_origins_are_as_browsers_write_them(url: str, origin: str) -> None:
    """In small letters, with a port only where it is not the usual one."""
    assert origin_of(url) == origin


@pytest.mark.parametrize(
    ("use", "on", "alone"),
    [("only_factor", True, True), ("second_factor", True, False), ("off", False, False)],
)
def test_what_they_are_for(use: str, on: bool, alone: bool) -> None:
    """The site says whether a passkey signs in alone, confirms a password, or nothing."""
    with override_settings(SESSIONS_PLUS_PASSKEY_SIGN_IN=use):
        assert (are_on(), sign_in_alone()) == (on, alone)


def test_without_the_library_there_are_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """A site that did not install the extra has no passkeys, and nothing fails."""
    monkeypatch.setattr(relying_party, "is_installed", lambda: False)

    assert not are_on()
    assert find_relying_party(asked()) is None
