"""The demo over TLS on a developer's machine, with sessions that are bound to their device."""

from __future__ import annotations

from datetime import timedelta

from demo_project.settings import *  # noqa: F403 - settings are a namespace

SESSION_COOKIE_SECURE = True
SESSION_COOKIE_NAME = "__Host-session"
CSRF_COOKIE_SECURE = True
CSRF_COOKIE_NAME = "__Host-csrf"

SESSIONS_PLUS_DEVICE_BINDING = "enforce"
# As short as it may be, so that nobody waits long to see that copied cookies open nothing.
SESSIONS_PLUS_PROOF_LIFETIME = timedelta(minutes=3)
