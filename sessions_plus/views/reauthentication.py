"""Proving oneself again before something that matters."""

from __future__ import annotations

from django.db.transaction import non_atomic_requests
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.utils import timezone
from django.utils.http import urlencode
from django.views.decorators.debug import sensitive_post_parameters

from sessions_plus.decorators import mfa_exempt
from sessions_plus.exceptions import InvalidCode, SessionsPlusError, TooManyAttempts, WrongPassword
from sessions_plus.mfa.methods import EXTERNAL, PASSWORD
from sessions_plus.mfa.passkeys.relying_party import find_relying_party
from sessions_plus.mfa.passkeys.ways import Ways, ways_of
from sessions_plus.mfa.reauthentication import reauthenticate as prove_again
from sessions_plus.mfa.refusals import in_words, refused_status
from sessions_plus.named_types import Fields, PersonRequest
from sessions_plus.views.code_forms import ReauthenticationForm
from sessions_plus.views.destinations import login_url
from sessions_plus.views.onward import onward
from sessions_plus.views.protection import ask, own_authority


@sensitive_post_parameters("password", "code")
@ask
@mfa_exempt
@non_atomic_requests
def reauthenticate(request: PersonRequest) -> HttpResponse:
    """Ask for password, code or both, and go on where one came from."""
    needs_all = request.GET.get("factors") != "one"
    ways = ways_of(request.user, find_relying_party(request))
    has_password = _has_password(request)
    needs_passkey = request.GET.get("factors") == "passkey"
    can_type = has_password or _is_code_enough(request, ways, needs_all=needs_all)
    has_form = can_type and not needs_passkey
    form = ReauthenticationForm(
        request.POST if request.method == "POST" else None,
        has_password=has_password,
        has_code=ways.has_any and has_form,
        needs_all=needs_all,
        is_recovery=not ways.has_app,
        takes_focus=not ways.has_passkey,
    )
    error: SessionsPlusError | None = None
    if request.method == "POST" and has_form and form.is_valid():
        try:
            return _prove(request, form.cleaned_data)
        except WrongPassword as refusal:
            error = refusal
            form.add_error("password", in_words(refusal))
        except InvalidCode as refusal:
            error = refusal
            form.add_error("code", in_words(refusal))
        except TooManyAttempts as refusal:
            error = refusal
            form.add_error(None, in_words(refusal))
    context = {
        "form": form,
        "user": request.user,
        "needs_all": needs_all,
        "has_form": has_form,
        "ways": ways,
        "can_prove": has_form or ways.has_passkey,
        "next": onward(request, default=""),
        "sign_in_again": f"{login_url()}?{urlencode({'next': onward(request)})}",
    }
    response = render(request, "sessions_plus/reauthenticate.html", context)
    return refused_status(response, error)


def _is_code_enough(request: PersonRequest, ways: Ways, *, needs_all: bool) -> bool:
    """Whether a code proves what is wanted, of somebody without a password here."""
    is_enough = not needs_all or EXTERNAL in own_authority(request).methods
    return ways.has_any and is_enough


def _has_password(request: PersonRequest) -> bool:
    """
    Whether a password can be asked for: the account's own, or one that signed in here.

    That is one kept elsewhere, by LDAP say. Another service's is not ours to see.
    """
    return request.user.has_usable_password() or PASSWORD in own_authority(request).methods


def _prove(request: PersonRequest, given: Fields) -> HttpResponse:
    prove_again(
        own_authority(request),
        request.user,
        password=given.get("password") or None,
        typed=given.get("code") or None,
        client=request.client_info,
        now=timezone.now(),
    )
    return HttpResponseRedirect(onward(request))
