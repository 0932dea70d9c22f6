"""
The attack: a client writes ``X-Forwarded-For`` itself, to be taken for somebody else.

Each request below carries what an attacker at 198.51.100.66 can bring about; the
proxies do their honest work, and append the address that called them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from django.test import RequestFactory
from pytest_django import Settings

from sessions_plus.client_info import client_info_from

ATTACKER = "198.51.100.66"
VICTIM = "203.0.113.7"
INNER, OUTER = "10.0.0.1", "10.0.0.2"

ONE_COUNTED = {"TRUSTED_PROXY_COUNT": 1}
TWO_COUNTED = {"TRUSTED_PROXY_COUNT": 2}
LISTED = {"TRUSTED_PROXIES": ["10.0.0.0/8", "unix"]}

INVENTED = [
    pytest.param(VICTIM, id="the victim"),
    pytest.param(f"{VICTIM}, {OUTER}", id="the victim behind our proxy"),
    pytest.param(f"{VICTIM}, {OUTER}, {INNER}", id="the victim behind all our proxies"),
    pytest.param(f"{VICTIM},", id="trailing comma"),
    pytest.param(f"{VICTIM},,,,", id="many commas"),
    pytest.param(f"{VICTIM}, unix:", id="the victim behind a Unix socket"),
    pytest.param(f"{VICTIM}, unknown", id="unknown"),
    pytest.param(f"{VICTIM}, _hidden", id="hidden"),
    pytest.param(f'"{VICTIM}', id="open quote"),
    pytest.param(f"[{VICTIM}", id="open bracket"),
    pytest.param(f"::ffff:{VICTIM}", id="mapped"),
    pytest.param(f"{VICTIM}\x00", id="NUL"),
    pytest.param(f"{VICTIM}\n", id="line break"),
    pytest.param(", ".join([VICTIM] * 1000), id="a thousand victims"),
    pytest.param(", ".join([INNER] * 1000), id="a thousand proxies"),
    pytest.param("", id="nothing"),
]


def address_of(remote_addr: str, forwarded_for: str) -> str | None:
    request = RequestFactory().get("/", REMOTE_ADDR=remote_addr, HTTP_X_FORWARDED_FOR=forwarded_for)
    return client_info_from(request).ip_address


def configure(settings: Settings, values: Mapping[str, object]) -> None:
    for name, value in values.items():
        setattr(settings, f"SESSIONS_PLUS_{name}", value)


@pytest.mark.parametrize("invented", INVENTED)
@pytest.mark.parametrize(
    "values", [pytest.param({}, id="no proxies"), pytest.param(LISTED, id="listed")]
)
def test_straight_to_the_site(settings: Settings, values: dict[str, object], invented: str) -> None:
    """Who connects to the site itself, past the proxies, is known by the connection."""
    configure(settings, values)

    assert address_of(ATTACKER, invented) == ATTACKER


@pytest.mark.parametrize("invented", INVENTED)
@pytest.mark.parametrize(
    "values", [pytest.param(ONE_COUNTED, id="counted"), pytest.param(LISTED, id="listed")]
)
@pytest.mark.parametrize("remote_addr", [INNER, ""], ids=["TCP", "Unix socket"])
def test_through_one_proxy(
    settings: Settings, values: dict[str, object], remote_addr: str, invented: str
) -> None:
    """Behind one proxy the entry that it appended is the client, whatever came before."""
    configure(settings, values)

    assert address_of(remote_addr, f"{invented}, {ATTACKER}") == ATTACKER


@pytest.mark.parametrize("invented", INVENTED)
@pytest.mark.parametrize(
    "values", [pytest.param(TWO_COUNTED, id="counted"), pytest.param(LISTED, id="listed")]
)
def test_through_two_proxies(settings: Settings, values: dict[str, object], invented: str) -> None:
    """Behind two proxies the entry that the outer one appended is the client."""
    configure(settings, values)

    assert address_of(INNER, f"{invented}, {ATTACKER}, {OUTER}") == ATTACKER


@pytest.mark.parametrize("silence", ["unknown", "_hidden", "", " ", "garbage"])
@pytest.mark.parametrize(
    "values",
    [
        pytest.param(ONE_COUNTED, id="counted"),
        pytest.param({"TRUSTED_PROXIES": [INNER]}, id="listed"),
        pytest.param({"TRUSTED_PROXIES": [INNER, "unix"]}, id="listed with Unix sockets"),
    ],
)
def test_a_proxy_that_does_not_tell(
    settings: Settings, values: dict[str, object], silence: str
) -> None:
    """Where a proxy hides its caller, nobody steps over that to what the caller wrote."""
    configure(settings, values)

    assert address_of(INNER, f"{VICTIM}, {silence}") == INNER


def test_around_the_outer_proxy(settings: Settings) -> None:
    """Who reaches the inner one of two counted proxies cannot shorten the header to win."""
    configure(settings, TWO_COUNTED)

    assert address_of(INNER, ATTACKER) == INNER


@pytest.mark.parametrize(
    "header",
    ["HTTP_FORWARDED", "HTTP_X_REAL_IP", "HTTP_CLIENT_IP", "HTTP_TRUE_CLIENT_IP", "HTTP_VIA"],
)
def test_other_headers(settings: Settings, header: str) -> None:
    """No other header tells an address."""
    configure(settings, ONE_COUNTED)
    headers: dict[str, Any] = {"HTTP_X_FORWARDED_FOR": ATTACKER, header: VICTIM}

    request = RequestFactory().get("/", REMOTE_ADDR=INNER, **headers)

    assert client_info_from(request).ip_address == ATTACKER


HEADERS = ["CF-Connecting-IP", "X-Real-IP", "True-Client-IP", "Fly-Client-IP"]


def told(settings: Settings, header: str, value: str, *, remote_addr: str, **meta: Any) -> Any:
    """Return the address on a site that names this header, where this stands in it."""
    configure(settings, LISTED | {"IP_ADDRESS_HEADER": header})
    headers: dict[str, Any] = {f"HTTP_{header.upper().replace('-', '_')}": value, **meta}
    request = RequestFactory().get("/", REMOTE_ADDR=remote_addr, **headers)
    return client_info_from(request).ip_address


@pytest.mark.parametrize("header", HEADERS)
@pytest.mark.parametrize("remote_addr", [INNER, ""], ids=["TCP", "Unix socket"])
def test_header_of_a_proxy(settings: Settings, header: str, remote_addr: str) -> None:
    """What a trusted proxy says in the header that the site names is the client's address."""
    assert told(settings, header, ATTACKER, remote_addr=remote_addr) == ATTACKER


