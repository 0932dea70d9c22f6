"""A view for each act that is counted; whoever answers says which process it is."""

from __future__ import annotations

import os

from django.contrib.auth import authenticate
from django.http import HttpRequest, HttpResponse
from django.urls import include, path

from sessions_plus import lifecycle
from sessions_plus.models import Session
from tests.support import sites


def _done(text: str) -> HttpResponse:
    return HttpResponse(text, headers={"X-Process": str(os.getpid())})


def sign_in(request: HttpRequest) -> HttpResponse:
    sites.sign_in(request)
    return _done("signed in")


def mistype(request: HttpRequest) -> HttpResponse:
    user = authenticate(request, username=request.GET["name"], password="not it")
    return _done(f"{user}")


def revoke(request: HttpRequest) -> HttpResponse:
    assert request.user.is_authenticated
    session = Session.objects.get(public_id=request.session.public_id)  # type: ignore[attr-defined]  # our engine's
    return _done(f"{lifecycle.revoke(session).count}")


urlpatterns = [
    path("sign-in/", sign_in),
    path("mistype/", mistype),
    path("revoke/", revoke),
    path("-/", include("sessions_plus.operating_urls")),
]
