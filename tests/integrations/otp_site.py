"""A site with two-factor-auth, whose people also use the admin, an API and Django's sign-out."""

from __future__ import annotations

from django.contrib import admin
from django.contrib.auth.views import LogoutView
from django.http import HttpRequest, HttpResponse
from django.urls import include, path
from django.utils.module_loading import import_string

from sessions_plus.decorators import mfa_required
from tests.integrations.urls import urlpatterns as of_the_site

LoginView = import_string("two_factor.views.LoginView")


@mfa_required
def safe(request: HttpRequest) -> HttpResponse:
    return HttpResponse("opened")


urlpatterns = [
    *of_the_site,
    path("admin/", admin.site.urls),
    path("api/", include("sessions_plus.api.urls")),
    path("account/logout/", LogoutView.as_view(), name="logout"),
    path("account/login/again/", LoginView.as_view(redirect_authenticated_user=True)),
    path("", include("loginas.urls")),  # whose button is on the page of a user
    path("safe/", safe),
]
