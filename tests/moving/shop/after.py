"""The settings of the new code: the old ones, and the lines of ``docs/migrating.md``."""

from __future__ import annotations

import os
from datetime import timedelta

from django.utils import timezone

from tests.moving.shop import before
from tests.moving.shop.before import *  # noqa: F403 - Django wants all of them here

INSTALLED_APPS = [*before.INSTALLED_APPS, "sessions_plus"]
SESSION_ENGINE = os.environ["SHOP_NEW_ENGINE"]
AUTHENTICATION_BACKENDS = ["sessions_plus.auth_backends.Backend"]
MIDDLEWARE = [
    name.replace("django.contrib.sessions", "sessions_plus") for name in before.MIDDLEWARE
]
SESSIONS_PLUS_ADOPT_FROM = before.SESSION_ENGINE
SESSIONS_PLUS_ADOPT_UNTIL = timezone.now() + timedelta(days=14)

SESSION_COOKIE_NAME = "session"
SESSIONS_PLUS_ADOPT_COOKIE_NAME = "sessionid"
SESSIONS_PLUS_ADOPT_KEEP_OLD = "SHOP_IS_MOVED" not in os.environ
