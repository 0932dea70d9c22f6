"""
Checks of a site where packages of others sign people in, or keep second factors.

They know a package by the name of its app, and import nothing of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from django.conf import settings
from django.core.checks import CheckMessage, register
from django.shortcuts import resolve_url
from django.urls import NoReverseMatch, reverse

from sessions_plus.checks import catalogue
from sessions_plus.checks.catalogue import TAG
from sessions_plus.checks.installation import find


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A package that keeps second factors: what it is called, and how its integration is."""

    package: str
    app: str
    integration: str
    source: str
    """What ``import_factors`` calls it."""
    login_url: str
    """A name of its sign-in page."""

    @property
    def is_there(self) -> bool:
        return _has_app(self.app)

    @property
    def is_integrated(self) -> bool:
        return _has_app(self.integration)


NEIGHBOURS = (
    Neighbour(
        "allauth.mfa",
        "allauth.mfa",
        "sessions_plus.integrations.allauth.AllauthIntegration",
        "allauth",
        "account_login",
    ),
    Neighbour(
        "django-otp",
        "django_otp",
        "sessions_plus.integrations.otp.OtpIntegration",
        "otp",
        "two_factor:login",
    ),
)


SIGNS_IN = (
    "it counts as a sign-in of theirs, with a device and a mail, and who has a second factor "
    "cannot be helped"
)
PUTS_IN = "nothing is asked of who acts before they begin, and no event names them"
HELP_DESKS = {"hijack": SIGNS_IN, "loginas": SIGNS_IN, "impersonate": PUTS_IN}
"""Packages by which people act as others, and what happens without their integration."""


def _has_app(name: str) -> bool:
    """Say whether an app is named, by itself or by its configuration."""
    return any(f"{app}.".startswith(f"{name}.") for app in settings.INSTALLED_APPS)


@register(TAG)
def check_factors_of_others(**_: object) -> list[CheckMessage]:
    return [
        catalogue.FACTORS_ELSEWHERE.about(
            package=each.package, integration=each.integration, source=each.source
        )
        for each in NEIGHBOURS
        if each.is_there and not each.is_integrated
    ]


@register(TAG)
def check_login_url(**_: object) -> list[CheckMessage]:
    if not settings.ROOT_URLCONF or _site_sign_in_page() is not None:
        return []
    return [catalogue.NO_SIGN_IN_PAGE.about(url=settings.LOGIN_URL)]


@register(TAG)
def check_where_others_ask(**_: object) -> list[CheckMessage]:
    ours = _our_sign_in_page()
    if ours is None or _site_sign_in_page() != ours:
        return []
    return [
        catalogue.ASKS_NOWHERE.about(
            url=settings.LOGIN_URL,
            package=each.package,
            better=each.login_url,
            source=each.source,
            integration=each.integration,
        )
        for each in NEIGHBOURS
        if each.is_there and each.is_integrated
    ]


def _site_sign_in_page() -> str | None:
    """Return where ``LOGIN_URL`` leads; None: it names an address that is not there."""
    try:
        return resolve_url(settings.LOGIN_URL)
    except NoReverseMatch:
        return None


def _our_sign_in_page() -> str | None:
    try:
        return reverse("sessions_plus:login") if settings.ROOT_URLCONF else None
    except NoReverseMatch:
        return None


@register(TAG)
def check_help_desks(**_: object) -> list[CheckMessage]:
    found = []
    for app, happens in HELP_DESKS.items():
        integration = f"sessions_plus.integrations.{app}.{app.capitalize()}Integration"
        if _has_app(app) and not _has_app(integration):
            facts = {"package": f"django-{app}", "happens": happens, "integration": integration}
            found.append(catalogue.ACTS_UNTOLD.about(**facts))
    return found


@register(TAG)
def check_sockets(**_: object) -> list[CheckMessage]:
    integration = "sessions_plus.integrations.channels.ChannelsIntegration"
    is_untold = _has_app("channels") and not _has_app(integration)
    return [catalogue.SOCKETS_UNTOLD.about()] if is_untold else []


@register(TAG)
def check_login_of_allauth(**_: object) -> list[CheckMessage]:
    return list(_wrong_with_allauth()) if _has_app("allauth.account") else []


def _wrong_with_allauth() -> Iterator[CheckMessage]:
    if not _has_app(NEIGHBOURS[0].integration):
        yield catalogue.FOREIGN_LOGIN.about()
        return
    adapter = getattr(settings, "ACCOUNT_ADAPTER", "allauth.account.adapter.DefaultAccountAdapter")
    if not getattr(find(adapter), "has_second_factor_stage", False):
        yield catalogue.NO_LOGIN_STAGE.about(adapter=adapter)
