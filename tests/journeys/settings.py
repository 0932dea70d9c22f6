"""The demo's settings, with passwords that cost nothing to check: people sign in often here."""

from __future__ import annotations

from demo_project.settings import *  # noqa: F403 - settings are a namespace

# The second is how the accounts of the seeded demo are hashed.
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.MD5PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
