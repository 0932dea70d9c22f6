"""The second step of a sign-in."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.decorators import login_not_required
from django.db.transaction import non_atomic_requests
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.csrf import csrf_protect
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from sessions_plus.decorators import mfa_exempt
from sessions_plus.devices.trust import trust_lifetime
from sessions_plus.exceptions import ChallengeOver, InvalidCode, TooManyAttempts
from sessions_plus.mfa import challenge as challenges
from sessions_plus.mfa import recovery_codes, sign_in
from sessions_plus.mfa.passkeys.recovery import is_recovery
from sessions_plus.mfa.passkeys.relying_party import find_relying_party
from sessions_plus.mfa.passkeys.ways import ways_of
from sessions_plus.mfa.refusals import in_words, refused_status
from sessions_plus.models import Challenge
from sessions_plus.named_types import Fields
from sessions_plus.redirects import with_next
from sessions_plus.store.of_request import current_store
from sessions_plus.views.code_forms import ChallengeForm
from sessions_plus.views.destinations import login_url
from sessions_plus.views.notices import tell
from sessions_plus.views.onward import onward
from sessions_plus.views.protection import post_or_page, private


@private
@sensitive_post_parameters("code")
@require_http_methods(["GET", "HEAD", "POST"])
@csrf_protect
@login_not_required
@mfa_exempt
@non_atomic_requests
def challenge(request: HttpRequest) -> HttpResponse:
    """Ask for a code, and sign in with it."""
    if request.user.is_authenticated:
        return HttpResponseRedirect(onward(request))
    store = current_store(request)
    waiting = sign_in.waiting_challenge(store, now=timezone.now())
    if waiting is None:
        return _start_again(request)
    if is_recovery(waiting):
        return HttpResponseRedirect(
            with_next("sessions_plus:recover_passkey", onward(request, default=""))
        )
    try:
        user = challenges.get_user(waiting)
    except ChallengeOver:
        return _start_again(request)
    ways = ways_of(user, find_relying_party(request))
    is_recovery_asked = "recovery" in request.GET or not (ways.has_app or ways.has_passkey)
    form = ChallengeForm(
        request.POST if request.method == "POST" else None,
        is_recovery=is_recovery_asked,
        takes_focus=not ways.has_passkey or is_recovery_asked,
        may_trust=trust_lifetime(user) is not None,
    )
    error = None
    if request.method == "POST" and form.is_valid():
        try:
            return _sign_in(request, waiting, form.cleaned_data)
        except ChallengeOver:
            return _start_again(request)
        except (InvalidCode, TooManyAttempts) as refusal:
            error = refusal
            form.add_error("code", in_words(refusal))
    context = {
        "form": form,
        "name": user.get_username(),
        "next": onward(request, default=""),
        "is_recovery": is_recovery_asked,
        "ways": ways,
    }
    response = render(request, "sessions_plus/challenge.html", context)
    return refused_status(response, error)


def _sign_in(request: HttpRequest, waiting: Challenge, given: Fields) -> HttpResponse:
    client = getattr(request, "client_info", None)
    passed = challenges.pass_(waiting, given["code"], client=client, now=timezone.now())
    elsewhere = sign_in.finish(request, passed, wants_trust=bool(given.get("trust")))
    if "rcv" in passed.methods:
        _say_how_many_are_left(request, recovery_codes.left(passed.user))
    return elsewhere or HttpResponseRedirect(onward(request))


def _say_how_many_are_left(request: HttpRequest, left: int) -> None:
    if left > recovery_codes.LOW:
        return
    text = _("You have %(count)d recovery codes left. Please make new ones.") % {"count": left}
    tell(request, text, level=messages.WARNING)


def _start_again(request: HttpRequest) -> HttpResponse:
    """Lead to the sign-in page. Says nothing about why: there may have been no challenge."""
    store = current_store(request)
    sign_in.leave(store, now=timezone.now())
    if request.method == "POST":
        tell(request, ChallengeOver.message, level=messages.WARNING)
    target = with_next("sessions_plus:login", onward(request, default=""))
    return HttpResponseRedirect(target if onward(request, default="") else login_url())


@private
@post_or_page("sessions_plus:challenge")
@csrf_protect
@login_not_required
@mfa_exempt
def challenge_cancel(request: HttpRequest) -> HttpResponse:
    """Give the sign-in up, to begin another."""
    store = current_store(request)
    sign_in.leave(store, now=timezone.now())
    return HttpResponseRedirect(login_url())
