"""A site with the views of others that sign people in or give out tokens, and ours."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.urls import include, path
from django.utils.module_loading import import_string
from rest_framework.decorators import api_view
from rest_framework.request import Request
from rest_framework.response import Response

from tests.integrations.urls import fill, who


def made(name: str) -> Any:
    """Return a class of others, which has no types: of any kind."""
    return import_string(name)


class WorkAccount(made("social_core.backends.oauth.BaseOAuth2")):  # type: ignore[misc]
    """Another service, whose word on who it is comes with the request."""

    name = "work"

    def auth_complete(self, *args: Any, **kwargs: Any) -> Any:
        name = self.strategy.request_data()["who"]
        kwargs |= {"response": {"id": name, "username": name}, "backend": self}
        return self.strategy.authenticate(*args, **kwargs)

    def get_user_id(self, details: Any, response: Any) -> str:
        return str(response["id"])

    def get_user_details(self, response: Any) -> dict[str, str]:
        return {"username": response["username"], "email": f"{response['username']}@example.com"}


class Provider(made("mozilla_django_oidc.auth.OIDCAuthenticationBackend")):  # type: ignore[misc]
    """An OpenID provider, whose token is the name of who it is, and what they proved."""

    def get_token(self, payload: dict[str, str]) -> dict[str, str]:
        return {"id_token": payload["code"], "access_token": payload["code"]}

    def verify_token(self, token: str, **kwargs: Any) -> dict[str, Any]:
        name, _, proved = token.partition(" ")
        return {"sub": name, "amr": proved.split()}

    def get_userinfo(self, access_token: str, id_token: str, payload: Any) -> Any:
        return payload

    def verify_claims(self, claims: Any) -> bool:
        return True

    def filter_users_by_claims(self, claims: Any) -> Any:
        return self.UserModel.objects.filter(username=claims["sub"])

    def update_user(self, user: Any, claims: Any) -> Any:
        user.amr = claims["amr"]
        return user


@api_view(["GET"])
def me(request: Request) -> Response:
    return Response({"user": request.user.get_username()})


def hello(request: HttpRequest) -> dict[str, str]:
    return {"user": request.user.get_username()}


NINJA = made("ninja_extra.NinjaExtraAPI")(urls_namespace="tokens")
NINJA.register_controllers(made("ninja_jwt.controller.NinjaJWTDefaultController"))
AsTheyAre = made("ninja.NinjaAPI")(urls_namespace="plain", auth=made("ninja.security.django_auth"))
AsTheyAre.get("/me")(hello)

SIMPLEJWT = "rest_framework_simplejwt.views."

urlpatterns = [
    path("who/", who),
    path("fill/", fill),
    path("me/", me),
    path("jwt/", import_string(SIMPLEJWT + "token_obtain_pair")),
    path("jwt/sliding/", import_string(SIMPLEJWT + "token_obtain_sliding")),
    path("jwt/refresh/", import_string(SIMPLEJWT + "token_refresh")),
    path("ninja/", NINJA.urls),
    path("plain/", AsTheyAre.urls),
    path("oauth/", include("oauth2_provider.urls")),
    path("rest-auth/", include("dj_rest_auth.urls")),
    path("social/", include("social_django.urls")),
    path("oidc/", include("mozilla_django_oidc.urls")),
    path("ours/", include("sessions_plus.urls")),
    path("api/", include("sessions_plus.api.urls")),
]
