"""The addresses by whose names and paths the tests ask."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.views import LogoutView
from django.http import HttpRequest, HttpResponse
from django.urls import include, path
from django.utils.module_loading import import_string
from django.views.generic import View

LoginView: Any = import_string("two_factor.views.LoginView")
SetupView: Any = import_string("two_factor.views.SetupView")
OTPRequiredMixin: Any = import_string("two_factor.views.OTPRequiredMixin")
LOGIN = "/account/login/"


def plain(request: HttpRequest) -> HttpResponse:
    return HttpResponse("for everybody")


class SecureView(OTPRequiredMixin, View):
    def get(self, request: HttpRequest) -> HttpResponse:
        return HttpResponse("for whoever proved a second factor")


def login_view(**options: Any) -> Any:
    return LoginView.as_view(**options)


urlpatterns = [
    path("account/logout/", LogoutView.as_view(), name="logout"),
    path("plain/", plain, name="plain"),
    path("login/plain/", login_view(), name="login"),
    path(
        "login/named/", login_view(redirect_field_name="next_page"), name="custom-field-name-login"
    ),
    path(
        "login/abroad/",
        login_view(success_url_allowed_hosts={"test.allowed-success-url.com"}),
        name="custom-allowed-success-url-login",
    ),
    path(
        "login/again/",
        login_view(redirect_authenticated_user=True),
        name="custom-redirect-authenticated-user-login",
    ),
    path(
        "setup/",
        SetupView.as_view(success_url="two_factor:backup_tokens"),
        name="setup-backup_tokens-redirect",
    ),
    path("secure/", SecureView.as_view()),
    path("secure/raises/", SecureView.as_view(raise_anonymous=True, raise_unverified=True)),
    path("secure/redirect_unverified/", SecureView.as_view(verification_url=LOGIN)),
    path("", include(import_string("two_factor.urls.urlpatterns"))),
    path("", include(import_string("two_factor.gateways.twilio.urls.urlpatterns"))),
]
