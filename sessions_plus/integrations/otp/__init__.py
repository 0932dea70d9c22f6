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
from types import ModuleType

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.apps import apps
from django.db import models
from django.db.models.signals import post_delete
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils.functional import SimpleLazyObject

from sessions_plus.current import current_request
from sessions_plus.integrations.otp.devices import INTEGRATION, TYPED, OtpDevice, method_of
from sessions_plus.mfa.elsewhere import FactorKeeper, address_of
from sessions_plus.mfa.methods import SECOND_FACTORS, TRUSTED_DEVICE
from sessions_plus.named_types import AnyUser, AnyView, SiteUser


class OtpIntegration(FactorKeeper):
    """Lets a factor that django-otp asked for count here, and nobody sign in past it."""

    name = INTEGRATION
    label = "sessions_plus_otp"
    verbose_name = "django-otp"

    def ready(self) -> None:
        from django_otp import device_classes

        for model in device_classes():
            post_delete.connect(_note_removed, sender=model, dispatch_uid=f"{self.label}.removed")
        wizard = _wizard()
        if wizard is not None:
            wizard.listen()

    def has_factor(self, user: models.Model) -> bool:
        """
        See ``FactorKeeper.has_factor()``.

        The wizard of two-factor-auth asks for some devices only: whoever has backup codes alone,
        as when a lost telephone was removed, it lets in by their password.
        """
        from django_otp import devices_for_user

        wizard = _wizard()
        devices = devices_for_user(user)
        if wizard is None or wizard.find() is None:
            return any(True for _ in devices)
        return any(wizard.asks_for(device) for device in devices)

    def methods_of(self, request: HttpRequest | None, user: models.Model) -> tuple[str, ...]:
        """
        Return the factor of a sign-in whose form found ``user.otp_device``.

        Without a code in this request the browser was remembered from an earlier one. Of the
        wizard of two-factor-auth is told by itself what was proved.
        """
        device = getattr(user, "otp_device", None)
        if device is None or device.user_id != user.pk:
            return ()
        if request is None or not any(field.endswith(TYPED) for field in request.POST):
            return (TRUSTED_DEVICE,)
        return (method_of(device),)

    def ask_again(self, request: HttpRequest, target: str) -> HttpResponse | None:
        """See ``FactorKeeper.ask_again()``."""
        wizard = _wizard()
        found: HttpResponse | None = wizard.ask_again(request, target) if wizard else None
        return found

    def page_url(self) -> str:
        """See ``FactorKeeper.page_url()``."""
        return address_of("two_factor:profile")

    def proved_before(self, user: models.Model, factors: Collection[str]) -> tuple[str, ...]:
        """See ``FactorKeeper.proved_before()``."""
        from django_otp.models import Device

        found = (Device.from_persistent_id(name) for name in sorted(factors))
        own = [each for each in found if each is not None and each.user_id == user.pk]
        return (method_of(own[0]),) if own and own[0].confirmed else ()


def _wizard() -> ModuleType | None:
    """Return what is known here of the wizard of two-factor-auth, where that is installed."""
    if not apps.is_installed("two_factor"):
        return None
    # Not above: INSTALLED_APPS names this module, which is imported before any model may be.
    from sessions_plus.integrations.otp import wizard

    return wizard


def _note_removed(instance: OtpDevice, **_: object) -> None:
    """
    Take the factor from the session in which its user has just removed their last one.

    As ``mfa.enrolment.remove()`` does with one of ours. What commands and staff remove changes
    no session.
    """
    from sessions_plus.mfa.policy import has_any_factor
    from sessions_plus.mfa.reauthentication import Removed
    from sessions_plus.store.of_request import find_store

    store = find_store(current_request())
    if store is None or store.row is None or not apps.is_installed(INTEGRATION):
        return
    is_own = store.row.user_id == instance.user_id and store.row.actor_id is None
    if is_own and not has_any_factor(instance.user):
        store.bind(Removed(is_last=True))


class OTPMiddleware:
    """Gives each ``request.user`` its ``is_verified()`` and ``otp_device``."""

    sync_capable = True
    async_capable = True
    needs_user = True  # of request.user, as a system check reads (E114)

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
    from sessions_plus.authority import known_authority

    authority = known_authority(request)
    if authority is None or authority.actor_id is not None or user.pk != authority.user_id:
        return []
    return [method for method in authority.methods if method in SECOND_FACTORS]
