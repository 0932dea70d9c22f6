"""The pages of a site before and after the move."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import include, path
from django.utils.module_loading import import_string


def who(request: HttpRequest) -> JsonResponse:
    """Tell who is signed in, and what is in their cart."""
    return JsonResponse({"user": request.user.get_username(), "cart": request.session.get("cart")})


def fill(request: HttpRequest) -> HttpResponse:
    request.session["cart"] = [request.GET["what"]]
    return HttpResponse("filled")


def vault(request: HttpRequest) -> HttpResponse:
    """A view of before, that asks for a second factor django-otp's way."""
    return HttpResponse(f"opened by {request.user.get_username()}")


def verified(request: HttpRequest) -> JsonResponse:
    user: Any = request.user
    return JsonResponse([user.is_verified(), user.otp_device], safe=False)


async def averified(request: HttpRequest) -> JsonResponse:
    user: Any = await request.auser()
    return JsonResponse([user.is_verified(), user.otp_device], safe=False)


otp_required = import_string("django_otp.decorators.otp_required")

urlpatterns = [
    path("who/", who),
    path("fill/", fill),
    path("verified/", verified),
    path("averified/", averified),
    path("vault/", otp_required(vault)),
    path("", include(import_string("two_factor.urls.urlpatterns"))),
    path("allauth/", include("allauth.urls")),
    path("ours/", include("sessions_plus.urls")),
]
