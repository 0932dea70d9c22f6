""" "This wasn't me", from a mail: a page that asks, and a POST that acts."""

from __future__ import annotations

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.csrf import csrf_protect
from django.views.decorators.debug import sensitive_variables
from django.views.decorators.http import require_http_methods

from sessions_plus.exceptions import TooManyAttempts
from sessions_plus.mfa.password_reset import send_links
from sessions_plus.models import Notice
from sessions_plus.notices.letters import LETTERS
from sessions_plus.notices.report import find_notice, names_one, owner_of, report
from sessions_plus.notices.sending import address_of
from sessions_plus.views.destinations import site_password_reset_url
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
    theirs = site_password_reset_url()
    if theirs is not None:
        tell(request, _("That is ended. Now choose a new password: somebody may know the old one."))
        return HttpResponseRedirect(theirs)
    return _page(request, done=True, is_sent=_send_reset_link(request, notice))


def _send_reset_link(request: HttpRequest, notice: Notice) -> bool:
    """Spare them to type the address that the mail came to."""
    user = owner_of(notice)
    address = address_of(user) if user is not None else ""
    if user is None or not user.has_usable_password() or not address:
        return False
    client = getattr(request, "client_info", None)
    try:
        return send_links(address, [user], client=client, now=timezone.now())
    except TooManyAttempts:
        return False


def _page(
    request: HttpRequest, *, status: int = 200, notice: Notice | None = None, **words: object
) -> HttpResponse:
    if notice is not None:
        words |= {"notice": notice, "letter": LETTERS.get(notice.event)}
    response = render(request, TEMPLATE, words, status=status)
    # The address is a secret until it is used: no other site may be told of it. Not
    # `no-referrer`, with which browsers send `Origin: null` and the form is refused.
    response.headers["Referrer-Policy"] = "same-origin"
    return response
