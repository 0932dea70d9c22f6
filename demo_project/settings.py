"""
The demo on a developer's machine: SQLite and no cache, or whatever the environment names.

``DATABASE_URL`` is a PostgreSQL or MariaDB (``postgresql://user:password@host/name``,
``mysql://…``), ``REDIS_URL`` a Redis (``redis://host:6379/0``).
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import environ
from django.utils.translation import gettext_lazy as _

BASE_DIR = Path(__file__).resolve().parent.parent
env = environ.Env()

DEBUG = True
# For development only, which is why it may stand here. settings_production asks for another.
SECRET_KEY = "for the demo only: everybody can read this key, so it keeps no secret"
ALLOWED_HOSTS = ["localhost", "127.0.0.1", "[::1]"]

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    *(["rest_framework"] if find_spec("rest_framework") else []),
    "sessions_plus",
    "demo_project.shop",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "demo_project.content_security_policy.content_security_policy",
    "sessions_plus.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "demo_project.shop.preferences.apply_preferences",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

ROOT_URLCONF = "demo_project.urls"
WSGI_APPLICATION = "demo_project.wsgi.application"
ASGI_APPLICATION = "demo_project.asgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        # Before the apps' own: templates/sessions_plus/base.html puts our pages into the shop.
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "demo_project.shop.context.shop",
            ],
        },
    },
]

# Where things are kept

DATABASES = {"default": env.db_url("DATABASE_URL", default=f"sqlite:///{BASE_DIR}/demo.sqlite3")}
if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    DATABASES["default"]["OPTIONS"] = {
        # Writers wait for each other, and nobody waits to read.
        "timeout": 20,
        "transaction_mode": "IMMEDIATE",
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL",
    }
elif DATABASES["default"]["ENGINE"].endswith("mysql"):
    import pymysql

    # PyMySQL needs no compiler. Django asks for the version of mysqlclient, so it is told one.
    pymysql.version_info = (2, 2, 7, "final", 0)
    pymysql.install_as_MySQLdb()
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

REDIS_URL = env.str("REDIS_URL", default="")
if REDIS_URL:
    CACHES = {"default": {"BACKEND": "django_redis.cache.RedisCache", "LOCATION": REDIS_URL}}
    SESSION_ENGINE = "sessions_plus.backends.cached_db"
else:
    SESSION_ENGINE = "sessions_plus.backends.db"

# People

AUTHENTICATION_BACKENDS = ["sessions_plus.auth_backends.Backend"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
LOGIN_URL = "sessions_plus:login"
LOGIN_REDIRECT_URL = "shop:product_list"
LOGOUT_REDIRECT_URL = "shop:product_list"
# What authenticator apps call the shop.
SESSIONS_PLUS_TOTP_ISSUER = "Marlow & Fig"
# What whoever runs the shop reads its metrics with: ``Authorization: Bearer`` and this.
SESSIONS_PLUS_METRICS_TOKEN = env.str("METRICS_TOKEN", default=None)
EMAIL_BACKEND = "django.core.mail.backends.console.EmailBackend"
DEFAULT_FROM_EMAIL = "Marlow & Fig <shop@example.com>"

# Words and files

LANGUAGE_CODE = "en"
LANGUAGES = [("en", _("English")), ("de", _("German")), ("fr", _("French"))]
LOCALE_PATHS = [BASE_DIR / "demo_project" / "locale"]
USE_TZ = True
TIME_ZONE = "UTC"
STATIC_URL = "static/"
STATIC_ROOT = BASE_DIR / ".cache" / "static"
