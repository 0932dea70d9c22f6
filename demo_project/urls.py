"""The shop, with the account pages and the API of sessions_plus mounted beside it."""

from __future__ import annotations

from importlib.util import find_spec

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.templatetags.static import static
from django.urls import URLPattern, URLResolver, include, path


def favicon(request: HttpRequest) -> HttpResponse:
    """Browsers ask for it here on pages that name no icon, as the admin's."""
    return redirect(static("shop/icon.svg"))


urlpatterns: list[URLPattern | URLResolver] = [
    path("", include("demo_project.shop.urls")),
    path("account/", include("sessions_plus.urls")),
    path(".well-known/", include("sessions_plus.well_known_urls")),
    path("admin/", admin.site.urls),
    # For programs of whoever runs the shop: health and metrics.
    path("-/", include("sessions_plus.operating_urls")),
    path("favicon.ico", favicon),
]

# The extra `api` is optional, for the demo as for any site.
if find_spec("rest_framework") and find_spec("sessions_plus.api.urls"):
    from demo_project.api_reference import api_reference
    from sessions_plus.api.schema import SchemaView
    from sessions_plus.api.views.tokens import Jwks

    urlpatterns += [
        path("api/", include("sessions_plus.api.urls")),
        # What the API does, as a page to read.
        path("api/reference/", api_reference, name="api_reference"),
        # OpenAPI, for whoever writes a client; as JSON with ?format=json.
        path("api/schema/", SchemaView.as_view(), name="api_schema"),
        # The public keys, for services that verify access tokens themselves.
        path(".well-known/jwks.json", Jwks.as_view(), name="jwks"),
    ]
