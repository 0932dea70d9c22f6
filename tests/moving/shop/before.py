"""The settings of the old code: Django alone, and one of its engines."""

from __future__ import annotations

import os

from tests.support.databases import from_url

SECRET_KEY = "a key for tests only: long enough, and known to everybody"
ALLOWED_HOSTS = ["127.0.0.1", "localhost"]
ROOT_URLCONF = "tests.moving.shop.urls"
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]

DATABASES = {"default": from_url(os.environ["SHOP_DATABASE"])}
CACHES = {
    "default": {
        "BACKEND": "django_redis.cache.RedisCache",
        "LOCATION": os.environ["SHOP_REDIS"],
    }
}

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
]
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
]
SESSION_ENGINE = os.environ["SHOP_OLD_ENGINE"]
LOGIN_REDIRECT_URL = LOGOUT_REDIRECT_URL = "/who/"
