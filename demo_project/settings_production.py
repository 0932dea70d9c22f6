"""
The demo behind HTTPS. All that is secret or the machine's own comes from the environment.

Needed: ``SECRET_KEY``, ``ALLOWED_HOSTS`` (separated by commas), ``DATABASE_URL``. As wanted:
``REDIS_URL``, ``EMAIL_URL`` (``smtp+tls://user:password@host:587``), ``TRUSTED_PROXY_COUNT``,
``SITE_URL`` (``https://shop.example``; else made of the first of ``ALLOWED_HOSTS``),
``STATIC_ROOT``.
"""

from __future__ import annotations

from demo_project.settings import *  # noqa: F403 - settings are a namespace
from demo_project.settings import STATIC_ROOT, env

DEBUG = False
SECRET_KEY = env.str("SECRET_KEY")
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS")
DATABASES = {"default": {**env.db_url("DATABASE_URL"), "CONN_MAX_AGE": 60}}

# EMAIL_HOST and its kin. Without an address of a server mails are printed.
vars().update(env.email_url("EMAIL_URL", default="consolemail://"))

# HTTPS everywhere, and cookies that go nowhere else. The prefix makes browsers insist on it.
SECURE_SSL_REDIRECT = True
SECURE_HSTS_SECONDS = 365 * 24 * 60 * 60
SECURE_HSTS_INCLUDE_SUBDOMAINS = True
SECURE_HSTS_PRELOAD = True
SESSION_COOKIE_SECURE = True
SESSION_COOKIE_NAME = "__Host-session"
CSRF_COOKIE_SECURE = True
CSRF_COOKIE_NAME = "__Host-csrf"
CSRF_COOKIE_HTTPONLY = True

# Mails about errors show no cookie that lets somebody in.
DEFAULT_EXCEPTION_REPORTER_FILTER = "sessions_plus.error_reports.ExceptionReporterFilter"

# A proxy that ends TLS says so, and appends the address of its client.
SESSIONS_PLUS_TRUSTED_PROXY_COUNT = env.int("TRUSTED_PROXY_COUNT", default=0)
if SESSIONS_PLUS_TRUSTED_PROXY_COUNT:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")

# Where links in mails lead, and who issues the API's tokens: fixed, and never by what a
# request calls this host.
SESSIONS_PLUS_SITE_URL = env.str(
    "SITE_URL", default=f"https://{ALLOWED_HOSTS[0].removeprefix('.')}"
)
SESSIONS_PLUS_TOKEN_ISSUER = SESSIONS_PLUS_SITE_URL

STATIC_ROOT = env.str("STATIC_ROOT", default=str(STATIC_ROOT))
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.ManifestStaticFilesStorage"},
}
