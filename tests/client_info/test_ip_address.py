"""The client's address: how it is read, found through proxies, and shortened."""

from __future__ import annotations

import tracemalloc
from ipaddress import IPv6Address, ip_address
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sessions_plus.client_info.ip_address import (
    MAX_HOPS,
    apply_privacy,
    find_client_address,
    parse_address,
    parse_network,
    read_trusted_proxies,
    widen_to_stored,
)

PROXY = "10.0.0.1"
CLIENT = "203.0.113.7"


def client_address(**facts: Any) -> str | None:
    """Return the address that was found, as text."""
    found = find_client_address(**facts)
    return None if found is None else str(found)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("203.0.113.7", "203.0.113.7", id="IPv4"),
        pytest.param("203.0.113.7:4711", "203.0.113.7", id="IPv4 with port"),
        pytest.param("  203.0.113.7\t", "203.0.113.7", id="blanks around"),
        pytest.param('"[2001:db8::1]:443"', "2001:db8::1", id="quoted"),
        pytest.param("2001:DB8:0:0::1", "2001:db8::1", id="IPv6 in another spelling"),
        pytest.param("[2001:db8::1]", "2001:db8::1", id="IPv6 in brackets"),
        pytest.param("[2001:db8::1]:443", "2001:db8::1", id="IPv6 with port"),
        pytest.param("fe80::1%eth0", "fe80::1", id="IPv6 with zone"),
        pytest.param("[fe80::1%eth0]:443", "fe80::1", id="IPv6 with zone and port"),
        pytest.param("::ffff:203.0.113.7", "203.0.113.7", id="mapped"),
        pytest.param("[::ffff:203.0.113.7]:80", "203.0.113.7", id="mapped with port"),
        pytest.param("::ffff:203.0.113.7%eth0", "203.0.113.7", id="mapped with zone"),
        pytest.param("", None, id="empty"),
        pytest.param("unknown", None, id="unknown"),
        pytest.param("_hidden", None, id="obfuscated"),
        pytest.param("_hidden:_port", None, id="obfuscated with port"),
        pytest.param("203.0.113.7:", None, id="port missing"),
        pytest.param("203.0.113.7:http", None, id="port in words"),
        pytest.param("203.0.113.7:²", None, id="port in superscript"),
        pytest.param("[203.0.113.7]", None, id="IPv4 in brackets"),
        pytest.param("[2001:db8::1", None, id="bracket not closed"),
        pytest.param("[2001:db8::1]443", None, id="port without colon"),
        pytest.param("203.0.113.7%eth0", None, id="IPv4 with zone"),
        pytest.param("203.0.113.256", None, id="too large a byte"),
        pytest.param("0203.0.113.7", None, id="leading zero"),
        pytest.param("3405803783", None, id="number"),
        pytest.param("203.0.113.0/24", None, id="network"),
        pytest.param("example.com", None, id="name"),
        pytest.param("203.0.113.7\x00", None, id="NUL"),
        pytest.param("\ud800", None, id="surrogate"),
        pytest.param("1" * 1_000_000, None, id="a megabyte"),
        pytest.param(" " * 200 + "203.0.113.7", None, id="too many blanks"),
    ],
)
def test_one_address(text: str, expected: str | None) -> None:
    """An address is read as servers and proxies write it, and anything else is none."""
    address = parse_address(text)

    assert (None if address is None else str(address)) == expected


@pytest.mark.parametrize(
    ("proxy_count", "forwarded_for", "expected"),
    [
        pytest.param(0, CLIENT, PROXY, id="no proxy: the header means nothing"),
        pytest.param(1, CLIENT, CLIENT, id="one proxy"),
        pytest.param(1, f"6.6.6.6, {CLIENT}", CLIENT, id="one proxy, one entry invented"),
        pytest.param(2, f"{CLIENT}, 10.0.0.2", CLIENT, id="two proxies"),
        pytest.param(2, f"6.6.6.6,{CLIENT},10.0.0.2", CLIENT, id="two proxies, one invented"),
        pytest.param(2, CLIENT, PROXY, id="fewer entries than proxies"),
        pytest.param(1, "", PROXY, id="no header"),
        pytest.param(1, "   ", PROXY, id="blank header"),
        pytest.param(1, "unknown", PROXY, id="unknown"),
        pytest.param(1, f"{CLIENT}, _hidden", PROXY, id="hidden: no step to the left"),
        pytest.param(1, f"{CLIENT}:4711", CLIENT, id="with port"),
        pytest.param(-1, CLIENT, PROXY, id="less than no proxy"),
        pytest.param(10**12, CLIENT, PROXY, id="absurdly many proxies"),
    ],
)
def test_counted_proxies(proxy_count: int, forwarded_for: str, expected: str) -> None:
    """Behind N proxies the client is the Nth entry from the right, or else the connection."""
    found = client_address(remote_addr=PROXY, forwarded_for=forwarded_for, proxy_count=proxy_count)

    assert found == expected


