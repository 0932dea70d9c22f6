"""
How often the API answers one caller.

Codes and passwords have counters of their own, in the database (see ``mfa.throttle``).
These rates keep a caller from wearing out the server, and a cache that fails must not
keep people out.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from types import MappingProxyType

from rest_framework.request import Request
from rest_framework.throttling import SimpleRateThrottle
from rest_framework.views import APIView

from sessions_plus.conf import conf
from sessions_plus.mfa.throttle import of_address
from sessions_plus.tokens.bearer import client_of

logger = logging.getLogger("sessions_plus")

RATES: Mapping[str, str | None] = MappingProxyType(
    {"requests": "600/min", "sign_in": "20/min", "refresh": "60/min"}
)


class Throttle(SimpleRateThrottle):
    """A rate by scope: of a user, or of an address where nobody is signed in."""

    cache_format = "sessions_plus:throttle:%(scope)s:%(ident)s"

    def get_rate(self) -> str | None:
        return {**RATES, **conf.API_THROTTLE_RATES}.get(self.scope or "")

    def get_cache_key(self, request: Request, view: APIView) -> str | None:
        user = request.user
        ident = f"user:{user.pk}" if user.is_authenticated else _address_of(request)
        return self.cache_format % {"scope": self.scope, "ident": ident}

    def allow_request(self, request: Request, view: APIView) -> bool:
        try:
            return bool(super().allow_request(request, view))
        except Exception as error:
            # What it says may be long, and is said with every request.
            logger.warning("The throttle's cache failed (%s); nobody waits.", type(error).__name__)
            return True


def _address_of(request: Request) -> str:
    return f"address:{of_address(client_of(request._request).ip_address)}"


class RequestThrottle(Throttle):
    scope = "requests"


class SignInThrottle(Throttle):
    """Counts by address, also for who is signed in: accounts are easier to get."""

    scope = "sign_in"

    def get_cache_key(self, request: Request, view: APIView) -> str | None:
        return self.cache_format % {"scope": self.scope, "ident": _address_of(request)}


class RefreshThrottle(SignInThrottle):
    scope = "refresh"
