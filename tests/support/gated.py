"""A site with one view of each kind that may ask who somebody is, and all of ours."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import admin
from django.contrib.auth import get_user_model
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.urls import include, path
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from sessions_plus.api.authentication import BearerAuthentication, CookieAuthentication
from sessions_plus.decorators import mfa_required, reauthentication_required
from sessions_plus.tokens.guards import bearer_required


class SwapMiddleware:
    """Puts whom a header names into ``request.user``, as packages for impersonation do."""

    sync_capable = True
    async_capable = False

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> Any:
        name = request.headers.get("X-Swap")
        if name is not None:
            request.user = get_user_model()._default_manager.get(username=name)
        return self.get_response(request)


@login_required
def plain(request: HttpRequest) -> HttpResponse:
    return HttpResponse(str(request.user))


@login_required
async def aplain(request: HttpRequest) -> HttpResponse:
    return HttpResponse(str((await request.auser()).pk))


@reauthentication_required
def fresh(request: HttpRequest) -> HttpResponse:
    return HttpResponse("fresh")


@reauthentication_required(factors="all")
async def afresh(request: HttpRequest) -> HttpResponse:
    return HttpResponse("all fresh")


@mfa_required
def two(request: HttpRequest) -> HttpResponse:
    return HttpResponse("two factors")


@mfa_required
async def atwo(request: HttpRequest) -> HttpResponse:
    return HttpResponse("two factors")


@bearer_required
def bearer(request: HttpRequest) -> HttpResponse:
    request.session.get("color")  # what reads the cookie's session changes nothing
    return HttpResponse(str(request.user.pk))


@bearer_required
async def abearer(request: HttpRequest) -> HttpResponse:
    return HttpResponse(str((await request.auser()).pk))


@bearer_required
@reauthentication_required(factors="all")
def bearer_fresh(request: HttpRequest) -> HttpResponse:
    return HttpResponse("fresh")


class Orders(APIView):
    authentication_classes = [BearerAuthentication, CookieAuthentication]
    permission_classes = [IsAuthenticated]

    def get(self, request: Request) -> Response:
        return Response({"user": request.user.pk})


urlpatterns = [
    path("plain/", plain, name="plain"),
    path("aplain/", aplain, name="aplain"),
    path("fresh/", fresh, name="fresh"),
    path("afresh/", afresh, name="afresh"),
    path("two/", two, name="two"),
    path("atwo/", atwo, name="atwo"),
    path("bearer/", bearer, name="bearer"),
    path("abearer/", abearer, name="abearer"),
    path("bearer-fresh/", bearer_fresh, name="bearer_fresh"),
    path("orders/", Orders.as_view(), name="orders"),
    path("account/", include("sessions_plus.urls")),
    path("api/", include("sessions_plus.api.urls")),
    path("admin/", admin.site.urls),
]
