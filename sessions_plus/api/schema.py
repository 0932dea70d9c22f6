"""
The API's own schema: OpenAPI 3.1 of our endpoints alone.

``SchemaView`` is for a site that wants to publish it; none of our URLs does.
"""

from __future__ import annotations

from typing import Any

from drf_spectacular.drainage import GENERATOR_STATS
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.views import SpectacularAPIView
from rest_framework.request import Request

from sessions_plus.named_types import JsonObject

SETTINGS: dict[str, object] = {
    "TITLE": "Sessions, devices and tokens",
    "DESCRIPTION": "Everything that the account pages do, for programs. Errors are "
    '`{"code": "…", "detail": "…"}`; `code` is for programs and stays.',
    "VERSION": "1",
    "OAS_VERSION": "3.1.0",
    "COMPONENT_SPLIT_REQUEST": True,
    "COMPONENT_SPLIT_PATCH": False,
    "ENUM_GENERATE_CHOICE_DESCRIPTION": False,
    "POSTPROCESSING_HOOKS": ["sessions_plus.api.schema.say_what_is_refused"],
}


class OwnGenerator(SchemaGenerator):
    """Leaves out whatever else the site has."""

    def get_schema(self, request: Request | None = None, public: bool = False) -> object:
        # A site may publish its keys at two addresses, which is no fault to warn of each time.
        with GENERATOR_STATS.silence():
            found: object = super().get_schema(  # type: ignore[no-untyped-call]  # untyped there
                request=request, public=public
            )
            return found

    def _initialise_endpoints(self) -> None:
        super()._initialise_endpoints()  # type: ignore[no-untyped-call]  # untyped there
        found: Any = self.endpoints  # the library says None, and has filled it by now
        self.endpoints = [
            endpoint
            for endpoint in found
            if endpoint[3].cls.__module__.startswith("sessions_plus.api.views.")
        ]


class SchemaView(SpectacularAPIView):
    """``path("schema/", SchemaView.as_view(), name="schema")``."""

    custom_settings = SETTINGS
    generator_class = OwnGenerator
    permission_classes = []
    authentication_classes = []
    throttle_classes = []


def say_what_is_refused(result: JsonObject, **_: object) -> JsonObject:
    """
    Write down that bodies have no other fields, and which may not be empty.

    What docstrings tell programmers of this app is left out.
    """
    for path in result["paths"].values():
        for operation in path.values():
            operation.pop("description", None)
    for name, schema in result["components"]["schemas"].items():
        schema.pop("description", None)
        if name.endswith("Request"):
            schema["additionalProperties"] = False
            if not schema.get("required"):
                schema["minProperties"] = 1
    return result


class _BearerScheme(OpenApiAuthenticationExtension):
    target_class = "sessions_plus.api.authentication.BearerAuthentication"
    name = "bearer"
    match_subclasses = True

    def get_security_definition(self, auto_schema: object) -> dict[str, str]:
        return {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}


class _CookieScheme(OpenApiAuthenticationExtension):
    target_class = "sessions_plus.api.authentication.CookieAuthentication"
    name = "cookie"
    priority = 1

    def get_security_definition(self, auto_schema: object) -> dict[str, str]:
        from django.conf import settings

        return {"type": "apiKey", "in": "cookie", "name": settings.SESSION_COOKIE_NAME}
