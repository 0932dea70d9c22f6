"""
``request.user.is_verified()``, as code for django-otp asks: answered from our sessions.

Stands where ``django_otp.middleware.OTPMiddleware`` stood, whether or not its apps are still
installed. Invariant for whoever edits this: what a user did elsewhere, or another person in
their name, verifies nobody.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.functional import SimpleLazyObject

from sessions_plus.authority import known_authority
from sessions_plus.mfa.methods import SECOND_FACTORS


class OTPMiddleware:
    """Gives each ``request.user`` its ``is_verified()`` and ``otp_device``."""

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        self.get_response = get_response
        if iscoroutinefunction(get_response):
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> HttpResponseBase | Awaitable[HttpResponseBase]:
        _add_to(request)
        response: HttpResponseBase | Awaitable[HttpResponseBase] = self.get_response(request)
        return response


def _add_to(request: HttpRequest) -> None:
    user, auser = request.user, request.auser

    def own() -> Any:
        return _with_answers(request, user)

    async def aown() -> Any:
        return _with_answers(request, await auser())

    request.user = SimpleLazyObject(own)  # type: ignore[assignment]
    request.auser = aown


def _with_answers(request: HttpRequest, user: Any) -> Any:
    """Add them to a user who was read: then the session was, too, and nothing is asked here."""
    user.is_verified = partial(_is_verified, request, user)
    user.otp_device = next(iter(_second_factors(request, user)), None) if user.pk else None
    return user


def _is_verified(request: HttpRequest, user: Any) -> bool:
    return bool(_second_factors(request, user))


def _second_factors(request: HttpRequest, user: Any) -> list[str]:
    authority = known_authority(request)
    if authority is None or authority.actor_id is not None or user.pk != authority.user_id:
        return []
    return [method for method in authority.methods if method in SECOND_FACTORS]
