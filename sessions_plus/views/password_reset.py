"""
Choosing a new password with a link from a mail, for whoever forgot theirs.

Where the site names a ``password_reset`` of its own, people are led there, and ours do nothing.
Nor are there any where users have no field for an address.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps

from django.contrib.auth import logout
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.forms import PasswordResetForm, SetPasswordForm
from django.contrib.auth.views import INTERNAL_RESET_SESSION_TOKEN
from django.contrib.auth.views import PasswordResetConfirmView as DjangoPasswordResetConfirmView
from django.db.transaction import non_atomic_requests
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import reverse, reverse_lazy
from django.utils import timezone
from django.views.decorators.csrf import csrf_protect
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables
from django.views.decorators.http import require_http_methods, require_safe

from sessions_plus.decorators import mfa_exempt
from sessions_plus.exceptions import TooManyAttempts
from sessions_plus.mfa.password_reset import send_links
from sessions_plus.mfa.refusals import in_words, refused_status
from sessions_plus.named_types import SiteUser
from sessions_plus.notices.sending import have_addresses
from sessions_plus.views.destinations import login_url, site_password_reset_url
from sessions_plus.views.protection import private

View = Callable[..., HttpResponseBase]


def _for_anybody(view: View) -> View:
    """Signed in or not, with or without the second factor that the site asks for."""

    @wraps(view)
    def ours(request: HttpRequest, *args: object, **kwargs: object) -> HttpResponseBase:
        theirs = site_password_reset_url()
        if theirs is not None:
            return HttpResponseRedirect(theirs)
        if not have_addresses():
            raise Http404
        return view(request, *args, **kwargs)

    open_view: View = private(csrf_protect(login_not_required(mfa_exempt(ours))))
    return open_view


@_for_anybody
@require_http_methods(["GET", "HEAD", "POST"])
@non_atomic_requests
def password_reset(request: HttpRequest) -> HttpResponseBase:
    """Take an e-mail address. What is answered does not depend on whose it is."""
    form = PasswordResetForm(request.POST if request.method == "POST" else None)
    error: TooManyAttempts | None = None
    if request.method == "POST" and form.is_valid():
        try:
            return _send(request, form)
        except TooManyAttempts as refusal:
            error = refusal
            form.add_error(None, in_words(refusal))
    response = render(request, "sessions_plus/password_reset.html", {"form": form})
    return refused_status(response, error)


def _send(request: HttpRequest, form: PasswordResetForm) -> HttpResponse:
    address = form.cleaned_data["email"]
    client = getattr(request, "client_info", None)
    send_links(address, form.get_users(address), client=client, now=timezone.now())
    return HttpResponseRedirect(reverse("sessions_plus:password_reset_done"))


@_for_anybody
@require_safe
def password_reset_done(request: HttpRequest) -> HttpResponse:
    """Say that a mail was sent, if there was anybody to send it to."""
    return render(request, "sessions_plus/password_reset_done.html")


class PasswordResetConfirmView(DjangoPasswordResetConfirmView):
    """
    Django's, which keeps the link's token out of the page's address.

    Nobody is signed in by it: the sign-in that follows asks for the second factor.
    """

    template_name = "sessions_plus/password_reset_confirm.html"
    success_url = reverse_lazy("sessions_plus:password_reset_complete")

    @sensitive_variables("token")
    def form_valid(self, form: SetPasswordForm[SiteUser]) -> HttpResponse:
        # Whoever is signed in here may be somebody else, who changes no password of another's.
        token = self.request.session[INTERNAL_RESET_SESSION_TOKEN]
        logout(self.request)
        self.request.session[INTERNAL_RESET_SESSION_TOKEN] = token
        return super().form_valid(form)


_confirm: View = PasswordResetConfirmView.as_view()


@sensitive_variables("token")
@sensitive_post_parameters("new_password1", "new_password2")
@_for_anybody
@require_http_methods(["GET", "HEAD", "POST"])
@sensitive_variables("token")
def password_reset_confirm(request: HttpRequest, uidb64: str, token: str) -> HttpResponseBase:
    """Ask for a new password. Every session of theirs ends with the old one."""
    response = _confirm(request, uidb64=uidb64, token=token)
    # The link is a secret until it is used: no other site may be told of it.
    response.headers["Referrer-Policy"] = "same-origin"
    return response


@_for_anybody
@require_safe
def password_reset_complete(request: HttpRequest) -> HttpResponse:
    context = {"login_url": login_url()}
    return render(request, "sessions_plus/password_reset_complete.html", context)
