"""Changing one's password, and whether one stays signed in elsewhere."""

from __future__ import annotations

from collections.abc import Callable

from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.forms import PasswordChangeForm as DjangoPasswordChangeForm
from django.contrib.auth.views import PasswordChangeView as DjangoPasswordChangeView
from django.db.transaction import non_atomic_requests
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from sessions_plus.decorators import reauthentication_required
from sessions_plus.forms import PasswordChangeForm
from sessions_plus.mfa.policy import has_authenticator
from sessions_plus.named_types import PersonRequest
from sessions_plus.views.destinations import password_change_url
from sessions_plus.views.notices import tell
from sessions_plus.views.protection import ask, private


class PasswordChangeView(DjangoPasswordChangeView):
    """Django's, which lets this session go on under a new key, with our form."""

    form_class = PasswordChangeForm
    template_name = "sessions_plus/password_change.html"

    def form_valid(self, form: DjangoPasswordChangeForm) -> HttpResponse:
        response = super().form_valid(form)
        if form.cleaned_data["sign_out_others"]:
            tell(self.request, _("Your password is changed. You are signed out everywhere else."))
        else:
            tell(self.request, _("Your password is changed. Your other devices stay signed in."))
        return response

    def get_success_url(self) -> str:
        return reverse("sessions_plus:security")


_change: Callable[..., HttpResponseBase] = PasswordChangeView.as_view()


@ask
@non_atomic_requests
def password_change(request: PersonRequest) -> HttpResponseBase:
    """
    Ask for the old password and a new one.

    Of whoever has a second factor a fresh proof of it, too (OWASP ASVS 7.5.1). Who signs in
    with another service alone has no password here to change.
    """
    if not request.user.has_usable_password():
        return redirect("sessions_plus:security")
    if not has_authenticator(request.user):
        return _change(request)
    return reauthentication_required(factors="all")(_change)(request)


@private
@login_not_required
@require_safe
def change_password_address(request: HttpRequest) -> HttpResponse:
    """Lead on to where passwords are changed, which asks people to sign in."""
    return HttpResponseRedirect(password_change_url())
