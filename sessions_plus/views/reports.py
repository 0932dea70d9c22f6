""" "This wasn't me", from a mail: a page that asks, and a POST that acts."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import NoReverseMatch, reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.csrf import csrf_protect
from django.views.decorators.http import require_http_methods

from sessions_plus.models import Notice
from sessions_plus.notices.letters import LETTERS
from sessions_plus.notices.report import find_notice, report
from sessions_plus.views.notices import tell
from sessions_plus.views.protection import private

TEMPLATE = "sessions_plus/notice_report.html"


@private
@require_http_methods(["GET", "HEAD", "POST"])
@csrf_protect
def notice_report(request: HttpRequest, token: str) -> HttpResponse:
    """Show what the mail told of; end it on POST. Nobody has to be signed in."""
    notice = find_notice(token, now=timezone.now())
    if notice is None:
        return _page(request, status=410)
    if request.method != "POST":
        return _page(request, notice)
    all_sessions = "all_sessions" in request.POST
    client = getattr(request, "client_info", None)
    if report(notice, all_sessions=all_sessions, client=client, now=timezone.now()) is None:
        return _page(request, status=410)
    tell(request, _("That session is ended. Now choose a new password."))
    reset = _password_reset_url()
    return HttpResponseRedirect(reset) if reset else _page(request, done=True)


def _page(
    request: HttpRequest, notice: Notice | None = None, *, done: bool = False, status: int = 200
) -> HttpResponse:
    lead = LETTERS[notice.event].lead if notice is not None else ""
    words = {"notice": notice, "lead": lead, "done": done}
    response = render(request, TEMPLATE, words, status=status)
    # The address is a secret until it is used: no other site may be told of it.
    response.headers["Referrer-Policy"] = "no-referrer"
    return response


def _password_reset_url() -> str | None:
    try:
        return reverse("password_reset")
    except NoReverseMatch:
        return None
