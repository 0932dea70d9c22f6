"""The shop, with the account pages and the API of sessions_plus mounted beside it."""

from __future__ import annotations

from importlib.util import find_spec

from django.contrib import admin
from django.urls import URLPattern, URLResolver, include, path

urlpatterns: list[URLPattern | URLResolver] = [
    path("", include("demo_project.shop.urls")),
    path("account/", include("sessions_plus.urls")),
    path("admin/", admin.site.urls),
]

# The extra `api` is optional, for the demo as for any site.
if find_spec("rest_framework") and find_spec("sessions_plus.api.urls"):
    urlpatterns.append(path("api/", include("sessions_plus.api.urls")))
