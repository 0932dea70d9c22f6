"""The site of the tests, let to tenants: each has a schema, and names of its own in the cache."""

from __future__ import annotations

import os

from django.core.exceptions import ImproperlyConfigured

from tests.settings import *  # noqa: F403
from tests.settings import MIDDLEWARE as OF_ONE
from tests.support.databases import from_url

DATABASES = {
    "default": from_url(os.environ["SITE_DATABASE"])
    | {"ENGINE": "django_tenants.postgresql_backend"}
}
DATABASE_ROUTERS = ["django_tenants.routers.TenantSyncRouter"]
TENANT_MODEL = "tenants.Tenant"
TENANT_DOMAIN_MODEL = "tenants.Domain"
SHARED_APPS = [
    "django_tenants",
    "tests.integrations.tenants",
    "django.contrib.contenttypes",
    "django.contrib.staticfiles",
]
TENANT_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "rest_framework",
    "sessions_plus",
]
INSTALLED_APPS = [*SHARED_APPS, *[name for name in TENANT_APPS if name not in SHARED_APPS]]
MIDDLEWARE = ["django_tenants.middleware.main.TenantMainMiddleware", *OF_ONE]
ROOT_URLCONF = "tests.support.doors"
ALLOWED_HOSTS = ["*"]

CACHES = {
    "default": {
        "BACKEND": "django_redis.cache.RedisCache",
        "LOCATION": os.environ["SITE_REDIS"],
        "KEY_FUNCTION": "django_tenants.cache.make_key",
        "REVERSE_KEY_FUNCTION": "django_tenants.cache.reverse_key",
    }
}
SESSION_ENGINE = os.environ["SITE_ENGINE"]
if not SESSION_ENGINE.startswith("sessions_plus."):
    raise ImproperlyConfigured("The engine is ours.")
