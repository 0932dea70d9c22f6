"""The settings Django runs its own tests with, and the session engine under test."""

from __future__ import annotations

import os

DATABASES = {
    "default": {"ENGINE": "django.db.backends.sqlite3"},
    "other": {"ENGINE": "django.db.backends.sqlite3"},
}
DEFAULT_AUTO_FIELD = "django.db.models.AutoField"
USE_TZ = False
SECRET_KEY = "a key for tests only: long enough, and known to everybody"
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]

SESSION_ENGINE = os.environ["DJANGO_SUITE_ENGINE"]
TEST_RUNNER = "tests.django_suite.runner.Runner"
