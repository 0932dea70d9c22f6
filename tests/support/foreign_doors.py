"""Views of REST framework that know nothing of us, and some that do."""

from __future__ import annotations

from django.urls import include, path
from rest_framework.authtoken.views import ObtainAuthToken, obtain_auth_token
from rest_framework.decorators import api_view, permission_classes
from rest_framework.request import Request
from rest_framework.response import Response

from sessions_plus.api.permissions import HasPassedSecondFactor
from sessions_plus.exceptions import MfaRequired


class Derived(ObtainAuthToken):
    """A site's own, which is the same in this."""


class Asking(ObtainAuthToken):
    """A site's own, which says that it asks for the second factor."""

    asks_second_factor = True


@api_view(["GET"])
def orders(request: Request) -> Response:
    return Response({"user": str(request.user)})


@api_view(["GET"])
@permission_classes([HasPassedSecondFactor])
def guarded_orders(request: Request) -> Response:
    return Response({"user": str(request.user)})


@api_view(["GET"])
def failing(request: Request) -> Response:
    raise MfaRequired


urlpatterns = [
    path("token/", obtain_auth_token),
    path("orders/", orders),
    path("guarded-orders/", guarded_orders),
    path("failing/", failing),
    path("ours/", include("sessions_plus.urls")),
]
