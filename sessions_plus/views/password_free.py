"""Doing without a password, and having one again."""

from __future__ import annotations

from django.contrib.auth import update_session_auth_hash
from django.contrib.auth.forms import SetPasswordForm
from django.db.transaction import non_atomic_requests
from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_post_parameters

from sessions_plus.exceptions import LastWayIn
from sessions_plus.mfa.passkeys.only_factor import (
    give_up_password,
    has_given_up_password,
    may_give_up_password,
)
from sessions_plus.mfa.passkeys.relying_party import find_relying_party, get_relying_party
from sessions_plus.named_types import PersonRequest, SiteUser
from sessions_plus.views.notices import tell
from sessions_plus.views.protection import ask, own_authority
from sessions_plus.views.security import for_changes

SECURITY = "sessions_plus:security"


@ask
@non_atomic_requests
@for_changes
def password_give_up(request: PersonRequest) -> HttpResponseBase:
    """Say what giving up the password means, and do it."""
    if not request.user.has_usable_password():
        return redirect(SECURITY)
    may = may_give_up_password(request.user, find_relying_party(request))
    if request.method != "POST" or not may:
        context = {"user": request.user, "tab": "security", "may_give_up": may}
        return render(request, "sessions_plus/password_give_up.html", context)
    try:
        _give_up(request)
    except LastWayIn as refusal:  # one of the passkeys was removed in this very moment
        tell(request, refusal.message)
        return redirect(SECURITY)
    tell(request, _("You have no password any more. You are signed out everywhere else."))
    return redirect(SECURITY)


def _give_up(request: PersonRequest) -> None:
    authority = own_authority(request)
    give_up_password(
        request.user,
        authority=authority,
        party=get_relying_party(request),
        client=request.client_info,
        now=timezone.now(),
    )
    user: SiteUser = request.user
    update_session_auth_hash(request, user)


@sensitive_post_parameters("new_password1", "new_password2")
@ask
@non_atomic_requests
@for_changes
def password_set(request: PersonRequest) -> HttpResponseBase:
    """Let whoever gave up their password choose one again."""
    if not has_given_up_password(request.user):
        return redirect(SECURITY)
    user: SiteUser = request.user
    form = SetPasswordForm(user, request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        form.save()
        update_session_auth_hash(request, user)
        tell(request, _("You have a password again. You are signed out everywhere else."))
        return redirect(SECURITY)
    context = {"form": form, "user": request.user, "tab": "security"}
    response: HttpResponse = render(request, "sessions_plus/password_set.html", context)
    return response
