"""Checks of what would keep browsers from binding sessions, or from proving their keys (DBSC)."""

from __future__ import annotations

from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import CheckMessage, register
from django.urls import NoReverseMatch, reverse
from django.utils import translation

from sessions_plus.checks import catalogue
from sessions_plus.checks.catalogue import TAG
from sessions_plus.conf import conf


@register(TAG)
def check_device_binding(**_: object) -> list[CheckMessage]:
    """A site that binds no sessions is asked nothing."""
    if conf.DEVICE_BINDING == "off":
        is_required = conf.DEVICE_BINDING_REQUIRED is not None
        return [catalogue.BINDING_REQUIRED_BUT_OFF.about()] if is_required else []
    return [*_of_cookie(), *_of_addresses(), *_of_files()]


def _of_cookie() -> list[CheckMessage]:
    found = []
    if not settings.SESSION_COOKIE_SECURE:
        found.append(catalogue.BINDING_WITHOUT_HTTPS.about())
    usual = {"SESSION_COOKIE_DOMAIN": None, "SESSION_COOKIE_PATH": "/"}
    for setting, value in usual.items():
        given = getattr(settings, setting)
        if given != value:
            message = catalogue.BINDING_OF_MANY_HOSTS.about(setting=setting, value=given)
            found.append(message)
    if settings.SESSION_COOKIE_SAMESITE == "None":
        found.append(catalogue.BINDING_IN_FRAMES.about())
    return found


def _of_addresses() -> list[CheckMessage]:
    if not getattr(settings, "ROOT_URLCONF", None):
        return []  # a site of commands alone
    try:
        addresses = {_address_in(language) for language, _ in settings.LANGUAGES}
    except NoReverseMatch:
        return [catalogue.BINDING_WITHOUT_ADDRESS.about()]
    return [catalogue.BINDING_BY_LANGUAGE.about()] if len(addresses) > 1 else []


def _address_in(language: str) -> str:
    with translation.override(language):
        return reverse("sessions_plus:device_key_refresh")


def _of_files() -> list[CheckMessage]:
    # Not MEDIA_URL: it is "/" where there is none.
    path = urlsplit(settings.STATIC_URL or "/static/").path
    if path.strip("/"):
        return []
    facts = {"setting": "STATIC_URL", "value": settings.STATIC_URL}
    return [catalogue.BINDING_WAITS_FOR_FILES.about(**facts)]