@pytest.mark.parametrize(
    ("remote_addr", "forwarded_for", "expected"),
    [
        pytest.param(CLIENT, "", CLIENT, id="no proxy in between"),
        pytest.param(PROXY, CLIENT, CLIENT, id="one proxy"),
        pytest.param(PROXY, f"{CLIENT}, 10.9.9.9", CLIENT, id="two proxies"),
        pytest.param(PROXY, f"{CLIENT}, 2001:db8:a::2", CLIENT, id="proxy by IPv6 network"),
        pytest.param(PROXY, f"{CLIENT}, ::ffff:10.0.0.2", CLIENT, id="proxy by mapped address"),
        pytest.param(PROXY, f"{CLIENT}, 192.0.2.1:9", CLIENT, id="proxy by one address, port"),
        pytest.param("::ffff:10.0.0.1", CLIENT, CLIENT, id="connection by mapped address"),
        pytest.param(PROXY, "", PROXY, id="a proxy that calls by itself"),
        pytest.param(PROXY, "10.0.0.9, 10.0.0.8", "10.0.0.9", id="all trusted: the furthest"),
        pytest.param("garbage", CLIENT, None, id="unreadable connection"),
        pytest.param("", CLIENT, None, id="Unix socket that nobody trusts"),
    ],
)
def test_trusted_proxies(remote_addr: str, forwarded_for: str, expected: str | None) -> None:
    """The client is the first hop from the right that is no trusted proxy."""
    found = client_address(
        remote_addr=remote_addr,
        forwarded_for=forwarded_for,
        trusted_proxies=["10.0.0.0/8", "2001:db8:a::/48", "192.0.2.1"],
    )

    assert found == expected


@pytest.mark.parametrize("remote_addr", ["", "unix:", "unix:/run/site.sock"])
@pytest.mark.parametrize("forwarded_for", [CLIENT, f"6.6.6.6, {CLIENT}", f"{CLIENT}, unix:"])
def test_a_trusted_unix_socket(remote_addr: str, forwarded_for: str) -> None:
    """A proxy on a Unix socket has no address and is trusted where ``unix`` is listed."""
    found = client_address(
        remote_addr=remote_addr, forwarded_for=forwarded_for, trusted_proxies=["unix"]
    )

    assert found == CLIENT


@pytest.mark.parametrize(
    ("forwarded_for", "expected"), [(CLIENT, CLIENT), ("", None), ("unknown", None)]
)
def test_a_counted_unix_socket(forwarded_for: str, expected: str | None) -> None:
    """A count of proxies holds also where the nearest one has no address."""
    found = client_address(remote_addr="", forwarded_for=forwarded_for, proxy_count=1)

    assert found == expected


def test_the_list_wins_over_the_count() -> None:
    """Where a site sets both, only the list of trusted proxies decides."""
    found = client_address(
        remote_addr=CLIENT, forwarded_for="6.6.6.6", proxy_count=1, trusted_proxies=[PROXY]
    )

    assert found == CLIENT


def test_the_walk_ends() -> None:
    """No more than a hundred hops are followed, however many are trusted."""
    hops = [CLIENT, *[f"10.0.{n // 256}.{n % 256}" for n in range(1, 1001)]]

    found = client_address(
        remote_addr=PROXY, forwarded_for=", ".join(hops), trusted_proxies=["10.0.0.0/8"]
    )

    assert found == hops[-MAX_HOPS]


