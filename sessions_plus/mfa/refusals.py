"""How a refusal is told to people and to programs: in words, and with its status."""

from __future__ import annotations

import math
from datetime import timedelta
from typing import TypeVar

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.urls import NoReverseMatch, reverse
from django.utils.cache import add_never_cache_headers
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from sessions_plus.exceptions import SessionsPlusError, TooManyAttempts
from sessions_plus.mfa.answers import wants_json

R = TypeVar("R", bound=HttpResponse)


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


def refused_status(response: R, error: SessionsPlusError | None) -> R:
    """Give a page that had to refuse its status: 429 with ``Retry-After`` where one waits."""
    if isinstance(error, TooManyAttempts):
        response.status_code = 429
        response.headers["Retry-After"] = str(math.ceil(error.retry_after.total_seconds()))
    return response


def too_many_attempts(request: HttpRequest, error: TooManyAttempts) -> HttpResponse:
    """
    Answer in place of a view that knows nothing of waiting: 429, as a page or as JSON.

    ``{"code": "too_many_attempts", "detail": "…"}``
    """
    response: HttpResponse
    facts = {"code": error.code, "detail": in_words(error)}
    if _is_program(request):
        response = JsonResponse(facts)
    elif _has_our_pages():
        facts["back_url"] = request.get_full_path()  # where the form was
        response = render(request, "sessions_plus/too_many_attempts.html", facts)
    else:
        response = HttpResponse(facts["detail"], content_type="text/plain; charset=utf-8")
    add_never_cache_headers(response)
    return refused_status(response, error)


def _is_program(request: HttpRequest) -> bool:
    view = request.resolver_match.func if request.resolver_match is not None else None
    # Django REST framework's views have `cls`.
    return hasattr(view, "cls") or request.content_type == "application/json" or wants_json(request)


def _has_our_pages() -> bool:
    """Say whether the pages that ours link to have addresses."""
    try:
        reverse("sessions_plus:logout")
    except NoReverseMatch:
        return False
    return True
