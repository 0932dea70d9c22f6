"""No secret is in what django-debug-toolbar shows of a request."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client, override_settings
from django.urls import include, path
from django.utils.module_loading import import_string

from sessions_plus.cookies import device_cookie_name
from sessions_plus.mfa import totp
from tests.security.test_error_reports import Browser, Secrets, ours, secrets
from tests.support.authenticators import enrol, only

__all__ = ["secrets"]  # a fixture

pytestmark = [pytest.mark.django_db, pytest.mark.urls(__name__)]

Store: Any = import_string("debug_toolbar.store.MemoryStore")

urlpatterns = [
    path("__debug__/", include("debug_toolbar.urls")),
    path("", include("tests.support.gated")),
]


@pytest.fixture(autouse=True)
def _site(settings: Any) -> None:
    settings.DEBUG = True
    settings.INTERNAL_IPS = ["127.0.0.1"]
    settings.MIDDLEWARE = ["debug_toolbar.middleware.DebugToolbarMiddleware", *settings.MIDDLEWARE]
    settings.SESSIONS_PLUS_MAX_CLIENT_ATTEMPTS_PER_HOUR = 0
    settings.SESSIONS_PLUS_API_THROTTLE_RATES = dict.fromkeys(("requests", "sign_in", "refresh"))


def shown() -> str:
    """Return all that the toolbar keeps of what it saw."""
    kept = [panel for panels in Store._request_store.values() for panel in panels.values()]
    return "\n".join(kept)


def test_no_panel_of_any_view(staff: User, secrets: Secrets) -> None:
    """Whatever view of ours it looked at: cookies, forms, session, statements, cache, headers."""
    enrol(staff)
    secrets.add(totp.in_base32(totp.open_secret(only(staff))))
    visitor = Browser(staff, secrets)
    with override_settings(ROOT_URLCONF="tests.support.gated"):
        site = list(ours(staff))
    told, count = [], 0
    for door, method in site:
        Store.clear()
        visitor.open(door, method)
        text = shown()
        count += bool(text)
        if secrets.in_(text):
            at = min(text.index(secret) for secret in secrets if secret in text)
            told.append(f"{method} {door.name}: {text[max(at - 150, 0) : at]}")

    assert not told, "\n".join(told)
    assert count > 60


def test_it_looks(user: User) -> None:
    """The names of our cookies are in its panel, and what is no secret is."""
    client = Client()
    client.cookies["color"] = "a cookie of the site"
    client.cookies[device_cookie_name()] = "the name of a browser"
    Store.clear()

    client.get("/account/login/")

    assert device_cookie_name() in shown()
    assert "a cookie of the site" in shown()
    assert "the name of a browser" not in shown()
