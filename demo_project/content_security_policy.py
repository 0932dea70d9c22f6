"""A strict Content-Security-Policy on every page: nothing inline, nothing from elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from asgiref.sync import iscoroutinefunction
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils.decorators import sync_and_async_middleware

POLICY = (
    "default-src 'self'; object-src 'none'; base-uri 'none'; "
    "frame-ancestors 'none'; form-action 'self'"
)


@sync_and_async_middleware
def content_security_policy(
    get_response: Callable[[HttpRequest], Any],
) -> Callable[[HttpRequest], Any]:
    """Set the policy; Django 6's own middleware would do, and 5.2 has none."""
    if iscoroutinefunction(get_response):

        async def answer_async(request: HttpRequest) -> HttpResponse:
            return protect(await get_response(request))

        return answer_async

    def answer(request: HttpRequest) -> HttpResponse:
        return protect(get_response(request))

    return answer


def protect(response: HttpResponse) -> HttpResponse:
    # Django's own page about an error, for developers, is made of inline styles.
    if not (settings.DEBUG and response.status_code in (404, 500)):
        response.headers["Content-Security-Policy"] = POLICY
    return response
