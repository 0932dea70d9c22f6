"""The views that are measured: each does one thing, in both worlds."""

from __future__ import annotations

import itertools

from django.contrib.auth import get_user_model, login, logout
from django.http import HttpRequest, HttpResponse
from django.urls import path

_numbers = itertools.count()


def nothing(request: HttpRequest) -> HttpResponse:
    return HttpResponse("ok")


async def anothing(request: HttpRequest) -> HttpResponse:
    return HttpResponse("ok")


def read(request: HttpRequest) -> HttpResponse:
    return HttpResponse(request.session.get("color", "none"))


async def aread(request: HttpRequest) -> HttpResponse:
    return HttpResponse(await request.session.aget("color", "none"))


def write(request: HttpRequest) -> HttpResponse:
    request.session["color"] = f"blue {next(_numbers)}"
    return HttpResponse("ok")


def sign_in(request: HttpRequest) -> HttpResponse:
    user = get_user_model()._default_manager.get(username=request.GET.get("name", "ann"))
    login(request, user, backend="django.contrib.auth.backends.ModelBackend")
    request.session["color"] = "blue"
    return HttpResponse("ok")


def sign_out(request: HttpRequest) -> HttpResponse:
    logout(request)
    return HttpResponse("ok")


urlpatterns = [
    path("nothing", nothing),
    path("anothing", anothing),
    path("read", read),
    path("aread", aread),
    path("write", write),
    path("sign-in", sign_in),
    path("sign-out", sign_out),
]
