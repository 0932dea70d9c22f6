"""The views that are measured: each does one thing, in both worlds."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from django.contrib.auth import alogin, get_user_model, login, logout
from django.http import HttpRequest, HttpResponse
from django.urls import path

if TYPE_CHECKING:
    from django.contrib.auth.models import User

_numbers = itertools.count()


def nothing(request: HttpRequest) -> HttpResponse:
    return HttpResponse("ok")


async def anothing(request: HttpRequest) -> HttpResponse:
    return HttpResponse("ok")


def read(request: HttpRequest) -> HttpResponse:
    return HttpResponse(request.session.get("color", "none"))


async def aread(request: HttpRequest) -> HttpResponse:
    return HttpResponse(await request.session.aget("color", "none"))


def read_user(request: HttpRequest) -> HttpResponse:
    return HttpResponse(request.user.get_username())


async def aread_user(request: HttpRequest) -> HttpResponse:
    return HttpResponse((await request.auser()).get_username())


def write(request: HttpRequest) -> HttpResponse:
    request.session["color"] = f"blue {next(_numbers)}"
    return HttpResponse("ok")


async def awrite(request: HttpRequest) -> HttpResponse:
    await request.session.aset("color", f"blue {next(_numbers)}")
    return HttpResponse("ok")


def find_user(request: HttpRequest) -> HttpResponse:
    """What a sign-in does that is no session's business: it looks up who signs in."""
    _user_named(request)
    return HttpResponse("ok")


def sign_in(request: HttpRequest) -> HttpResponse:
    user = _user_named(request)
    login(request, user, backend="django.contrib.auth.backends.ModelBackend")
    request.session["color"] = "blue"
    return HttpResponse("ok")


async def asign_in(request: HttpRequest) -> HttpResponse:
    people = get_user_model()._default_manager
    user = await people.aget(username=request.GET.get("name", "ann"))
    await alogin(request, user, backend="django.contrib.auth.backends.ModelBackend")
    await request.session.aset("color", "blue")
    return HttpResponse("ok")


def _user_named(request: HttpRequest) -> User:
    return get_user_model()._default_manager.get(username=request.GET.get("name", "ann"))


def sign_out(request: HttpRequest) -> HttpResponse:
    logout(request)
    return HttpResponse("ok")


urlpatterns = [
    path("nothing", nothing),
    path("anothing", anothing),
    path("read", read),
    path("aread", aread),
    path("read-user", read_user),
    path("aread-user", aread_user),
    path("write", write),
    path("awrite", awrite),
    path("find-user", find_user),
    path("sign-in", sign_in),
    path("asign-in", asign_in),
    path("sign-out", sign_out),
]
