"""A site of several processes: its settings, and the two views that a load test asks."""

from __future__ import annotations

import os

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import path

from tests import settings as common
from tests.settings import *  # noqa: F403 - Django wants all of them here

ROOT_URLCONF = "tests.support.served"
SESSION_ENGINE = "sessions_plus.backends.cached_db"
CACHES = {
    "default": {
        "BACKEND": "django_redis.cache.RedisCache",
        "LOCATION": os.environ.get("TEST_REDIS_URL", "redis://127.0.0.1:1/0"),
    }
}
# Only what the views need, so that each process is up in no time.
MIDDLEWARE = [name for name in common.MIDDLEWARE if "session" in name or ".auth." in name]


def keep(request: HttpRequest) -> JsonResponse:
    request.session[request.GET["name"]] = True
    return JsonResponse({"user": str(request.user)})


def kept(request: HttpRequest) -> JsonResponse:
    return JsonResponse({"user": str(request.user), "names": sorted(request.session.keys())})


def sign_in(request: HttpRequest) -> HttpResponse:
    from tests.support import sites  # not before the apps are loaded: this is the settings, too

    return sites.sign_in(request)


urlpatterns = [path("keep/", keep), path("kept/", kept), path("sign-in/", sign_in)]
