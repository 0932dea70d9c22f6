"""Where people are led on to: an address of this site, and the way there and back."""

from __future__ import annotations

from urllib.parse import urlencode, urlsplit

from django.http import HttpRequest
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme


def came_from(request: HttpRequest) -> str:
    """
    Return the page to come back to.

    A form's address takes no GET; where it was filled in does.
    """
    if request.method in ("GET", "HEAD"):
        return request.get_full_path()
    return request.headers.get("Referer", "")


def with_next(name: str, target: str, *, factors: str = "all") -> str:
    """Return the address of one of our pages, with where to go on if that is on this site."""
    query = {"next": target} if target else {}
    if factors != "all":
        query["factors"] = factors
    return f"{reverse(name)}?{urlencode(query)}" if query else reverse(name)


def safe_target(request: HttpRequest, target: str) -> str:
    """
    Return ``target`` as a path from the root if it is on this site, else "".

    What is returned was looked at itself: the path of ``https://this.site//evil.example`` would
    lead elsewhere.
    """
    is_here = url_has_allowed_host_and_scheme(
        target, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    )
    path = _path_of(target) if is_here else ""
    is_path = path.startswith("/") and url_has_allowed_host_and_scheme(path, allowed_hosts=None)
    return path if is_path else ""


def _path_of(target: str) -> str:
    """Return an address without its scheme and host."""
    parts = urlsplit(target.strip())
    path = parts.path or ("/" if parts.netloc else "")
    query = f"?{parts.query}" if parts.query else ""
    fragment = f"#{parts.fragment}" if parts.fragment else ""
    return f"{path}{query}{fragment}"
