"""The way back with a recovery code, for who gave up their password: to a new passkey."""

from __future__ import annotations

from typing import cast

from django.contrib import messages
from django.contrib.auth.decorators import login_not_required
from django.db.transaction import non_atomic_requests
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.csrf import csrf_protect
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from sessions_plus.decorators import mfa_exempt
from sessions_plus.exceptions import (
    ChallengeOver,
    EnrolmentOver,
    InvalidCode,
    PasskeyRefused,
    SessionsPlusError,
    TooManyAttempts,
)
from sessions_plus.mfa import sign_in
from sessions_plus.mfa.passkeys import recovery
from sessions_plus.mfa.passkeys.relying_party import (
    find_relying_party,
    get_relying_party,
    sign_in_alone,
)
from sessions_plus.mfa.passkeys.sent import parse
from sessions_plus.mfa.refusals import in_words, refused_status
from sessions_plus.models import Challenge
from sessions_plus.named_types import Fields, PersonRequest
from sessions_plus.redirects import with_next
from sessions_plus.store.of_request import current_store
from sessions_plus.views.code_forms import PasskeyForm, RecoveryForm
from sessions_plus.views.destinations import login_url
from sessions_plus.views.notices import tell
from sessions_plus.views.onward import onward
from sessions_plus.views.protection import private
from sessions_plus.views.scripted import scripted
from sessions_plus.views.security import show_codes


@private
@sensitive_post_parameters("code")
@require_http_methods(["GET", "HEAD", "POST"])
@csrf_protect
@login_not_required
@mfa_exempt
@non_atomic_requests
def recover(request: HttpRequest) -> HttpResponseBase:
    """Take a name and a recovery code, and lead to a new passkey."""
    if not sign_in_alone() or find_relying_party(request) is None:
        return HttpResponseRedirect(login_url())
    form = RecoveryForm(request.POST if request.method == "POST" else None)
    error: SessionsPlusError | None = None
    if request.method == "POST" and form.is_valid():
        try:
            _wait(request, form.cleaned_data)
            return HttpResponseRedirect(
                with_next("sessions_plus:recover_passkey", onward(request, default=""))
            )
        except InvalidCode as refusal:
            error = refusal
            # Not which of the two is wrong, nor whether there is anybody of that name.
            form.add_error(None, _("These details did not match. Please check them and try again."))
        except TooManyAttempts as refusal:
            error = refusal
            form.add_error(None, in_words(refusal))
    context = {"form": form, "next": onward(request, default="")}
    response = render(request, "sessions_plus/recover.html", context)
    return refused_status(response, error)


def _wait(request: HttpRequest, given: Fields) -> None:
    now = timezone.now()
    client = getattr(request, "client_info", None)
    user, backend = recovery.recover(given["username"], given["code"], client=client, now=now)
    sign_in.wait_for_passkey(request, user, backend=backend, now=now)


@private
@require_http_methods(["GET", "HEAD", "POST"])
@csrf_protect
@login_not_required
@mfa_exempt
@non_atomic_requests
def recover_passkey(request: HttpRequest) -> HttpResponseBase:
    """Offer to add a passkey and nothing else; with it the sign-in is complete."""
    waiting = _waiting(request)
    if waiting is None:
        return HttpResponseRedirect(reverse("sessions_plus:recover"))
    form = PasskeyForm(request.POST if request.method == "POST" else None, is_first=True)
    if request.method == "POST" and form.is_valid():
        try:
            return _finish(request, waiting, form.cleaned_data)
        except ChallengeOver as refusal:
            tell(request, refusal.message, level=messages.WARNING)
            return HttpResponseRedirect(login_url())
        except (PasskeyRefused, EnrolmentOver) as refusal:
            form.add_error(None, in_words(refusal))
    context = {
        "form": form,
        "next": onward(request, default=""),
        "is_recovery": True,
        "begin_url": reverse("sessions_plus:recover_passkey_begin"),
    }
    status = 400 if form.errors else 200
    return render(request, "sessions_plus/passkey_enrol.html", context, status=status)


def _finish(request: HttpRequest, waiting: Challenge, given: Fields) -> HttpResponse:
    passed, enrolled = recovery.finish(
        waiting,
        parse(given["credential"]),
        party=get_relying_party(request),
        name=given["name"],
        client=getattr(request, "client_info", None),
        now=timezone.now(),
    )
    sign_in.finish(request, passed)
    tell(request, _("%(name)s is set up.") % {"name": enrolled.authenticator.label})
    if enrolled.recovery_codes:
        return show_codes(cast(PersonRequest, request), list(enrolled.recovery_codes))
    return HttpResponseRedirect(onward(request, default=reverse("sessions_plus:security")))


@mfa_exempt
@scripted
def recover_passkey_begin(request: HttpRequest) -> dict[str, object]:
    """Say what the browser is to make."""
    waiting = _waiting(request)
    if waiting is None:
        raise ChallengeOver
    return recovery.begin(waiting, party=get_relying_party(request), now=timezone.now())


def _waiting(request: HttpRequest) -> Challenge | None:
    """Return the sign-in of this browser that waits for a new passkey."""
    waiting = sign_in.waiting_challenge(current_store(request), now=timezone.now())
    return waiting if waiting is not None and recovery.is_recovery(waiting) else None
