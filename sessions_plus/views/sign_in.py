"""Signing in and out. What a sign-in leaves behind is not decided here: see ``devices``."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth import logout
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.views import LoginView as DjangoLoginView
from django.contrib.auth.views import LogoutView as DjangoLogoutView
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.urls import reverse
from django.utils.decorators import method_decorator
from django.utils.translation import gettext as _
from django.views.decorators.csrf import csrf_protect

from sessions_plus.exceptions import TooManyAttempts
from sessions_plus.forms import SignInForm
from sessions_plus.lifecycle.persistence import keep_signed_in
from sessions_plus.mfa.refusals import in_words, refused_status
from sessions_plus.views.destinations import (
    after_sign_in_url,
    after_sign_out_url,
    password_reset_url,
    sign_in_page_elsewhere,
)
from sessions_plus.views.notices import tell
from sessions_plus.views.protection import private


@method_decorator([login_not_required, private], name="dispatch")
class LoginView(DjangoLoginView):
    """
    Django's, with one message for every failure.

    Somebody who is signed in and was sent here with ``next`` is shown the form and
    a link onward: a page that they may not see sent them, and would do so again. Where
    another package keeps second factors, its page is the one to sign in on.
    """

    authentication_form = SignInForm
    template_name = "sessions_plus/login.html"

    def dispatch(self, request: HttpRequest, *args: object, **kwargs: object) -> HttpResponseBase:
        if (elsewhere := sign_in_page_elsewhere(request)) is not None:
            return redirect_to_login(self.get_redirect_url(), elsewhere)
        shows_form = request.method == "POST" or not request.user.is_authenticated
        if not shows_form and not self.get_redirect_url():
            return HttpResponseRedirect(self.get_default_redirect_url())
        return super().dispatch(request, *args, **kwargs)

    def post(self, request: HttpRequest, *args: object, **kwargs: object) -> HttpResponse:
        form = self.get_form()
        try:
            return self.form_valid(form) if form.is_valid() else self.form_invalid(form)
        except TooManyAttempts as refusal:
            form.add_error(None, in_words(refusal))
            return refused_status(self.form_invalid(form), refusal)

    def form_valid(self, form: AuthenticationForm) -> HttpResponse:
        response = super().form_valid(form)
        if "keep_signed_in" in form.cleaned_data:
            keep_signed_in(self.request.session, keep=form.cleaned_data["keep_signed_in"])
        return response

    def get_context_data(self, **kwargs: object) -> dict[str, object]:
        return super().get_context_data(**kwargs) | {"password_reset_url": password_reset_url()}

    def get_default_redirect_url(self) -> str:
        return after_sign_in_url()


@method_decorator([private, csrf_protect], name="dispatch")
class LogoutView(DjangoLogoutView):
    """End the session of this browser, by POST; a GET leads to the page with the button."""

    http_method_names = ["get", "head", "post"]

    def get(self, request: HttpRequest, *args: object, **kwargs: object) -> HttpResponse:
        return HttpResponseRedirect(reverse("sessions_plus:session_list"))

    def post(self, request: HttpRequest, *args: object, **kwargs: object) -> HttpResponse:
        logout(request)
        target = self.get_success_url()
        # Another package's page would leave it for whoever signs in there, to read after it.
        if target != sign_in_page_elsewhere(request):
            tell(request, _("You are signed out."), level=messages.INFO)
        # This address takes no GET, so coming back to it would be an error.
        return HttpResponseRedirect(
            self.get_default_redirect_url() if target == request.path else target
        )

    def get_default_redirect_url(self) -> str:
        return after_sign_out_url()
