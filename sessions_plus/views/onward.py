"""Where a page of proof leads on to."""

from __future__ import annotations

from django.http import HttpRequest

from sessions_plus.redirects import safe_target
from sessions_plus.views.destinations import after_sign_in_url


def onward(request: HttpRequest, *, default: str | None = None) -> str:
    """Return ``next`` of the request if it is on this site, else ``default``."""
    target = request.POST.get("next") or request.GET.get("next", "")
    return onward_to(request, target, default=default)


def onward_to(request: HttpRequest, target: str, *, default: str | None = None) -> str:
    """Return ``target`` if it is on this site, else ``default``; None: where a sign-in leads."""
    safe = safe_target(request, target) if target else ""
    return safe or (after_sign_in_url() if default is None else default)
