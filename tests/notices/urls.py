"""The views of ``tests.sites`` and our pages, of a site that lets people reset passwords."""

from __future__ import annotations

from django.contrib.auth import views as auth_views
from django.urls import include, path

from tests.sites import urlpatterns as views

urlpatterns = [
    *views,
    path("account/", include("sessions_plus.urls")),
    path("reset/", auth_views.PasswordResetView.as_view(), name="password_reset"),
]
