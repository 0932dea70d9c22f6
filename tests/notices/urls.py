"""The views of ``tests.support.sites`` and our pages; people can reset their passwords."""

from __future__ import annotations

from typing import Any

from django.contrib.auth import views as auth_views
from django.http import HttpRequest, HttpResponse
from django.urls import include, path

from sessions_plus.events import record
from sessions_plus.models import Event
from tests.support.sites import urlpatterns as views


def add_authenticator(request: HttpRequest) -> HttpResponse:
    """Something that says whose account it is about, and no more."""
    user: Any = request.user
    record(Event.AUTHENTICATOR_ADDED, user=user)
    return HttpResponse("added")


urlpatterns = [
    *views,
    path("account/", include("sessions_plus.urls")),
    path("sync/add-authenticator/", add_authenticator),
    path("reset/", auth_views.PasswordResetView.as_view(), name="password_reset"),
]
