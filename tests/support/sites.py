"""The views that the tests of engine and middleware ask: each does one thing, in both worlds."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

from django.contrib.auth import alogin, alogout, get_user_model, login, logout
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.urls import path

from sessions_plus.mfa.sign_in import using
from sessions_plus.store.of_request import find_store

BACKEND = "django.contrib.auth.backends.ModelBackend"


def nothing(request: HttpRequest) -> HttpResponse:
    return HttpResponse("nothing")


async def anothing(request: HttpRequest) -> HttpResponse:
    return HttpResponse("nothing")


def read(request: HttpRequest) -> HttpResponse:
    return HttpResponse(request.session.get("color", "none"))


async def aread(request: HttpRequest) -> HttpResponse:
    return HttpResponse(await request.session.aget("color", "none"))


def write(request: HttpRequest) -> HttpResponse:
    request.session["color"] = request.GET.get("color", "blue")
    return HttpResponse("written")


async def awrite(request: HttpRequest) -> HttpResponse:
    await request.session.aset("color", request.GET.get("color", "blue"))
    return HttpResponse("written")


def expire(request: HttpRequest) -> HttpResponse:
    seconds = request.GET.get("seconds")
    request.session.set_expiry(None if seconds is None else int(seconds))
    return HttpResponse("set")


async def aexpire(request: HttpRequest) -> HttpResponse:
    seconds = request.GET.get("seconds")
    await request.session.aset_expiry(None if seconds is None else int(seconds))
    return HttpResponse("set")


def by_password(request: HttpRequest) -> AbstractContextManager[None]:
    """Take it that the person typed their password; other engines have no methods."""
    return using(request, methods=["pwd"]) if find_store(request) is not None else nullcontext()


def sign_in(request: HttpRequest) -> HttpResponse:
    user = get_user_model()._default_manager.get(username=request.GET["name"])
    with by_password(request):
        login(request, user, backend=BACKEND)
    return HttpResponse("signed in")


async def asign_in(request: HttpRequest) -> HttpResponse:
    user = await get_user_model()._default_manager.aget(username=request.GET["name"])
    with by_password(request):
        await alogin(request, user, backend=BACKEND)
    return HttpResponse("signed in")


def sign_in_and_save(request: HttpRequest) -> HttpResponse:
    sign_in(request)
    request.session.save()
    return HttpResponse(f"signed in under {request.session.session_key is not None}")


async def asign_in_and_save(request: HttpRequest) -> HttpResponse:
    await asign_in(request)
    await request.session.asave()
    return HttpResponse(f"signed in under {request.session.session_key is not None}")


def sign_out(request: HttpRequest) -> HttpResponse:
    logout(request)
    return HttpResponse("signed out")


async def asign_out(request: HttpRequest) -> HttpResponse:
    await alogout(request)
    return HttpResponse("signed out")


def who(request: HttpRequest) -> HttpResponse:
    return HttpResponse(str(request.user))


async def awho(request: HttpRequest) -> HttpResponse:
    return HttpResponse(str(await request.auser()))


def fail(request: HttpRequest) -> HttpResponse:
    request.session["color"] = "lost"
    return HttpResponse("failed", status=500)


urlpatterns = [
    path("sync/nothing/", nothing),
    path("sync/read/", read),
    path("sync/write/", write),
    path("sync/expire/", expire),
    path("sync/sign-in/", sign_in),
    path("sync/sign-in-and-save/", sign_in_and_save),
    path("sync/sign-in-and-save-at-once/", transaction.atomic(sign_in_and_save)),
    path("sync/sign-out/", sign_out),
    path("sync/who/", who),
    path("sync/fail/", fail),
    path("async/nothing/", anothing),
    path("async/read/", aread),
    path("async/write/", awrite),
    path("async/expire/", aexpire),
    path("async/sign-in/", asign_in),
    path("async/sign-in-and-save/", asign_in_and_save),
    path("async/sign-out/", asign_out),
    path("async/who/", awho),
    path("async/fail/", fail),
]
