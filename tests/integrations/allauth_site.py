"""A site that signs people in with django-allauth: its pages, its API, and ours."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.urls import include, path
from django.utils.module_loading import import_string

from sessions_plus.decorators import mfa_required
from tests.integrations.allauth_settings import ADAPTER
from tests.integrations.urls import who

Adapter: Any = import_string(ADAPTER)


class ByRole(Adapter):
    """Leads people to where those of their kind work, as many sites do."""

    def get_login_redirect_url(self, request: HttpRequest) -> str:
        assert request.user.is_authenticated
        return "/desk/" if request.user.is_staff else "/shop/"


def hello(request: HttpRequest) -> HttpResponse:
    return HttpResponse("hello")


VIEWS = "allauth.account.views."

urlpatterns = [
    # What allauth mounts where these are on as its addresses are read.
    path("trust/", import_string("allauth.mfa.base.views.trust"), name="mfa_trust"),
    path("code/", import_string(VIEWS + "request_login_code"), name="account_request_login_code"),
    path("code/2/", import_string(VIEWS + "confirm_login_code"), name="account_confirm_login_code"),
    path("who/", who),
    path("vault/", mfa_required(hello)),
    path("admin/", admin.site.urls),
    path("allauth/", include("allauth.urls")),
    path("_allauth/", include("sessions_plus.integrations.allauth.urls")),
    path("_allauth/", include("allauth.headless.urls")),
    path("ours/", include("sessions_plus.urls")),
    path("api/", include("sessions_plus.api.urls")),
]
