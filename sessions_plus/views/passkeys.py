"""One's passkeys: adding one, and what authenticators are called."""

from __future__ import annotations

from uuid import UUID

from django.core.exceptions import PermissionDenied
from django.http import HttpResponse, HttpResponseRedirect, JsonResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from sessions_plus.decorators import is_reauthenticated, mfa_exempt
from sessions_plus.exceptions import (
    EnrolmentOver,
    PasskeyRefused,
    PasskeysOff,
    ReauthenticationRequired,
    SessionsPlusError,
)
from sessions_plus.mfa.answers import wants_json
from sessions_plus.mfa.enrolment import rename
from sessions_plus.mfa.passkeys import registration
from sessions_plus.mfa.passkeys.relying_party import find_relying_party, get_relying_party
from sessions_plus.mfa.passkeys.sent import parse
from sessions_plus.mfa.policy import has_authenticator, must_have_factor, must_have_passkey
from sessions_plus.mfa.refusals import in_words
from sessions_plus.models import Authenticator
from sessions_plus.named_types import Fields, PersonRequest
from sessions_plus.rows import session_row
from sessions_plus.views.code_forms import PasskeyForm
from sessions_plus.views.notices import tell
from sessions_plus.views.onward import onward
from sessions_plus.views.protection import act, ask, own_authority
from sessions_plus.views.scripted import own_proof, scripted
from sessions_plus.views.security import end_others, for_changes, show_codes


@ask
@mfa_exempt
@for_changes
def passkey_enrol(request: PersonRequest) -> HttpResponseBase:
    """Offer to add a passkey; take the one that the page's script had made."""
    needs_passkey = must_have_passkey(request.user)
    if needs_passkey and find_relying_party(request) is None:
        raise PermissionDenied(PasskeysOff.message)  # every other page would lead here again
    if find_relying_party(request) is None or not registration.may_add(request.user):
        return redirect("sessions_plus:security")
    is_first = not has_authenticator(request.user)
    form = PasskeyForm(request.POST if request.method == "POST" else None, is_first=is_first)
    error: SessionsPlusError | None = None
    if request.method == "POST" and form.is_valid():
        try:
            return _finish(request, form.cleaned_data)
        except (PasskeyRefused, EnrolmentOver) as refusal:
            error = refusal
            if wants_json(request):
                return _refused(refusal)
            form.add_error(None, in_words(refusal))
    context = {
        "form": form,
        "user": request.user,
        "tab": "security",
        "next": onward(request, default=""),
        "is_wanted": needs_passkey or (is_first and must_have_factor(request.user)),
        "needs_passkey": needs_passkey,
        "begin_url": reverse("sessions_plus:passkey_begin"),
    }
    return render(
        request, "sessions_plus/passkey_enrol.html", context, status=400 if error else 200
    )


def _finish(request: PersonRequest, given: Fields) -> HttpResponse:
    enrolled = registration.finish(
        request.user,
        parse(given["credential"]),
        party=get_relying_party(request),
        authority=own_authority(request),
        name=given["name"],
        client=request.client_info,
        now=timezone.now(),
    )
    text = _("%(name)s is set up.") % {"name": enrolled.authenticator.label}
    if wants_json(request):
        return JsonResponse({"detail": text})
    tell(request, text)
    if given.get("others"):
        end_others(request)
    if enrolled.recovery_codes:
        return show_codes(request, list(enrolled.recovery_codes))
    return HttpResponseRedirect(onward(request, default=reverse("sessions_plus:security")))


def _refused(error: SessionsPlusError) -> HttpResponse:
    return JsonResponse({"code": error.code, "detail": in_words(error)}, status=400)


@mfa_exempt
@scripted
def passkey_begin(request: PersonRequest) -> dict[str, object]:
    """Say what the browser is to make, or what a password manager may make by itself."""
    authority = own_proof(request)
    if not is_reauthenticated(request, factors="all"):
        raise ReauthenticationRequired
    return registration.begin(
        request.user,
        party=get_relying_party(request),
        session_public_id=authority.session_public_id,
        is_conditional="conditional" in request.GET,
        now=timezone.now(),
    )


@act
def authenticator_rename(request: PersonRequest, public_id: UUID) -> HttpResponse:
    """Call an authenticator otherwise; without a name it is called after its kind."""
    own = Authenticator.objects.using(session_row.database()).for_user(request.user).confirmed()
    authenticator = get_object_or_404(own, public_id=public_id)
    if rename(authenticator, request.POST.get("name", ""), client=request.client_info):
        tell(request, _("It is now called %(name)s.") % {"name": authenticator.label})
    return redirect("sessions_plus:security")
