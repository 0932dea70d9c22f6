"""
For whom passkeys are made here, and from which pages they are taken (WebAuthn's relying party).

Invariant for whoever edits this: nothing that a stranger chooses gets in. A host that a request
names counts only where ``ALLOWED_HOSTS`` names it in full.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from urllib.parse import urlsplit

from django.http import HttpRequest

from sessions_plus.conf import conf
from sessions_plus.exceptions import PasskeysOff
from sessions_plus.notices.links import site_url

LIBRARY = "webauthn"
DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class RelyingParty:
    """
    Whom a passkey is for.

    ``id``
        the domain that it is bound to: ``example.com``.
    ``origins``
        the pages' origins from which it is taken, each as browsers write it.
    ``name``
        what authenticators call the site.
    """

    id: str
    origins: tuple[str, ...]
    name: str


@lru_cache(maxsize=1)
def is_installed() -> bool:
    return find_spec(LIBRARY) is not None


def are_on() -> bool:
    """Say whether the site takes passkeys at all."""
    return conf.PASSKEY_SIGN_IN != "off" and is_installed()


def sign_in_alone() -> bool:
    """Say whether a passkey signs in by itself, and not only after a password."""
    return are_on() and conf.PASSKEY_SIGN_IN == "only_factor"


def find_relying_party(request: HttpRequest | None) -> RelyingParty | None:
    """Return for whom passkeys are here; None: they are off, or it is not certain for whom."""
    if not are_on():
        return None
    base = site_url(request)
    domain = conf.PASSKEY_RP_ID or _domain_of(base)
    origins = tuple(conf.PASSKEY_ORIGINS) or ((origin_of(base),) if base else ())
    if not domain or not origins:
        return None
    return RelyingParty(domain, origins, conf.PASSKEY_NAME or domain)


def get_relying_party(request: HttpRequest) -> RelyingParty:
    """
    See find_relying_party().

    Raises:
        PasskeysOff: there is none.
    """
    party = find_relying_party(request)
    if party is None:
        raise PasskeysOff
    return party


def related_origins(party: RelyingParty) -> list[str]:
    """Return the origins on other domains, which browsers have to be told of. Apps are none."""
    return [origin for origin in party.origins if _is_elsewhere(origin, party.id)]


def _is_elsewhere(origin: str, domain: str) -> bool:
    host = urlsplit(origin).hostname
    return host is not None and host != domain and not host.endswith(f".{domain}")


def origin_of(url: str) -> str:
    """Return the origin of an address, as browsers write it: in small letters, no usual port."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    host = f"[{host}]" if ":" in host else _in_ascii(host)
    is_usual = parts.port in (None, DEFAULT_PORTS.get(parts.scheme))
    return f"{parts.scheme}://{host}" if is_usual else f"{parts.scheme}://{host}:{parts.port}"


def _domain_of(base: str) -> str:
    """Return the host of an address; "" where it is a number, for which browsers make none."""
    host = urlsplit(base).hostname or ""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return _in_ascii(host)
    return ""


def _in_ascii(host: str) -> str:
    """Return a host as browsers write it: ``xn--…`` for names of other alphabets."""
    try:
        return host.encode("idna").decode()
    except UnicodeError:
        return host
