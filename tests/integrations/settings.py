"""A site that has what others have: the packages are there, and each test says which are used."""

from __future__ import annotations

from tests.settings import *  # noqa: F403
from tests.settings import INSTALLED_APPS, TEMPLATES
from tests.settings import MIDDLEWARE as WITHOUT_OTHERS

ROOT_URLCONF = "tests.integrations.urls"
LOGIN_URL = "/account/login/"
LOGIN_REDIRECT_URL = "/who/"
TEMPLATES = [TEMPLATES[0] | {"DIRS": ["tests/integrations/templates"]}]

INSTALLED_APPS = [
    *INSTALLED_APPS,
    "user_sessions",
    "qsessions",
    "django_otp",
    "django_otp.plugins.otp_totp",
    "django_otp.plugins.otp_static",
    "django_otp.plugins.otp_email",
    "django_otp_webauthn",
    "two_factor",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "sessions_plus.integrations.channels.ChannelsIntegration",
    "allauth.socialaccount",
    "allauth.socialaccount.providers.dummy",
    "allauth.headless",
    "axes",
    "ninja_extra",
    "rest_framework.authtoken",
    "oauth2_provider",
    "social_django",
    "debug_toolbar",
    "hijack",
    "sessions_plus.integrations.hijack.HijackIntegration",
    "impersonate",
    "sessions_plus.integrations.impersonate.ImpersonateIntegration",
    "loginas",
    "sessions_plus.integrations.loginas.LoginasIntegration",
]
AUTHENTICATION_BACKENDS = [
    "django.contrib.auth.backends.ModelBackend",
    "allauth.account.auth_backends.AuthenticationBackend",
]

DJANGOS_MIDDLEWARE = "django.contrib.sessions.middleware.SessionMiddleware"
OUR_MIDDLEWARE = "sessions_plus.middleware.SessionMiddleware"

# A local cache throws away what is more than 300 entries, and the sessions may be in it.
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.locmem.LocMemCache",
        "OPTIONS": {"MAX_ENTRIES": 10_000},  # type: ignore[dict-item]
    }
}

DEFAULT_EXCEPTION_REPORTER_FILTER = "sessions_plus.error_reports.ExceptionReporterFilter"
DEBUG_TOOLBAR_CONFIG = {"IS_RUNNING_TESTS": False}
# Two panels of its own are left out: they keep what was sent as it came.
DEBUG_TOOLBAR_PANELS = [
    f"debug_toolbar.panels.{name}"
    for name in (
        "versions.VersionsPanel",
        "timer.TimerPanel",
        "settings.SettingsPanel",
        "request.RequestPanel",
        "sql.SQLPanel",
        "staticfiles.StaticFilesPanel",
        "templates.TemplatesPanel",
        "alerts.AlertsPanel",
        "cache.CachePanel",
        "signals.SignalsPanel",
        "community.CommunityPanel",
        "redirects.RedirectsPanel",
        "profiling.ProfilingPanel",
    )
]

MFA_TOTP_TOLERANCE = 1  # a test may meet the end of a period
MFA_SUPPORTED_TYPES = ["totp", "recovery_codes", "webauthn"]
OTP_WEBAUTHN_RP_ID, OTP_WEBAUTHN_RP_NAME = "testserver", "Shop"
OTP_WEBAUTHN_ALLOWED_ORIGINS = ["https://testserver"]
ACCOUNT_RATE_LIMITS = False
ACCOUNT_EMAIL_VERIFICATION = "none"
# Who tried too often there is not what is asked here.
OTP_TOTP_THROTTLE_FACTOR = 0
# Each of these takes part in the tests of its own recipe alone.
AXES_ENABLED = False
SIMPLE_JWT: dict[str, str] = {}
NINJA_JWT: dict[str, str] = {}
OIDC_RP_CLIENT_ID = OIDC_RP_CLIENT_SECRET = "shop"
# The admin signs people in by its own page, as where two-factor-auth is not.
TWO_FACTOR_PATCH_ADMIN = False


def middleware(sessions: str, *, otp: str = "") -> list[str]:
    """Return the site's middleware with another one for sessions, and one of django-otp's."""
    site = [sessions if name == OUR_MIDDLEWARE else name for name in WITHOUT_OTHERS]
    after = site.index("django.contrib.auth.middleware.AuthenticationMiddleware") + 1
    site[after:after] = [otp] if otp else []
    return [*site, "allauth.account.middleware.AccountMiddleware"]


MIDDLEWARE = middleware(OUR_MIDDLEWARE)
