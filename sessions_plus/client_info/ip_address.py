"""
Which address a request came from, and how much of it may be stored.

Pure functions of text. The invariant: nothing that a client can write into a header
is believed unless a proxy of ours, named by the site, vouches for it; and no text,
however long or broken, makes any function here raise.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from typing import Literal

# A longer chain of proxies is an attack on our time, not a network.
MAX_HOPS = 100

# "[", 45 of an IPv4-mapped IPv6 address, "%", an interface's name, "]:65535", blanks.
MAX_ENTRY_LENGTH = 100

UNIX_SOCKET = "unix"

# What "truncated" keeps of an address, by its version.
KEPT_BITS = {4: 24, 6: 48}

IPAddress = IPv4Address | IPv6Address
IPNetwork = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True)
class TrustedProxies:
    """The proxies whose word we take: their networks, and whether Unix sockets count."""

    networks: tuple[IPNetwork, ...]
    unix_socket: bool

    def __contains__(self, address: IPAddress) -> bool:
        return any(address in network for network in self.networks)


def find_client_address(
    *,
    remote_addr: str,
    forwarded_for: str,
    proxy_count: int = 0,
    trusted_proxies: Sequence[str] = (),
    told: str | None = None,
) -> IPAddress | None:
    """
    Return the address that the client called from, or None.

    ``remote_addr`` is whoever holds the connection, which no header can change;
    ``forwarded_for`` is the whole ``X-Forwarded-For``, whose right end was written by
    our nearest proxy and whose left end may be anybody's invention. With neither
    proxies nor a count, the header is not looked at. ``trusted_proxies`` wins over
    ``proxy_count`` where a site sets both.

    ``told`` is what stands in a header that the site names instead, "" where that is
    missing; None: it names none.

    All ways hold only while nobody but the proxies can set the header, and reach
    the site: the server in front must also drop ``X_Forwarded_For``, which WSGI
    cannot tell from it.
    """
    trusted = read_trusted_proxies(tuple(map(str, trusted_proxies)))
    if told is not None:
        return _told_by_trusted_proxy(remote_addr, told, trusted)
    if trusted_proxies:
        return _before_trusted_proxies(remote_addr, forwarded_for, trusted)
    return _before_counted_proxies(remote_addr, forwarded_for, proxy_count)


def _told_by_trusted_proxy(
    remote_addr: str, told: str, trusted: TrustedProxies
) -> IPAddress | None:
    """
    Take the one address that a header tells, if a trusted proxy holds the connection.

    ``X-Forwarded-For`` has no say: a proxy that writes another header may pass on what the
    client wrote there. Two addresses are one that the client sent, and the proxy's: none is
    believed.
    """
    nearest = parse_address(remote_addr)
    if nearest is None:
        is_trusted = trusted.unix_socket and _is_unix_socket(remote_addr)
    else:
        is_trusted = nearest in trusted
    return (parse_address(told) if is_trusted else None) or nearest


def _before_counted_proxies(
    remote_addr: str, forwarded_for: str, proxy_count: int
) -> IPAddress | None:
    """
    Take the entry that the outermost of ``proxy_count`` proxies wrote.

    ``remote_addr`` is the nearest proxy itself; each proxy appends the address that
    called it, so the outermost one wrote the ``proxy_count``-th entry from the right,
    and whatever a client sent stands left of that. A header with fewer entries did
    not come through all the proxies: then nothing in it is believed.
    """
    if proxy_count > 0 and forwarded_for:
        entries = forwarded_for.rsplit(",", proxy_count)
        if len(entries) >= proxy_count:
            address = parse_address(entries[-proxy_count])
            if address is not None:
                return address
    return parse_address(remote_addr)


def _before_trusted_proxies(
    remote_addr: str, forwarded_for: str, trusted: TrustedProxies
) -> IPAddress | None:
    """
    Walk from the connection to the left while each hop is a trusted proxy.

    The first hop that is not trusted is the client: a trusted proxy saw it, and what
    stands left of it is only its own word. A hop that cannot be read (``unknown``,
    ``_hidden``, nothing, garbage) ends the walk too: stepping over it would believe
    text that nobody vouches for. Then, and when all hops are trusted, the answer is
    the furthest address that was vouched for.
    """
    furthest = parse_address(remote_addr)
    if furthest is None:
        if not (trusted.unix_socket and _is_unix_socket(remote_addr)):
            return None
    elif furthest not in trusted:
        return furthest
    for entry in reversed(forwarded_for.rsplit(",", MAX_HOPS)[-MAX_HOPS:]):
        hop = parse_address(entry)
        if hop is None:
            if trusted.unix_socket and entry.strip() and _is_unix_socket(entry):
                continue
            break
        furthest = hop
        if hop not in trusted:
            break
    return furthest


def _is_unix_socket(text: str) -> bool:
    """Empty (gunicorn, uvicorn) or ``unix:`` (nginx, uWSGI), the path perhaps behind it."""
    text = text[:MAX_ENTRY_LENGTH].strip()
    return not text or text.startswith("unix:")


def parse_address(text: str) -> IPAddress | None:
    """
    Read one address as servers and proxies write it, or return None.

    ``"203.0.113.7:4711"``, ``"[2001:db8::1]:443"`` and ``"fe80::1%eth0"`` lose their
    port and zone; an IPv4 address mapped into IPv6 becomes the IPv4 address that it
    is, so that one client has one address on every kind of socket.
    """
    if len(text) > MAX_ENTRY_LENGTH:
        return None
    try:
        address = ip_address(_without_port(text.strip().strip('"')))
    except ValueError:
        return None
    if isinstance(address, IPv4Address):
        return address
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return IPv6Address(int(address)) if address.scope_id else address


def _without_port(text: str) -> str:
    """Drop a port; raise ValueError where something else stands in its place."""
    if text.startswith("["):
        host, bracket, port = text[1:].partition("]")
        if not bracket or ":" not in host or not _is_port_suffix(port):
            raise ValueError("not an IPv6 address in brackets")
        return host
    if text.count(":") == 1:
        host, _, port = text.partition(":")
        if not _is_port_suffix(":" + port):
            raise ValueError("not a port")
        return host
    return text


def _is_port_suffix(text: str) -> bool:
    """Say whether this is ``":443"`` or nothing."""
    return not text or (text[0] == ":" and text[1:].isascii() and text[1:].isdigit())


def parse_network(text: str) -> IPNetwork:
    """
    Read one entry of ``TRUSTED_PROXIES``: an address or a network.

    Raises ValueError for anything else, also for a network with host bits set
    (``10.1.2.3/8``): was one machine meant, or sixteen million?
    """
    network = ip_network(text.strip())
    if isinstance(network, IPv6Network) and network.prefixlen >= 96:
        mapped = network.network_address.ipv4_mapped
        if mapped is not None:
            return IPv4Network((mapped, network.prefixlen - 96))
    return network


@lru_cache(maxsize=8)
def read_trusted_proxies(entries: tuple[str, ...]) -> TrustedProxies:
    """Read the setting; an entry that cannot be read is trusted by nobody."""
    networks: list[IPNetwork] = []
    for entry in entries:
        try:
            networks.append(parse_network(entry))
        except ValueError:  # "unix", or a mistake that a system check reports
            continue
    return TrustedProxies(networks=tuple(networks), unix_socket=UNIX_SOCKET in entries)


def apply_privacy(
    address: IPAddress | str | None, privacy: Literal["full", "truncated", "none"]
) -> str | None:
    """
    Return what may be stored of an address.

    ``truncated`` keeps the first 24 bits of IPv4 and 48 of IPv6, what one
    organisation or one connected home usually gets. A word that is none of the
    three stores nothing: a typing error must not collect addresses.
    """
    parsed = parse_address(address) if isinstance(address, str) else address
    if parsed is None or privacy not in ("full", "truncated"):
        return None
    if privacy == "full":
        return str(parsed)
    network = ip_network((parsed, KEPT_BITS[parsed.version]), strict=False)
    return str(network.network_address)


def widen_to_stored(network: IPNetwork, privacy: Literal["full", "truncated", "none"]) -> IPNetwork:
    """Return the least network that what is stored of these addresses can be told from."""
    kept_bits = KEPT_BITS[network.version]
    if privacy != "truncated" or network.prefixlen <= kept_bits:
        return network
    return network.supernet(new_prefix=kept_bits)
