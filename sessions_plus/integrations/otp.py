"""
django-otp and django-two-factor-auth: one second factor, whoever keeps it.

``OTPMiddleware`` answers ``request.user.is_verified()`` from our sessions. It stands where
``django_otp.middleware.OTPMiddleware`` stood, whether or not its apps are still installed.
``OtpIntegration`` is for sites where django-otp goes on keeping factors. Invariant for whoever
edits this: what a user did elsewhere, or another person in their name, verifies nobody.
"""

from __future__ import annotations

from collections.abc import Awaitable, Collection
from functools import partial

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.db import models
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.functional import SimpleLazyObject

from sessions_plus.mfa.elsewhere import FactorKeeper
from sessions_plus.mfa.methods import (
    PASSWORD,
    RECOVERY_CODE,
    SECOND_FACTORS,
    TOTP_CODE,
    TRUSTED_DEVICE,
)
from sessions_plus.named_types import AnyUser, AnyView, SiteUser

TYPED = "otp_token"
"""How fields for a code are named there, with the step of the wizard before it."""


WIZARD = "wizard_login_view"
"""Where the login of two-factor-auth keeps how far it is, in the session."""


class OtpIntegration(FactorKeeper):
    """Lets a factor that django-otp asked for count here, and nobody sign in past it."""

    name = "sessions_plus.integrations.otp"
    label = "sessions_plus_otp"
    verbose_name = "django-otp"

    def has_factor(self, user: models.Model) -> bool:
        """See ``FactorKeeper.has_factor()``."""
        from django_otp import user_has_device

        return bool(user_has_device(user))

    def methods_of(self, request: HttpRequest | None, user: models.Model) -> tuple[str, ...]:
        """
        Return the factor of a sign-in whose form found ``user.otp_device``.

        Without a code in this request the browser was remembered from an earlier one.
        """
        device = getattr(user, "otp_device", None)
        if device is None or device.user_id != user.pk:
            return ()
        if request is None or not any(field.endswith(TYPED) for field in request.POST):
            return (TRUSTED_DEVICE,)
        factor = _method_of(device)
        # The wizard of two-factor-auth looked at the password in its step before this one.
        return (PASSWORD, factor) if WIZARD in request.session else (factor,)

    def proved_before(self, user: models.Model, factors: Collection[str]) -> tuple[str, ...]:
        """See ``FactorKeeper.proved_before()``."""
        from django_otp.models import Device

        found = (Device.from_persistent_id(name) for name in sorted(factors))
        own = [each for each in found if each is not None and each.user_id == user.pk]
        return (_method_of(own[0]),) if own and own[0].confirmed else ()


def _method_of(device: object) -> str:
    return RECOVERY_CODE if hasattr(device, "token_set") else TOTP_CODE


class OTPMiddleware:
    """Gives each ``request.user`` its ``is_verified()`` and ``otp_device``."""

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: AnyView) -> None:
        self.get_response = get_response
        if iscoroutinefunction(get_response):
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> HttpResponseBase | Awaitable[HttpResponseBase]:
        _add_to(request)
        response: HttpResponseBase | Awaitable[HttpResponseBase] = self.get_response(request)
        return response


def _add_to(request: HttpRequest) -> None:
    user, auser = request.user, request.auser

    def own() -> SiteUser:
        return _with_answers(request, user)

    async def aown() -> SiteUser:
        return _with_answers(request, await auser())

    request.user = SimpleLazyObject(own)  # type: ignore[assignment]  # as Django's own is
    request.auser = aown


def _with_answers(request: HttpRequest, user: SiteUser) -> SiteUser:
    """Add them to a user who was read: then the session was, too, and nothing is asked here."""
    user.is_verified = partial(_is_verified, request, user)
    user.otp_device = next(iter(_second_factors(request, user)), None) if user.pk else None
    return user


def _is_verified(request: HttpRequest, user: AnyUser) -> bool:
    return bool(_second_factors(request, user))


def _second_factors(request: HttpRequest, user: AnyUser) -> list[str]:
    # Not above: INSTALLED_APPS names this module, which is imported before any model may be.
    from sessions_plus.authority import known_authority

    authority = known_authority(request)
    if authority is None or authority.actor_id is not None or user.pk != authority.user_id:
        return []
    return [method for method in authority.methods if method in SECOND_FACTORS]
