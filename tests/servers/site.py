"""The views of a site of several processes, each of which says which of them answered."""

from __future__ import annotations

import os
import time
from typing import Any

from django.http import HttpRequest, JsonResponse
from django.urls import path

from sessions_plus.lifecycle import revoke_all
from tests.support import sites

# So long that the other process gets its share of what comes at once.
A_MOMENT_SECONDS = 0.02


def answer(request: HttpRequest, **facts: Any) -> JsonResponse:
    time.sleep(A_MOMENT_SECONDS)
    return JsonResponse({"process": os.getpid(), "user": request.user.get_username(), **facts})


def who(request: HttpRequest) -> JsonResponse:
    return answer(request)


def sign_in(request: HttpRequest) -> JsonResponse:
    sites.sign_in(request)
    return answer(request)


def end_all(request: HttpRequest) -> JsonResponse:
    """End all sessions of who asks, in the process that the request names; another does nothing."""
    user, ended = request.user, 0
    if user.is_authenticated and request.GET["process"] == str(os.getpid()):
        ended = revoke_all(user).count
    return answer(request, ended=ended)


urlpatterns = [path("who/", who), path("sign-in/", sign_in), path("end-all/", end_all)]
