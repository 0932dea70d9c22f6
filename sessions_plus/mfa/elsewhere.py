"""
Packages of others that keep second factors, and ask for them on pages of their own.

Invariant for whoever edits this: who has a factor there and none here signs in by no password
alone, whatever page or program asked for it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

from django.apps import AppConfig, apps
from django.conf import settings
from django.db import models
from django.http import HttpRequest, HttpResponse
from django.shortcuts import resolve_url
from django.urls import NoReverseMatch, reverse


class FactorKeeper(AppConfig):
    """The integration of a package that keeps second factors: on where it is installed."""

    def has_factor(self, user: models.Model) -> bool:
        """Say whether ``user`` is asked for a second factor there."""
        raise NotImplementedError

    def methods_of(self, request: HttpRequest | None, user: models.Model) -> tuple[str, ...]:
        """Return what the sign-in under way has proved there; of the first factor, if it knows."""
        return ()

    def proved_before(self, user: models.Model, factors: Collection[str]) -> tuple[str, ...]:
        """
        Return what these factors are that a session of another engine was proved by.

        Each is named as ``Authenticator.imported_from`` names it: ``"otp_totp.totpdevice/3"``.
        """
        return ()

    def resume(self, request: HttpRequest, user: models.Model) -> HttpResponse | None:
        """Go on with a sign-in that began there and waited for our code; None: it did not."""
        return None

    def ask_again(self, request: HttpRequest, target: str) -> HttpResponse | None:
        """
        Lead somebody who is signed in without their factor to where it is asked for there.

        They come back to ``target``. None: it cannot be asked for of whoever is signed in.
        """
        return None

    def page_url(self) -> str:
        """Return the address of its page on which people see to their factors; "": unknown."""
        return ""


def keepers() -> Iterator[FactorKeeper]:
    return (config for config in apps.get_app_configs() if isinstance(config, FactorKeeper))


def has_factor(user: models.Model) -> bool:
    """Say whether another package asks ``user`` for a second factor. No query where none is."""
    return any(keeper.has_factor(user) for keeper in keepers())


def methods_of(request: HttpRequest | None, user: models.Model) -> tuple[str, ...]:
    """Return what the sign-in under way has proved with another package, if anything."""
    found = (keeper.methods_of(request, user) for keeper in keepers())
    return next((methods for methods in found if methods), ())


def proved_before(user: models.Model, factors: Collection[str]) -> tuple[str, ...]:
    """Return what a session of another engine was proved by with another package, if anything."""
    found = (keeper.proved_before(user, factors) for keeper in keepers() if factors)
    return next((methods for methods in found if methods), ())


def resume(request: HttpRequest, user: models.Model) -> HttpResponse | None:
    """Go on with a sign-in that another package began, and return where that leads."""
    found = (keeper.resume(request, user) for keeper in keepers())
    return next((response for response in found if response is not None), None)


def ask_again(request: HttpRequest, user: models.Model, target: str) -> HttpResponse | None:
    """Lead ``user`` to the package that keeps their factor; None: none does, or can ask."""
    keeping = (keeper for keeper in keepers() if keeper.has_factor(user))
    found = (keeper.ask_again(request, target) for keeper in keeping)
    return next((response for response in found if response is not None), None)


def page_of(user: models.Model) -> str:
    """Return where ``user`` sees to the factor that another package keeps; "": unknown."""
    pages = (keeper.page_url() for keeper in keepers() if keeper.has_factor(user))
    return next(filter(None, pages), "")


def address_of(name: str) -> str:
    """Return the address of a page of another package; "": it has none on this site."""
    try:
        return reverse(name)
    except NoReverseMatch:
        return ""


def sign_in_url() -> str:
    """Where people sign in: the pages of such a package."""
    return resolve_url(settings.LOGIN_URL)
