"""
A plugin of pytest that puts our engine, app and middleware into whatever site is set up.

It runs where nothing of our tests can be imported, as the package of that name is another's.
``FOREIGN_ENGINE``: the engine; nothing is changed without. ``FOREIGN_DATABASE``: settings of
a database, as JSON. ``FOREIGN_WITHOUT``: apps that are taken out, as JSON.
"""

from __future__ import annotations

import json
import os
from typing import Any

import django
from django.conf import settings
from django.core.signals import setting_changed
from django.dispatch import receiver

DJANGOS = "django.contrib.sessions.middleware.SessionMiddleware"
OURS = "sessions_plus.middleware.SessionMiddleware"
ENGINE = os.environ.get("FOREIGN_ENGINE", "")
DATABASE = os.environ.get("FOREIGN_DATABASE", "")
WITHOUT = json.loads(os.environ.get("FOREIGN_WITHOUT", "[]"))
LOCAL = {"BACKEND": "django.core.cache.backends.locmem.LocMemCache", "LOCATION": "sessions"}

_set_up = django.setup


@receiver(setting_changed)
def keep_our_cache(*, setting: str, value: Any, enter: bool, **_: Any) -> None:
    """Tests that set all caches of a site know nothing of the one that we were given."""
    if ENGINE and setting == "CACHES" and value is not None and enter:
        value.setdefault("sessions", LOCAL)


def set_up(*args: Any, **kwargs: Any) -> None:
    # In every run: most of the time of some of them was spent on hashing passwords well.
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    settings.INSTALLED_APPS = [app for app in settings.INSTALLED_APPS if app not in WITHOUT]
    if DATABASE:
        settings.DATABASES = dict.fromkeys(settings.DATABASES, json.loads(DATABASE))
    if ENGINE:
        put_ours_in()
    _set_up(*args, **kwargs)
    if ENGINE:
        _stand_for_djangos()


def put_ours_in() -> None:
    """Change the settings before any app is loaded."""
    settings.SESSION_ENGINE = ENGINE
    settings.MIDDLEWARE = [OURS if path == DJANGOS else path for path in settings.MIDDLEWARE]
    if "sessions_plus" not in settings.INSTALLED_APPS:
        settings.INSTALLED_APPS = [*settings.INSTALLED_APPS, "sessions_plus"]
    settings.CACHES = {**settings.CACHES, "sessions": LOCAL}
    settings.SESSION_CACHE_ALIAS = "sessions"


def _stand_for_djangos() -> None:
    """Put our class under the name of Django's, for tests that use it by itself."""
    from django.contrib.sessions import middleware

    from sessions_plus.middleware import SessionMiddleware

    middleware.SessionMiddleware = SessionMiddleware  # type: ignore[misc]


django.setup = set_up
