"""The URLs of the tests' site."""

from __future__ import annotations

from importlib.util import find_spec

from django.apps import apps
from django.contrib import admin
from django.urls import URLPattern, URLResolver, include, path

urlpatterns: list[URLPattern | URLResolver] = [path("admin/", admin.site.urls)]

if find_spec("sessions_plus.urls"):
    urlpatterns.append(path("account/", include("sessions_plus.urls")))
if find_spec("sessions_plus.operating_urls"):
    urlpatterns.append(path("-/", include("sessions_plus.operating_urls")))
if apps.is_installed("rest_framework"):
    urlpatterns.append(path("api/", include("sessions_plus.api.urls")))
