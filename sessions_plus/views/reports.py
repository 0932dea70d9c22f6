""" "This wasn't me", from a mail: a page that asks, and a POST that acts."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import NoReverseMatch, reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.csrf import csrf_protect
from django.views.decorators.debug import sensitive_variables
from django.views.decorators.http import require_http_methods

from sessions_plus.models import Notice
from sessions_plus.notices.letters import LETTERS
from sessions_plus.notices.report import find_notice, names_one, report
from sessions_plus.views.notices import tell, tell_if_late
from sessions_plus.views.protection import private

TEMPLATE = "sessions_plus/notice_report.html"


@private
@require_http_methods(["GET", "HEAD", "POST"])
@csrf_protect
@login_not_required
@sensitive_variables("token")
def notice_report(request: HttpRequest, token: str) -> HttpResponse:
    """
    Show what the mail told of; end it on POST. Nobody has to be signed in.

    A forged, an old and a used link get the same answer.
    """
    notice = find_notice(token, now=timezone.now())
    if notice is None:
        return _page(request, status=410)
    if request.method != "POST":
        return _page(request, notice=notice, names_one=names_one(notice))
    return _act(request, notice)


def _act(request: HttpRequest, notice: Notice) -> HttpResponse:
    revocation = report(
        notice,
        all_sessions="all_sessions" in request.POST,
        client=getattr(request, "client_info", None),
        now=timezone.now(),
    )
    if revocation is None:
        return _page(request, status=410)
    tell_if_late(request, revocation)
    reset = _password_reset_url()
    if reset is None:
        return _page(request, done=True)
    tell(request, _("That is ended. Now choose a new password: somebody may know the old one."))
    return HttpResponseRedirect(reset)


def _page(request: HttpRequest, *, status: int = 200, **words: Any) -> HttpResponse:
    notice = words.get("notice")
    if notice is not None:
        words["letter"] = LETTERS.get(notice.event)
    response = render(request, TEMPLATE, words, status=status)
    # The address is a secret until it is used: no other site may be told of it. Not
    # `no-referrer`, with which browsers send `Origin: null` and the form is refused.
    response.headers["Referrer-Policy"] = "same-origin"
    return response


def _password_reset_url() -> str | None:
    try:
        return reverse("password_reset")
    except NoReverseMatch:
        return None
