"""The shop's pages, which are the same before and after: nothing of ours is named here."""

from __future__ import annotations

from django.contrib.auth.views import LoginView, LogoutView
from django.http import HttpRequest, JsonResponse
from django.urls import path


def who(request: HttpRequest) -> JsonResponse:
    """Tell who is signed in, and what is in their cart."""
    name = request.user.get_username()
    return JsonResponse({"user": name, "cart": request.session.get("cart")})


def fill(request: HttpRequest) -> JsonResponse:
    request.session["cart"] = request.GET["what"]
    return who(request)


urlpatterns = [
    path("who/", who),
    path("fill/", fill),
    path("login/", LoginView.as_view()),
    path("logout/", LogoutView.as_view()),
]
