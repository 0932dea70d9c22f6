"""The settings of a site that binds sessions, of several processes behind a proxy with TLS."""

from __future__ import annotations

from datetime import timedelta

from sessions_plus.device_proof import rule
from tests import settings as common
from tests.support.served import *  # noqa: F403 - Django wants all of them here

MIDDLEWARE = common.MIDDLEWARE
ROOT_URLCONF = "tests.support.bound_sites"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = True
SESSION_COOKIE_NAME = "__Host-sessionid"
SESSIONS_PLUS_DEVICE_BINDING = "enforce"
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
STATIC_URL = "/static/"

# Nothing of these tests is under way when a session was bound, and none waits for it.
rule.UNDER_WAY = timedelta(0)
