"""The demo's settings for whoever asks more often than a person or a program would."""

from __future__ import annotations

from demo_project.settings import *  # noqa: F403 - settings are a namespace

# A caller that had to wait would see no more than the throttle.
SESSIONS_PLUS_API_THROTTLE_RATES = {"requests": None, "sign_in": None, "refresh": None}
# Browsers make passkeys for no number such as 127.0.0.1, where the tests' server is.
SESSIONS_PLUS_PASSKEY_RP_ID = "localhost"
# Wrong passwords are most of what is sent. The second is how the seeded accounts are hashed.
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.MD5PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
