"""A site with every kind of page that takes a name and a password, and who guesses at them."""

from __future__ import annotations

import asyncio
from base64 import b64encode
from typing import Any

from asgiref.sync import async_to_sync
from django.contrib import admin
from django.contrib.auth import aauthenticate, authenticate, login
from django.contrib.auth import views as auth_views
from django.contrib.auth.backends import BaseBackend
from django.contrib.auth.hashers import MD5PasswordHasher
from django.db import transaction
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.test import AsyncClient, Client
from django.urls import include, path
from django.views.decorators.csrf import csrf_exempt
from rest_framework.authentication import BasicAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from sessions_plus.auth_backends import BACKEND
from tests.conftest import PASSWORD, World, people
from tests.support import sites

WRONG = "not the password"


class CountingHasher(MD5PasswordHasher):
    """Counts how often a password was looked at, whoever's it is."""

    looked_at = 0

    def encode(self, password: str, salt: str) -> str:
        type(self).looked_at += 1
        return super().encode(password, salt)


HASHERS = [f"{__name__}.CountingHasher"]


class Elsewhere(BaseBackend):
    """Passwords that another system knows; it signs in by a name of its own, too."""

    looked_at = 0

    def authenticate(self, request: Any, **kwargs: Any) -> Any:
        type(self).looked_at += 1
        if kwargs.get("password") == "explode":
            raise ConnectionError("The other system does not answer.")
        name = kwargs.get("username") or str(kwargs.get("email")).partition("@")[0]
        user = people().filter(username=name).first()
        return user if kwargs.get("password") == PASSWORD else None

    def get_user(self, user_id: Any) -> Any:
        return people().filter(pk=user_id).first()


BESIDE = [BACKEND, f"{__name__}.Elsewhere"]


def plain(request: HttpRequest) -> HttpResponse:
    """A view of somebody else's: it signs in, and says so."""
    user = authenticate(
        request, username=request.POST["username"], password=request.POST["password"]
    )
    if user is None:
        return HttpResponse("no", status=400)
    login(request, user)
    return HttpResponse("yes")


def forgetful(request: HttpRequest) -> HttpResponse:
    """One that does not hand its request on."""
    user = authenticate(username=request.POST["username"], password=request.POST["password"])
    return HttpResponse("no" if user is None else "yes", status=400 if user is None else 200)


async def asynchronous(request: HttpRequest) -> HttpResponse:
    user = await aauthenticate(
        request, username=request.POST["username"], password=request.POST["password"]
    )
    return HttpResponse("no" if user is None else "yes", status=400 if user is None else 200)


@csrf_exempt
def rolled_back(request: HttpRequest) -> HttpResponse:
    """One that takes back all that it wrote wherever it refuses."""
    with transaction.atomic():
        response = forgetful(request)
        transaction.set_rollback(response.status_code >= 400)
    return response


def late(request: HttpRequest) -> HttpResponse:
    """One that takes back what it wrote, and signs in after that."""
    with transaction.atomic():
        user = authenticate(
            request, username=request.POST["username"], password=request.POST["password"]
        )
        transaction.set_rollback(True)
    if user is None:
        return HttpResponse("no", status=400)
    login(request, user)
    return HttpResponse("yes")


class TokenView(APIView):
    """What packages of tokens do: no ``login()``, and every error rolls back."""

    authentication_classes = ()
    permission_classes = ()

    def post(self, request: Request) -> Response:
        given: Any = request.data
        user = authenticate(request, username=given["username"], password=given["password"])
        if user is None:
            raise AuthenticationFailed
        return Response({"token": "…"})


class BasicView(APIView):
    """REST framework's default: name and password with each request."""

    authentication_classes = (BasicAuthentication,)
    permission_classes = ()

    def post(self, request: Request) -> Response:
        return Response({"who": str(request.user)})


async def many_at_once(request: HttpRequest) -> HttpResponse:
    """A page of queries: several sign-ins in one request, at the same time."""
    tries = [
        aauthenticate(request, username=name, password=request.POST["password"])
        for name in request.POST["username"].split()
    ]
    found = [user is not None for user in await asyncio.gather(*tries, return_exceptions=True)]
    return JsonResponse({"found": found})


def by_mail(request: HttpRequest) -> HttpResponse:
    """A page that names its credentials otherwise."""
    user = authenticate(
        request, email=request.POST["username"] + "@example.com", password=request.POST["password"]
    )
    return HttpResponse("no" if user is None else "yes", status=400 if user is None else 200)


def swallowing(request: HttpRequest) -> HttpResponse:
    """One that makes one answer of every failure of its backends."""
    try:
        return plain(request)
    except ConnectionError:
        return JsonResponse({"error": "try again"}, status=400)


urlpatterns = [
    path("account/", include("sessions_plus.urls")),
    path("django/", auth_views.LoginView.as_view(template_name="sessions_plus/login.html")),
    path("admin/", admin.site.urls),
    path("api/", include("sessions_plus.api.urls")),
    path("plain/", plain),
    path("forgetful/", forgetful),
    path("async-plain/", asynchronous),
    path("rolled-back/", rolled_back),
    path("late/", late),
    path("token/", TokenView.as_view()),
    path("basic/", BasicView.as_view()),
    path("by-mail/", by_mail),
    path("many/", many_at_once),
    path("swallowing/", swallowing),
    *sites.urlpatterns,
]

FORMS = [
    "/account/login/",
    "/django/",
    "/admin/login/",
    "/plain/",
    "/forgetful/",
    "/async-plain/",
    "/rolled-back/",
]
PROGRAMS = ["/api/tokens/", "/api/login/", "/token/", "/basic/"]
PLACES = [*FORMS, *PROGRAMS]
"""Where names and passwords are taken."""


class Guesser:
    """Somebody with a browser, or a program, who tries names and passwords."""

    def __init__(self, world: World, address: str = "198.51.100.7") -> None:
        self.address = address
        self.is_async = world.is_async
        self.client: Any = AsyncClient() if world.is_async else Client()
        self.client.raise_request_exception = False

    def __call__(
        self,
        place: str,
        name: str = "ann",
        password: str = WRONG,
        *,
        accept: str = "text/html",
        **more: str,
    ) -> Any:
        given = {"username": name, "password": password, **more}
        headers = {"accept": accept, "x-forwarded-for": self.address}
        options: dict[str, Any] = {}
        if place in PROGRAMS:
            headers["accept"] = "*/*"
            options["content_type"] = "application/json"
        if place == "/basic/":
            pair = b64encode(f"{name}:{password}".encode()).decode()
            headers["authorization"] = f"Basic {pair}"
        post = async_to_sync(self.client.post) if self.is_async else self.client.post
        return post(place, given, headers=headers, **options)


def is_let_in(response: Any) -> bool:
    """Say whether an answer is one to a right name and password."""
    return response.status_code in {200, 302} and (
        b"did not sign you in" not in response.content
        and b"correct username" not in response.content
    )
