"""Doors to a site: every way in which the tests' site calls ``login()``."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.auth import get_user_model, login
from django.contrib.auth import views as auth_views
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import URLPattern, URLResolver, include, path

from sessions_plus.decorators import mfa_required, reauthentication_required
from tests.support import sites


def page(request: HttpRequest) -> HttpResponse:
    return HttpResponse(f"hello {request.user}")


@mfa_required
def for_two_factors(request: HttpRequest) -> HttpResponse:
    return HttpResponse("two factors")


@mfa_required
async def afor_two_factors(request: HttpRequest) -> HttpResponse:
    return HttpResponse("two factors")


@reauthentication_required
def for_one_fresh(request: HttpRequest) -> HttpResponse:
    return HttpResponse("one fresh")


@reauthentication_required(factors="all")
async def afor_all_fresh(request: HttpRequest) -> HttpResponse:
    return HttpResponse("all fresh")


@reauthentication_required(factors="all")
def for_all_fresh(request: HttpRequest) -> HttpResponse:
    return HttpResponse("all fresh")


def program(request: HttpRequest) -> HttpResponse:
    """A sign-in of somebody else's package, which answers with JSON."""
    user: Any = get_user_model()._default_manager.get(username=request.GET["name"])
    login(request, user, backend=sites.BACKEND)
    return JsonResponse({"signed_in": True})


urlpatterns: list[URLPattern | URLResolver] = [
    path("", page, name="home"),
    path("two/", for_two_factors, name="two"),
    path("atwo/", afor_two_factors, name="atwo"),
    path("one-fresh/", for_one_fresh, name="one_fresh"),
    path("all-fresh/", for_all_fresh, name="all_fresh"),
    path("aall-fresh/", afor_all_fresh, name="aall_fresh"),
    path("program/", program),
    path("admin/", admin.site.urls),
    path("account/", include("sessions_plus.urls")),
    path("django/", include("django.contrib.auth.urls")),
    path(
        "reset/<uidb64>/<token>/",
        auth_views.PasswordResetConfirmView.as_view(
            post_reset_login=True,
            success_url="/",
            template_name="registration/password_change_form.html",
        ),
        name="reset_and_sign_in",
    ),
    *sites.urlpatterns,
]