@pytest.mark.parametrize("header", HEADERS)
def test_header_of_a_stranger(settings: Settings, header: str) -> None:
    """Who connects to the site itself, past the proxies, is not believed."""
    assert told(settings, header, VICTIM, remote_addr=ATTACKER) == ATTACKER


@pytest.mark.parametrize("proxies", [{}, ONE_COUNTED, {"TRUSTED_PROXIES": []}])
def test_header_where_no_proxy_is_trusted(
    settings: Settings, proxies: Mapping[str, object]
) -> None:
    """Without the addresses of proxies nobody is believed: a count says nothing of who it is."""
    configure(settings, {**proxies, "IP_ADDRESS_HEADER": "X-Real-IP"})
    headers: dict[str, Any] = {"HTTP_X_REAL_IP": VICTIM, "HTTP_X_FORWARDED_FOR": VICTIM}

    request = RequestFactory().get("/", REMOTE_ADDR=INNER, **headers)

    assert client_info_from(request).ip_address == INNER


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(f"{VICTIM}, {ATTACKER}", id="the client's own before the proxy's"),
        pytest.param(f"{VICTIM},{ATTACKER}", id="joined"),
        pytest.param("unknown", id="unknown"),
        pytest.param("", id="nothing"),
        pytest.param("x" * 10_000, id="long"),
    ],
)
def test_header_that_tells_no_one_address(settings: Settings, value: str) -> None:
    """What is not one address is none: then the address is the proxy's, and no stranger's word."""
    found = told(settings, "X-Real-IP", value, remote_addr=INNER, HTTP_X_FORWARDED_FOR=VICTIM)

    assert found == INNER


def test_header_in_place_of_the_list(settings: Settings) -> None:
    """Whatever the client wrote into the list that its proxy passes on counts for nothing."""
    meta = {"HTTP_X_FORWARDED_FOR": f"{VICTIM}, {OUTER}"}

    assert told(settings, "X-Real-IP", ATTACKER, remote_addr=INNER, **meta) == ATTACKER


@pytest.mark.parametrize("header", HEADERS)
def test_the_header_that_is_named_and_no_other(settings: Settings, header: str) -> None:
    """A client that guesses at other products' headers wins nothing."""
    others = {
        f"HTTP_{other.upper().replace('-', '_')}": VICTIM for other in HEADERS if other != header
    }

    assert told(settings, header, ATTACKER, remote_addr=INNER, **others) == ATTACKER
