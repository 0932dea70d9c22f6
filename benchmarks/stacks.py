"""The stacks that are compared: one site, each with another way to keep its sessions."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

DJANGO_MIDDLEWARE = "django.contrib.sessions.middleware.SessionMiddleware"
OUR_MIDDLEWARE = "sessions_plus.middleware.SessionMiddleware"
AUTHENTICATION = "django.contrib.auth.middleware.AuthenticationMiddleware"
ALLAUTH = "allauth.usersessions.middleware.UserSessionsMiddleware"


@dataclass(frozen=True)
class Stack:
    """
    One way to keep sessions.

    ``middleware`` None stands for no sessions at all: the floor that the others' cost
    is counted from; "bare GET" for what no engine can do without. Django's
    AuthenticationMiddleware is in a stack only where that cannot do without it: under
    ASGI it hops to a thread, whatever the sessions do.
    """

    name: str
    engine: str = "django.contrib.sessions.backends.db"
    middleware: str | None = DJANGO_MIDDLEWARE
    apps: tuple[str, ...] = ("django.contrib.sessions",)
    after_auth: tuple[str, ...] = ()
    extra: dict[str, Any] = field(default_factory=dict)
    keeps_sessions: bool = True
    is_async_native: bool = True
    cache: str = "django.core.cache.backends.redis.RedisCache"


STACKS = {
    stack.name: stack
    for stack in [
        Stack("none", middleware=None, keeps_sessions=False),
        Stack("bare GET", middleware="benchmarks.floor.middleware", keeps_sessions=False),
        Stack("django db"),
        Stack("django cached_db", "django.contrib.sessions.backends.cached_db"),
        Stack("django cache", "django.contrib.sessions.backends.cache"),
        Stack(
            "qsessions cached_db",
            "qsessions.backends.cached_db",
            "qsessions.middleware.SessionMiddleware",
            ("qsessions",),
        ),
        Stack(
            "user_sessions db",
            "user_sessions.backends.db",
            "user_sessions.middleware.SessionMiddleware",
            ("user_sessions",),
        ),
        Stack(
            "allauth cached_db",
            "django.contrib.sessions.backends.cached_db",
            apps=(
                "django.contrib.sessions",
                "allauth",
                "allauth.account",
                "allauth.usersessions",
            ),
            after_auth=("allauth.account.middleware.AccountMiddleware", ALLAUTH),
            extra={"USERSESSIONS_TRACK_ACTIVITY": True},
            is_async_native=False,
        ),
        Stack("ours db", "sessions_plus.backends.db", OUR_MIDDLEWARE, ("sessions_plus",)),
        Stack(
            "ours cached_db", "sessions_plus.backends.cached_db", OUR_MIDDLEWARE, ("sessions_plus",)
        ),
    ]
}


BESIDE_OVER_HTTP = {
    stack.name: stack
    for stack in [
        Stack(
            "django cached_db, django-redis",
            "django.contrib.sessions.backends.cached_db",
            cache="django_redis.cache.RedisCache",
        ),
        Stack("django signed_cookies", "django.contrib.sessions.backends.signed_cookies"),
    ]
}
"""What is measured by requests a second alone: its races, statements and costs are others' too."""


def settings_for(stack: Stack, *, database: dict[str, Any], redis_url: str) -> dict[str, Any]:
    """Return the Django settings of a stack on these servers."""
    return {
        "SECRET_KEY": "a key for measurements only, known to everybody who reads this",
        "DEBUG": False,
        "ALLOWED_HOSTS": ["*"],
        "USE_TZ": True,
        "ROOT_URLCONF": "benchmarks.site",
        "DEFAULT_AUTO_FIELD": "django.db.models.BigAutoField",
        "DATABASES": {"default": {**database, "CONN_MAX_AGE": None}},
        "CACHES": {
            "default": {
                "BACKEND": stack.cache,
                "LOCATION": redis_url,
            }
        },
        "INSTALLED_APPS": [
            "django.contrib.auth",
            "django.contrib.contenttypes",
            "django.contrib.messages",
            *stack.apps,
        ],
        "MIDDLEWARE": [
            *([stack.middleware] if stack.middleware else []),
            *([AUTHENTICATION, *stack.after_auth] if stack.after_auth else []),
        ],
        "SESSION_ENGINE": stack.engine,
        "TEMPLATES": [
            {"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}
        ],
        "EMAIL_BACKEND": "django.core.mail.backends.dummy.EmailBackend",
        "PASSWORD_HASHERS": ["django.contrib.auth.hashers.MD5PasswordHasher"],
        "LOGGING_CONFIG": None,
        **stack.extra,
    }
