"""``ClientInfo``: lazy, and made of nothing but the request's headers and the settings."""

from __future__ import annotations

import timeit
from collections.abc import Iterator, Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from django.core.handlers.asgi import ASGIRequest
from django.test import AsyncRequestFactory, RequestFactory
from pytest_django import Settings

from sessions_plus.client_info import ClientInfo, UserAgent, client_info_from, ip_address
from sessions_plus.client_info.user_agent import _parse
from tests.client_info.test_location import BERLIN, place, write_database

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"


class ReadMeta(Mapping[str, Any]):
    """A ``META`` that remembers which of its headers were read."""

    def __init__(self, values: dict[str, Any]) -> None:
        self.values_by_name = values
        self.read: list[str] = []

    def __getitem__(self, name: str) -> Any:
        self.read.append(name)
        return self.values_by_name[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.values_by_name)

    def __len__(self) -> int:
        return len(self.values_by_name)


def test_nothing_is_read_until_asked() -> None:
    """Each part reads its own headers at first use, once, and no others."""
    meta = ReadMeta({"REMOTE_ADDR": BERLIN, "HTTP_USER_AGENT": FIREFOX})
    info = ClientInfo(meta)
    assert meta.read == []

    assert info.user_agent == FIREFOX
    assert meta.read == ["HTTP_USER_AGENT"]

    assert info.agent.label == "Firefox on Linux"
    assert info.user_agent == FIREFOX
    assert meta.read == ["HTTP_USER_AGENT"]

    assert info.ip_address == info.stored_ip_address == BERLIN
    assert meta.read == ["HTTP_USER_AGENT", "REMOTE_ADDR", "HTTP_X_FORWARDED_FOR"]


@pytest.mark.parametrize(
    ("configured", "header"),
    [
        ({}, "REMOTE_ADDR"),
        ({"TRUSTED_PROXY_COUNT": 1}, "HTTP_X_FORWARDED_FOR"),
        (
            {"IP_ADDRESS_HEADER": "X-Real-IP", "TRUSTED_PROXIES": ["127.0.0.1"]},
            "HTTP_X_REAL_IP",
        ),
    ],
)
def test_apart_from_its_request_it_is_the_same(
    settings: Settings, configured: dict[str, Any], header: str
) -> None:
    """It knows the sender wherever the address is told, and nothing else of the request."""
    for name, value in configured.items():
        setattr(settings, f"SESSIONS_PLUS_{name}", value)
    meta = {"REMOTE_ADDR": "127.0.0.1", "HTTP_USER_AGENT": FIREFOX, "HTTP_X_REQUEST_ID": "r1"}
    whole = ClientInfo({**meta, header: BERLIN, "HTTP_COOKIE": "sessionid=x", "wsgi.input": None})

    kept = whole.apart_from_request()

    for info in (whole, kept):
        assert (info.ip_address, info.user_agent, info.request_id) == (BERLIN, FIREFOX, "r1")
    assert kept._meta.keys() == {*meta, header}


def test_nothing_is_parsed_until_asked() -> None:
    """A request whose user agent nobody asks for is not parsed, nor one that is only stored."""
    _parse.cache_clear()

    info = client_info_from(RequestFactory().get("/", HTTP_USER_AGENT=FIREFOX))
    assert info.user_agent
    assert _parse.cache_info().misses == 0

    assert info.agent is info.agent
    assert _parse.cache_info().misses == 1


def test_making_one_costs_nothing() -> None:
    """A request that asks nothing pays less than a microsecond."""
    request = RequestFactory().get("/")

    seconds = min(timeit.repeat(lambda: client_info_from(request), number=1000, repeat=5)) / 1000

    assert seconds < 1e-6