@pytest.mark.parametrize(
    "proxies",
    [
        pytest.param({"proxy_count": 1}, id="counted"),
        pytest.param({"trusted_proxies": [PROXY]}, id="trusted"),
    ],
)
@pytest.mark.parametrize("junk", ["1.1.1.1,", ",", "1", " "], ids=repr)
def test_a_huge_header_costs_little(proxies: dict[str, object], junk: str) -> None:
    """A megabyte of invented entries does not change the answer, and is not taken apart."""
    header = junk * (1_000_000 // len(junk)) + "," + CLIENT

    tracemalloc.start()
    found = client_address(remote_addr=PROXY, forwarded_for=header, **proxies)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert found == CLIENT
    assert peak_bytes < 2_000_000  # one copy of the header; all its entries need many


TEXTS = st.one_of(
    st.text(max_size=60),
    st.text(alphabet='0123456789abcdef.:%[]", _/', max_size=60),
    st.ip_addresses().map(str),
    st.ip_addresses(v=6).map(lambda address: f"[{address}]:443"),
    st.sampled_from(["", "unknown", "_hidden", "unix:", "::ffff:1.2.3.4", "fe80::1%eth0"]),
)
HEADERS = st.lists(TEXTS, max_size=8).map(",".join)
NETWORKS = st.lists(
    st.one_of(TEXTS, st.sampled_from(["10.0.0.0/8", "::/0", "0.0.0.0/0", "unix"])), max_size=4
)


@given(TEXTS, HEADERS, st.integers(-2, 12), NETWORKS)
def test_any_text(
    remote_addr: str, forwarded_for: str, proxy_count: int, trusted_proxies: list[str]
) -> None:
    """Whatever the headers say, the answer is a valid address in its normal form, or none."""
    found = client_address(
        remote_addr=remote_addr,
        forwarded_for=forwarded_for,
        proxy_count=proxy_count,
        trusted_proxies=trusted_proxies,
    )

    if found is not None:
        address = ip_address(found)
        assert str(address) == found
        if isinstance(address, IPv6Address):
            assert address.ipv4_mapped is None
            assert address.scope_id is None


@pytest.mark.parametrize(
    ("address", "privacy", "expected"),
    [
        pytest.param("203.0.113.7", "full", "203.0.113.7", id="full IPv4"),
        pytest.param("2001:db8:1:2::3", "full", "2001:db8:1:2::3", id="full IPv6"),
        pytest.param("203.0.113.7", "truncated", "203.0.113.0", id="truncated IPv4"),
        pytest.param("2001:db8:1:2::3", "truncated", "2001:db8:1::", id="truncated IPv6"),
        pytest.param("::ffff:203.0.113.7", "truncated", "203.0.113.0", id="truncated mapped"),
        pytest.param("203.0.113.7", "none", None, id="none"),
        pytest.param("203.0.113.7", "trucated", None, id="a typing error stores nothing"),
        pytest.param(None, "full", None, id="no address"),
        pytest.param("garbage", "full", None, id="no valid address"),
    ],
)
def test_privacy(address: str | None, privacy: str, expected: str | None) -> None:
    """Of an address all, its network or nothing is stored."""
    assert apply_privacy(address, privacy) == expected  # type: ignore[arg-type]  # wrong on purpose


@pytest.mark.parametrize(
    ("network", "privacy", "expected"),
    [
        pytest.param("203.0.113.7/32", "full", "203.0.113.7/32", id="full"),
        pytest.param("203.0.113.7/32", "truncated", "203.0.113.0/24", id="address"),
        pytest.param("203.0.113.64/26", "truncated", "203.0.113.0/24", id="part of a network"),
        pytest.param("203.0.0.0/16", "truncated", "203.0.0.0/16", id="wider"),
        pytest.param("2001:db8:1:2::/64", "truncated", "2001:db8:1::/48", id="IPv6"),
    ],
)
def test_widen_to_stored(
    network: str, privacy: Literal["full", "truncated"], expected: str
) -> None:
    """Where networks are stored, no part of one can be told from the rest."""
    assert str(widen_to_stored(parse_network(network), privacy)) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("10.0.0.1", "10.0.0.1/32"),
        (" 10.0.0.0/8 ", "10.0.0.0/8"),
        ("2001:db8::/32", "2001:db8::/32"),
        ("::ffff:10.0.0.0/104", "10.0.0.0/8"),
        ("::/0", "::/0"),
    ],
)
def test_one_network(text: str, expected: str) -> None:
    """A trusted proxy is an address or a network."""
    assert str(parse_network(text)) == expected


@pytest.mark.parametrize("text", ["", "unix", "10.1.2.3/8", "10.0.0.0/33", "proxy.local"])
def test_no_network(text: str) -> None:
    """What could mean more machines than intended, or no machine, is refused."""
    with pytest.raises(ValueError, match=r".*"):
        parse_network(text)


def test_a_wrong_entry_is_trusted_by_nobody() -> None:
    """An unreadable entry of the setting takes no trust from the others and gives none."""
    trusted = read_trusted_proxies(("10.1.2.3/8", "192.0.2.1", "unix "))

    assert ip_address("192.0.2.1") in trusted
    assert ip_address("10.1.2.3") not in trusted
    assert not trusted.unix_socket
