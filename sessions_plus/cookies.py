"""What browsers keep of us: our cookies, their names and attributes, and when they go."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from types import MappingProxyType
from typing import Literal, TypedDict

from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from sessions_plus.conf import conf


def prefixed(name: str) -> str:
    """
    Return the name with the prefix that makes browsers enforce ``Secure``.

    ``__Host-`` also forbids a domain and another path (RFC 6265bis §4.1.3). No
    prefix where the site is served over plain HTTP: browsers would drop the cookie.
    """
    if not settings.SESSION_COOKIE_SECURE:
        return name
    shared = settings.SESSION_COOKIE_DOMAIN or settings.SESSION_COOKIE_PATH != "/"
    return f"__Secure-{name}" if shared else f"__Host-{name}"


def device_cookie_name() -> str:
    return conf.derived("device cookie name", lambda: conf.DEVICE_COOKIE_NAME or prefixed("device"))


def device_token_in(cookies: Mapping[str, str]) -> str | None:
    """The device cookie among those of a request, as it was sent."""
    return cookies.get(device_cookie_name())


def trust_cookie_name() -> str:
    return prefixed("trust")


def trust_token_of(request: HttpRequest) -> str | None:
    """The trust cookie that came with a request, as it was sent."""
    return request.COOKIES.get(trust_cookie_name())


def set_private_cookie(
    response: HttpResponseBase, name: str, value: str, *, age: timedelta, samesite: SameSite
) -> None:
    """Set a cookie that no script may read and that goes where the session's cookie goes."""
    response.set_cookie(
        name,
        value,
        max_age=age,
        domain=settings.SESSION_COOKIE_DOMAIN,
        path=settings.SESSION_COOKIE_PATH,
        secure=bool(settings.SESSION_COOKIE_SECURE),
        httponly=True,
        samesite=samesite,
    )


SameSite = Literal["Lax", "Strict", "None"]

_SAME_SITE: Mapping[str, SameSite] = MappingProxyType({"Strict": "Strict", "None": "None"})


class ProofCookieAttributes(TypedDict):
    """What a browser is told twice of a proof cookie: with it, and how it will be set again."""

    path: str
    secure: bool
    httponly: bool
    samesite: SameSite


def proof_cookie_attributes() -> ProofCookieAttributes:
    """It goes where the session's cookie goes, and to no other host."""
    samesite = _SAME_SITE.get(str(settings.SESSION_COOKIE_SAMESITE), "Lax")
    return {"path": "/", "secure": True, "httponly": True, "samesite": samesite}


def clear_site_data(response: HttpResponseBase) -> None:
    """Let the browser forget what it kept of a session that is over (OWASP ASVS 14.3.1)."""
    kinds = ", ".join(f'"{kind}"' for kind in conf.CLEAR_SITE_DATA)
    if kinds:
        response.headers.setdefault("Clear-Site-Data", kinds)


def set_device_cookie(response: HttpResponseBase, token: str) -> None:
    # Lax: a person who follows a link to the sign-in page is on the same device. Where the
    # session's cookie comes along with other sites' requests, so must this one: the two
    # together tell that a key is used on its own device.
    samesite: SameSite = "None" if settings.SESSION_COOKIE_SAMESITE == "None" else "Lax"
    set_private_cookie(
        response, device_cookie_name(), token, age=conf.DEVICE_COOKIE_AGE, samesite=samesite
    )


def set_trust_cookie(response: HttpResponseBase, token: str) -> None:
    # Strict: it is only ever asked for where the sign-in form was posted from.
    age = conf.TRUSTED_DEVICE_LIFETIME or timedelta(0)
    set_private_cookie(response, trust_cookie_name(), token, age=age, samesite="Strict")