def test_both_worlds_tell_the_same() -> None:
    """A WSGI and an ASGI request of one client give the same client info."""
    headers = {"User-Agent": "Björn/1".encode().decode("latin-1")}
    sync_request = RequestFactory(REMOTE_ADDR=BERLIN).get("/", headers=headers)
    scope = {
        "type": "http",
        "method": "GET",
        "path": "/",
        "client": [BERLIN, 4711],
        "headers": [(b"user-agent", "Björn/1".encode())],
    }
    async_request = ASGIRequest(scope, BytesIO())

    for request in (sync_request, async_request):
        info = client_info_from(request)
        assert (info.ip_address, info.user_agent) == (BERLIN, "Björn/1")


@pytest.mark.parametrize(
    "meta",
    [
        pytest.param({}, id="nothing"),
        pytest.param(
            {"REMOTE_ADDR": None, "HTTP_USER_AGENT": None, "HTTP_X_FORWARDED_FOR": None}, id="None"
        ),
        pytest.param({"REMOTE_ADDR": "", "HTTP_USER_AGENT": ""}, id="empty"),
    ],
)
@pytest.mark.parametrize("count", [0, 1])
def test_an_unknown_client(settings: Settings, meta: dict[str, Any], count: int) -> None:
    """Of a request that tells nothing nothing is known, and that is no error."""
    settings.SESSIONS_PLUS_TRUSTED_PROXY_COUNT = count

    info = ClientInfo(meta)

    assert (info.ip_address, info.stored_ip_address) == (None, None)
    assert (info.user_agent, info.agent, info.location) == ("", UserAgent(), "")


@pytest.mark.parametrize(
    ("privacy", "stored", "location"),
    [
        ("full", BERLIN, "Berlin, Germany"),
        ("truncated", "203.0.113.0", "Berlin, Germany"),
        ("none", None, ""),
    ],
)
def test_privacy(
    settings: Settings, tmp_path: Path, privacy: str, stored: str | None, location: str
) -> None:
    """Address and place are stored as privacy allows, while a decision sees the full address."""
    path = write_database(
        tmp_path / "city.mmdb", "GeoLite2-City", {"203.0.113.0/24": place("Berlin", "Germany")}
    )
    settings.SESSIONS_PLUS_LOCATION_DATABASE = str(path)
    settings.SESSIONS_PLUS_IP_ADDRESS_PRIVACY = privacy

    info = ClientInfo.of(ip_address=BERLIN)

    assert info.ip_address == BERLIN
    assert (info.stored_ip_address, info.location) == (stored, location)


def test_of_plain_values() -> None:
    """A program describes a client without a request."""
    info = ClientInfo.of(ip_address="::ffff:203.0.113.7", user_agent=FIREFOX)

    assert info.ip_address == BERLIN
    assert info.agent.browser == "Firefox"
    assert ClientInfo.of().ip_address is None


def test_repr_tells_nothing() -> None:
    """A repr, which may end up in a log, holds neither address nor user agent."""
    info = ClientInfo.of(ip_address=BERLIN, user_agent=FIREFOX)

    assert info.ip_address
    assert BERLIN not in repr(info)
    assert "Firefox" not in repr(info)


async def test_async_factory() -> None:
    """The test client's asynchronous requests work as well."""
    request = AsyncRequestFactory().get("/", headers={"User-Agent": FIREFOX})

    assert client_info_from(request).agent.label == "Firefox on Linux"


@pytest.mark.parametrize("privacy", ["full", "truncated", "none"])
def test_address_is_parsed_once(
    monkeypatch: pytest.MonkeyPatch, settings: Settings, privacy: str
) -> None:
    """Whatever is asked of an address, it is read once for each client."""
    parsed: list[str] = []
    original = ip_address.parse_address

    def parse(text: str) -> ip_address.IPAddress | None:
        parsed.append(text)
        return original(text)

    monkeypatch.setattr(ip_address, "parse_address", parse)
    settings.SESSIONS_PLUS_IP_ADDRESS_PRIVACY = privacy
    info = ClientInfo.of(ip_address="2001:db8::1")

    assert (info.ip_address, info.stored_ip_address) == (
        "2001:db8::1",
        {"full": "2001:db8::1", "truncated": "2001:db8::", "none": None}[privacy],
    )
    assert parsed == ["2001:db8::1"]
