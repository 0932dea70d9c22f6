"""Proving oneself again before something that matters."""

from __future__ import annotations

from typing import Any

from django.db.transaction import non_atomic_requests
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.utils import timezone
from django.utils.http import urlencode
from django.views.decorators.debug import sensitive_post_parameters

from sessions_plus.decorators import mfa_exempt
from sessions_plus.exceptions import InvalidCode, SessionsPlusError, TooManyAttempts, WrongPassword
from sessions_plus.mfa.methods import PASSWORD
from sessions_plus.mfa.policy import has_authenticator
from sessions_plus.mfa.reauthentication import reauthenticate as prove_again
from sessions_plus.mfa.refusals import in_words, refused_status
from sessions_plus.views.code_forms import ReauthenticationForm
from sessions_plus.views.destinations import login_url
from sessions_plus.views.onward import onward
from sessions_plus.views.protection import PersonRequest, ask, own_authority


@sensitive_post_parameters("password", "code")
@ask
@mfa_exempt
@non_atomic_requests
def reauthenticate(request: PersonRequest) -> HttpResponse:
    """Ask for password, code or both, and go on where one came from."""
    needs_all = request.GET.get("factors") != "one"
    has_code = has_authenticator(request.user)
    has_password = _has_password(request)
    form = ReauthenticationForm(
        request.POST if request.method == "POST" else None,
        has_password=has_password,
        has_code=has_code,
        needs_all=needs_all,
    )
    error: SessionsPlusError | None = None
    if request.method == "POST" and form.is_valid():
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
        "can_prove": has_password or has_code,
        "next": onward(request, default=""),
        "sign_in_again": f"{login_url()}?{urlencode({'next': onward(request)})}",
    }
    response = render(request, "sessions_plus/reauthenticate.html", context)
    return refused_status(response, error)


def _has_password(request: PersonRequest) -> bool:
    """
    Whether a password can be asked for: the account's own, or one that signed in here.

    That is one kept elsewhere, by LDAP say. Another service's is not ours to see.
    """
    return request.user.has_usable_password() or PASSWORD in own_authority(request).methods


def _prove(request: PersonRequest, given: dict[str, Any]) -> HttpResponse:
    prove_again(
        own_authority(request),
        request.user,
        password=given.get("password") or None,
        typed=given.get("code") or None,
        client=request.client_info,
        now=timezone.now(),
    )
    return HttpResponseRedirect(onward(request))
