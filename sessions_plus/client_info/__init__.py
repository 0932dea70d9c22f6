"""
Who is calling: what one request tells of its sender.

Knows no model and no session. Nothing is read or parsed before somebody asks.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.http import HttpRequest
from django.utils.functional import cached_property

from sessions_plus.client_info.ip_address import IPAddress, apply_privacy, find_client_address
from sessions_plus.client_info.location import locate
from sessions_plus.client_info.user_agent import (
    UserAgent,
    parse_user_agent,
    sanitise_user_agent,
)
from sessions_plus.conf import conf

__all__ = ["ClientInfo", "UserAgent", "client_info_from"]


# What all of it is found in, beside the header that a site may name for the address.
TOLD_IN = ("REMOTE_ADDR", "HTTP_X_FORWARDED_FOR", "HTTP_USER_AGENT", "HTTP_X_REQUEST_ID")


def name_in_meta(header: str) -> str:
    """Return what ``request.META`` calls a header."""
    return "HTTP_" + header.upper().replace("-", "_")


class ClientInfo:
    """
    What one request tells of its sender, each part found when first asked for.

    The repr is object's own on purpose: an address is personal data, and reprs end
    up in logs.
    """

    def __init__(self, meta: Mapping[str, Any]) -> None:  # whatever a server puts there
        """Keep ``meta``, a ``request.META``; its values may be of any type, as in WSGI."""
        self._meta = meta

    @classmethod
    def of(cls, *, ip_address: str | None = None, user_agent: str = "") -> ClientInfo:
        """Describe a client that calls directly from ``ip_address``."""
        return cls({"REMOTE_ADDR": ip_address or "", "HTTP_USER_AGENT": user_agent})

    def apart_from_request(self) -> ClientInfo:
        """Return the same with what it knows of the sender alone, to be kept when all is over."""
        known = self._meta
        kept = {name: known[name] for name in TOLD_IN if name in known}
        header = conf.IP_ADDRESS_HEADER
        if header is not None and (name := name_in_meta(header)) in known:
            kept[name] = known[name]
        return ClientInfo(kept)

    @cached_property
    def ip_address(self) -> str | None:
        """The client's address, in full: for decisions of this request, not to be stored."""
        return None if self._address is None else str(self._address)

    @cached_property
    def _address(self) -> IPAddress | None:
        return find_client_address(
            remote_addr=self._meta.get("REMOTE_ADDR") or "",
            forwarded_for=self._meta.get("HTTP_X_FORWARDED_FOR") or "",
            proxy_count=conf.TRUSTED_PROXY_COUNT,
            trusted_proxies=conf.TRUSTED_PROXIES,
            told=self._told_address,
        )

    @property
    def _told_address(self) -> str | None:
        """What stands in the header that the site names; None: it names none."""
        header = conf.IP_ADDRESS_HEADER
        return None if header is None else str(self._meta.get(name_in_meta(header)) or "")

    @cached_property
    def stored_ip_address(self) -> str | None:
        """What ``IP_ADDRESS_PRIVACY`` lets us store of the address."""
        return apply_privacy(self._address, conf.IP_ADDRESS_PRIVACY)

    @cached_property
    def user_agent(self) -> str:
        """The header as one printable line of at most 512 characters."""
        return sanitise_user_agent(self._meta.get("HTTP_USER_AGENT") or "")

    def says_it_is(self, user_agent: str) -> bool:
        """Say whether it is this. Mostly one comparison: what is clean stays as it is."""
        return self._meta.get("HTTP_USER_AGENT") == user_agent or self.user_agent == user_agent

    @cached_property
    def request_id(self) -> str:
        """The ``X-Request-ID`` header, as far as it is letters, digits, ``-``, ``_`` and ``.``."""
        given = str(self._meta.get("HTTP_X_REQUEST_ID") or "")[:64]
        return "".join(
            sign for sign in given if sign.isascii() and (sign.isalnum() or sign in "-_.")
        )

    @cached_property
    def agent(self) -> UserAgent:
        """The user agent, parsed."""
        return parse_user_agent(self.user_agent)

    @cached_property
    def location(self) -> str:
        """
        The place of the address, ``"Berlin, Germany"``, or "".

        Found from what may be stored: who stores no address stores no place either.
        """
        return locate(self.stored_ip_address)


def client_info_from(request: HttpRequest) -> ClientInfo:
    """Return the client info of ``request``."""
    return ClientInfo(request.META)
