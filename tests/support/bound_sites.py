"""The views of ``sites``, with our own pages beside them."""

from __future__ import annotations

from django.contrib import admin
from django.urls import include, path

from tests.support import sites

urlpatterns = [
    *sites.urlpatterns,
    path("account/", include("sessions_plus.urls")),
    path("api/", include("sessions_plus.api.urls")),
    path("admin/", admin.site.urls),
]
