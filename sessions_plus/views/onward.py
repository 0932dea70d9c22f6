"""Where a page of proof leads on to, and how it says what went wrong."""

from __future__ import annotations

import math
from datetime import timedelta

from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from sessions_plus.exceptions import SessionsPlusError, TooManyAttempts
from sessions_plus.mfa.gate import safe_target
from sessions_plus.views.destinations import after_sign_in_url


def onward(request: HttpRequest, *, default: str | None = None) -> str:
    """Return ``next`` of the request if it is on this site, else ``default``."""
    target = request.POST.get("next") or request.GET.get("next", "")
    safe = safe_target(request, target) if target else ""
    return safe or (after_sign_in_url() if default is None else default)


def in_words(error: SessionsPlusError) -> str:
    """The error's message; with the time where one has to wait."""
    if not isinstance(error, TooManyAttempts):
        return str(error.message)
    return _("Too many attempts. Please try again in %(time)s.") % {
        "time": _duration(error.retry_after)
    }


def _duration(wait: timedelta) -> str:
    seconds = math.ceil(wait.total_seconds())
    if seconds < 60:
        return ngettext("%(count)d second", "%(count)d seconds", seconds) % {"count": seconds}
    minutes = math.ceil(seconds / 60)
    return ngettext("%(count)d minute", "%(count)d minutes", minutes) % {"count": minutes}


def refused_status(response: HttpResponse, error: SessionsPlusError | None) -> HttpResponse:
    """Give a page that had to refuse its status: 429 with ``Retry-After`` where one waits."""
    if isinstance(error, TooManyAttempts):
        response.status_code = 429
        response.headers["Retry-After"] = str(math.ceil(error.retry_after.total_seconds()))
    return response
