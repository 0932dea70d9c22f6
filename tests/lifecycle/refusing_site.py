"""Doors at which a sign-in may be one too many: each saves the session in another way."""

from __future__ import annotations

from collections.abc import Callable

from django.contrib import admin
from django.contrib.auth import get_user_model, login
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import include, path
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from sessions_plus.exceptions import SessionLimitReached
from tests.support import sites

GetResponse = Callable[[HttpRequest], HttpResponse]


class Api(APIView):
    """A view of the site's own, of REST framework."""

    authentication_classes: list[type] = []
    permission_classes: list[type] = []

    def get(self, request: Request) -> Response:
        sites.sign_in_and_save(request._request)
        return Response({"done": True})


def json_view(request: HttpRequest) -> JsonResponse:
    sites.sign_in(request)
    return JsonResponse({"done": True})


def knowing(request: HttpRequest) -> HttpResponse:
    """A view that has an answer of its own."""
    try:
        return sites.sign_in_and_save(request)
    except SessionLimitReached:
        return HttpResponse("Our own words", status=409)


def sign_in_first(get_response: GetResponse) -> GetResponse:
    """A middleware that signs in whoever its header names, as that of a proxy does."""

    def middleware(request: HttpRequest) -> HttpResponse:
        if "X-Name" in request.headers:
            people = get_user_model()._default_manager
            login(request, people.get(username=request.headers["X-Name"]), backend=sites.BACKEND)
            request.session.save()
        return get_response(request)

    return middleware


urlpatterns = [
    *sites.urlpatterns,
    path("admin/", admin.site.urls),
    path("account/", include("sessions_plus.urls")),
    path("rest/", Api.as_view()),
    path("json/", json_view),
    path("knowing/", knowing),
]
