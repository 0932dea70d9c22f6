"""A view that puts a session of its own making in the place of its request's."""

from __future__ import annotations

from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.urls import include, path
from django.utils.module_loading import import_string

from sessions_plus.models import Device, Session
from tests.conftest import World
from tests.support import sites
from tests.support.browsers import Browser

pytestmark = [pytest.mark.urls(__name__), pytest.mark.django_db(transaction=True)]


def replace(request: HttpRequest) -> None:
    """Read anew what is stored, as mozilla-django-oidc does before its sign-in."""
    kind: Any = import_string(f"{settings.SESSION_ENGINE}.SessionStore")
    request.session = kind(request.session.session_key)


def replaced(request: HttpRequest) -> HttpResponse:
    replace(request)
    return sites.sign_in(request)


async def areplaced(request: HttpRequest) -> HttpResponse:
    replace(request)
    return await sites.asign_in(request)


urlpatterns = [
    path("sync/replaced/", replaced),
    path("async/replaced/", areplaced),
    path("", include("tests.support.sites")),
]


def test_it_is_the_same_browser(engine: str, world: World, user: User) -> None:
    """Whoever signs in there, again and again, does so on one device, from where they are."""
    ann = Browser(world)
    for _ in range(2):
        ann.get("replaced", name="ann")
        assert ann.text("who") == "ann"
        ann.get("sign-out")

    assert Device.objects.count() == 1
    assert set(Session.objects.values_list("ip_address", flat=True)) == {"127.0.0.1"}
