"""A site with everything on. ``TEST_DATABASE_URL`` chooses the database; SQLite without it."""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path

import django

from tests.support.databases import from_url

BASE_DIR = Path(__file__).resolve().parent.parent

SECRET_KEY = "a key for tests only: long enough, and known to everybody"
ALLOWED_HOSTS = ["testserver", "localhost", "127.0.0.1"]
ROOT_URLCONF = "tests.urls"
USE_TZ = True
TIME_ZONE = "UTC"
LANGUAGE_CODE = "en"

DATABASES = {"default": from_url(os.environ.get("TEST_DATABASE_URL", ""))}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}

if django.VERSION >= (6, 1):
    # Django 6.1 warns of sending mail without it.
    MAILERS = {"default": {"BACKEND": "django.core.mail.backends.locmem.EmailBackend"}}

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    *(["rest_framework"] if find_spec("rest_framework") else []),
    "sessions_plus",
]

SESSION_ENGINE = "sessions_plus.backends.db"
AUTHENTICATION_BACKENDS = ["sessions_plus.auth_backends.Backend"]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "sessions_plus.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

STATIC_URL = "static/"

# Hashing a password well takes a tenth of a second, and the tests hash hundreds.
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
