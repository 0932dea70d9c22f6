"""Checks of how the app is built into its site: middleware, engine, cache, extras, cookie names."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path, PurePath
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.backends import RemoteUserBackend
from django.contrib.auth.middleware import AuthenticationMiddleware
from django.contrib.auth.views import PasswordResetView
from django.contrib.sessions.middleware import SessionMiddleware as DjangoSessionMiddleware
from django.core.cache import caches
from django.core.checks import CheckMessage, register
from django.core.checks.caches import (
    check_cache_location_not_exposed,
    check_file_based_cache_is_absolute,
)
from django.core.checks.registry import registry
from django.core.exceptions import ImproperlyConfigured
from django.urls import NoReverseMatch, resolve, reverse
from django.utils.module_loading import import_string

from sessions_plus.auth_backends import BACKEND, MODEL_BACKEND, Backend
from sessions_plus.checks import catalogue
from sessions_plus.checks.catalogue import TAG
from sessions_plus.conf import conf
from sessions_plus.mfa.passkeys.relying_party import LIBRARY, are_on
from sessions_plus.mfa.policy import asks_for_passkeys
from sessions_plus.middleware import SessionMiddleware
from sessions_plus.notices.sending import have_addresses
from sessions_plus.store.engine import has_cache
from sessions_plus.store.session_store import SessionStore

NEED_A_SESSION = (
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
)
CSRF_MIDDLEWARE = "django.middleware.csrf.CsrfViewMiddleware"
REDIS_CACHES = (
    "django_redis.",
    "django.core.cache.backends.redis.",
    "sessions_plus.backends.redis_cluster.",
)
MAKE_EVERY_CACHE = (check_cache_location_not_exposed, check_file_based_cache_is_absolute)
DUMMY = "django.core.cache.backends.dummy.DummyCache"


def find(path: str) -> Any:  # whatever a site's setting names
    """Return what a dotted path names, or None: that it cannot be imported others report."""
    try:
        return import_string(path)
    except ImportError:
        return None


def is_kind_of(path: str, parent: type) -> bool:
    found = find(path)
    return isinstance(found, type) and issubclass(found, parent)


def our_place() -> int | None:
    """Where in MIDDLEWARE ours stands, or a subclass of it; None: nowhere."""
    places = (
        n for n, path in enumerate(settings.MIDDLEWARE) if is_kind_of(path, SessionMiddleware)
    )
    return next(places, None)


@register(TAG)
def check_middleware(**_: object) -> list[CheckMessage]:
    foreign = [
        path
        for path in settings.MIDDLEWARE
        if is_kind_of(path, DjangoSessionMiddleware) and not is_kind_of(path, SessionMiddleware)
    ]
    found = [catalogue.DJANGO_MIDDLEWARE.about(middleware=repr(path)) for path in foreign]
    if our_place() is None and not foreign:
        found.append(catalogue.NO_MIDDLEWARE.about())
    return found


@register(TAG)
def check_middleware_order(**_: object) -> list[CheckMessage]:
    place = our_place()
    if place is None:
        return []
    needy = (*NEED_A_SESSION, *([CSRF_MIDDLEWARE] if settings.CSRF_USE_SESSIONS else []))
    return [
        catalogue.WRONG_ORDER.about(later=repr(path))
        for path in settings.MIDDLEWARE[:place]
        if any(is_kind_of(path, find(other)) for other in needy)
    ]


@register(TAG)
def check_who_needs_a_user(**_: object) -> list[CheckMessage]:
    """Before it, OTPMiddleware fails each request, and what BearerMiddleware found is lost."""
    paths = list(settings.MIDDLEWARE)
    places = (n for n, path in enumerate(paths) if is_kind_of(path, AuthenticationMiddleware))
    auth = next(places, 0)
    return [
        catalogue.TOO_EARLY.about(early=path, auth=paths[auth])
        for path in paths[:auth]
        if getattr(find(path), "needs_user", False)
    ]


@register(TAG)
def check_backends(**_: object) -> list[CheckMessage]:
    """Where nobody types a password, as behind a proxy that names the user, nothing is said."""
    paths = list(settings.AUTHENTICATION_BACKENDS)
    ours = [path for path in paths if is_kind_of(path, Backend)]
    if all(is_kind_of(path, RemoteUserBackend) for path in paths):
        return []
    if not ours:
        suggestion = [BACKEND] if paths == [MODEL_BACKEND] else [BACKEND, *paths]
        return [catalogue.GUESSES_NOT_COUNTED.about(suggestion=suggestion)]
    if paths[0] != ours[0]:
        suggestion = [ours[0], *(path for path in paths if path != ours[0])]
        found = catalogue.GUESSES_COUNTED_LATE
        return [found.about(earlier=repr(paths[0]), suggestion=suggestion)]
    return []


@register(TAG)
def check_engine(**_: object) -> list[CheckMessage]:
    """Also in a site without our middleware: the engine is what tracks."""
    engine = settings.SESSION_ENGINE
    try:
        store = import_module(engine).SessionStore
    except (ImportError, AttributeError):
        store = object
    return (
        [] if issubclass(store, SessionStore) else [catalogue.FOREIGN_ENGINE.about(engine=engine)]
    )


@register(TAG)
def check_paths(**_: object) -> list[CheckMessage]:
    """What Django's settings name and we import: Django finds it out when people sign in."""
    named = [("SESSION_SERIALIZER", settings.SESSION_SERIALIZER)]
    named += [("AUTHENTICATION_BACKENDS", path) for path in settings.AUTHENTICATION_BACKENDS]
    found = []
    for setting, path in named:
        try:
            import_string(path)
        except Exception as error:  # whatever the site's module raises
            facts = {"setting": setting, "path": path, "error": str(error).rstrip(".")}
            found.append(catalogue.NOT_IMPORTABLE.about(**facts))
    return found


@register(TAG)
def check_serializer(**_: object) -> list[CheckMessage]:
    path = settings.SESSION_SERIALIZER
    serializer = find(path)
    if serializer is None or not ("pickle" in path.lower() or _writes_pickle(serializer)):
        return []
    return [catalogue.PICKLE.about(serializer=path)]


def _writes_pickle(serializer: Any) -> bool:  # a class of which nothing is known yet
    """By what it writes: a pickle begins with 0x80 (protocol 2 and later) and ends with a dot."""
    written = serializer().dumps({"a": 1})
    return isinstance(written, bytes) and written[:1] == b"\x80" and written[-1:] == b"."


@register(TAG)
def check_cache(**_: object) -> list[CheckMessage]:
    if not keeps_copies():
        return []
    alias = settings.SESSION_CACHE_ALIAS
    if alias not in settings.CACHES:
        aliases = ", ".join(repr(name) for name in settings.CACHES)
        return [catalogue.NO_CACHE.about(alias=alias, aliases=aliases)]
    if session_cache_backend() == DUMMY:
        return [catalogue.DUMMY_CACHE.about(alias=alias)]
    fault = find_cache_fault()
    if fault is None or not all(is_installed(name) for _, _, name in _libraries_of_cache()):
        return []  # a missing library has a message of its own
    return [catalogue.BROKEN_CACHE.about(alias=alias, error=fault)]


def find_cache_fault() -> str | None:
    """Say why the session cache cannot be made; None: it can, or there is none."""
    alias = settings.SESSION_CACHE_ALIAS
    if not keeps_copies() or alias not in settings.CACHES:
        return None
    try:
        caches.create_connection(alias)
    except (ImportError, ImproperlyConfigured) as error:
        return str(error).rstrip(".")
    return None


def keep_django_from_a_traceback() -> None:
    """
    Let nobody but us look at a session cache that cannot be made.

    Django's own checks make every cache, so that a missing library would end all checks in a
    traceback, and nobody would be told what to install.
    """
    if find_cache_fault() is not None:
        for check in MAKE_EVERY_CACHE:
            registry.registered_checks.discard(check)
            registry.deployment_checks.discard(check)


def keeps_copies() -> bool:
    """Say whether a cache is told; not where the engine cannot be imported, which E104 reports."""
    try:
        return has_cache()
    except (ImportError, AttributeError):
        return False


def session_cache_backend() -> str:
    """The dotted path of the cache that holds copies of sessions; "" where none does."""
    if not keeps_copies():
        return ""
    return str(settings.CACHES.get(settings.SESSION_CACHE_ALIAS, {}).get("BACKEND", ""))


@register(TAG)
def check_extras(**_: object) -> list[CheckMessage]:
    return [
        catalogue.MISSING_EXTRA.about(used=used, library=library, extra=extra)
        for used, extra, library in needed_libraries()
        if not is_installed(library)
    ]


def needed_libraries() -> Iterator[tuple[str, str, str]]:
    """What the site uses, the extra that brings it, and a library of it."""
    if conf.LOCATION_DATABASE:
        yield "SESSIONS_PLUS_LOCATION_DATABASE", "geoip", "geoip2"
    if conf.PASSKEY_RP_ID or conf.PASSKEY_ORIGINS:
        yield "SESSIONS_PLUS_PASSKEY_RP_ID or _ORIGINS", "passkeys", "webauthn"
    if "sessions_plus.api." in repr(getattr(settings, "REST_FRAMEWORK", "")):
        yield "sessions_plus.api in REST_FRAMEWORK", "api", "rest_framework"
        yield "sessions_plus.api in REST_FRAMEWORK", "api", "joserfc"
    if conf.METRICS:
        yield "SESSIONS_PLUS_METRICS", "metrics", "opentelemetry"
    yield from _libraries_of_cache()


def _libraries_of_cache() -> Iterator[tuple[str, str, str]]:
    backend, used = session_cache_backend(), f"CACHES[{settings.SESSION_CACHE_ALIAS!r}]"
    if backend.startswith("django_redis."):
        yield used, "redis", "django_redis"
    if backend.startswith(REDIS_CACHES):
        yield used, "redis", "redis"


def is_installed(library: str) -> bool:
    return find_spec(library) is not None


@register(TAG)
def check_location_file(**_: object) -> list[CheckMessage]:
    path: object = conf.LOCATION_DATABASE
    if not path or not isinstance(path, str | PurePath) or Path(path).is_file():
        return []
    return [catalogue.NO_LOCATION_FILE.about(path=str(path))]


@register(TAG)
def check_cookie_prefixes(**_: object) -> list[CheckMessage]:
    """A browser refuses a prefixed cookie whose attributes contradict it (RFC 6265bis §4.1.3)."""
    return [
        catalogue.BROKEN_PREFIX.about(
            setting=setting, name=name, contradiction=contradiction, suggestion=suggestion
        )
        for setting, name, attributes in _cookies()
        for contradiction, suggestion in _contradictions(name, attributes)
    ]


def _cookies() -> Iterator[tuple[str, str, str]]:
    """Each name of a cookie, and the beginning of the settings of its attributes."""
    yield "SESSION_COOKIE_NAME", settings.SESSION_COOKIE_NAME, "SESSION_COOKIE"
    if not settings.CSRF_USE_SESSIONS:
        yield "CSRF_COOKIE_NAME", settings.CSRF_COOKIE_NAME, "CSRF_COOKIE"
    if isinstance(conf.DEVICE_COOKIE_NAME, str):
        yield "SESSIONS_PLUS_DEVICE_COOKIE_NAME", conf.DEVICE_COOKIE_NAME, "SESSION_COOKIE"


def _contradictions(name: str, attributes: str) -> Iterator[tuple[str, str]]:
    is_host, is_secure = name.startswith("__Host-"), name.startswith("__Secure-")
    if (is_host or is_secure) and not getattr(settings, f"{attributes}_SECURE"):
        yield f"{attributes}_SECURE is off", f"Write {attributes}_SECURE = True."
    if is_host and getattr(settings, f"{attributes}_DOMAIN"):
        yield f"{attributes}_DOMAIN is set", "Use the prefix '__Secure-', or remove the domain."
    if is_host and getattr(settings, f"{attributes}_PATH") != "/":
        yield f"{attributes}_PATH is not '/'", "Use the prefix '__Secure-', or remove the path."


@register(TAG)
def check_password_reset(**_: object) -> list[CheckMessage]:
    """Whether people who forgot their password get a link, and it works."""
    if not getattr(settings, "ROOT_URLCONF", None) or not _is_named("sessions_plus:login"):
        return []
    return [
        catalogue.RESET_LEADS_NOWHERE.about(problem=problem, suggestion=suggestion)
        for problem, suggestion in _what_breaks_reset()
    ]


def _what_breaks_reset() -> Iterator[tuple[str, str]]:
    """Yield what is wrong, and what to write instead."""
    if not _is_named("password_reset"):
        if not have_addresses():
            model = get_user_model()
            address = model.get_email_field_name()
            problem = f"{model._meta.label} has no field {address!r} to send a link to"
            yield problem, "Set its EMAIL_FIELD, or name a page of your own 'password_reset'."
        return
    view = resolve(reverse("password_reset")).func
    is_djangos = issubclass(getattr(view, "view_class", object), PasswordResetView)
    if is_djangos and not _is_named("password_reset_confirm", "id", "token"):
        yield (
            "the site's own page mails links to 'password_reset_confirm', which names no page",
            "Give Django's PasswordResetConfirmView that name, or do without 'password_reset'.",
        )


def _is_named(name: str, *arguments: str) -> bool:
    try:
        reverse(name, args=arguments)
    except NoReverseMatch:
        return False
    return True


@register(TAG)
def check_passkeys_wanted(**_: object) -> list[CheckMessage]:
    """A policy that nobody could meet would keep everybody out whom it names."""
    if not asks_for_passkeys() or are_on():
        return []
    if is_installed(LIBRARY):
        reason = "SESSIONS_PLUS_PASSKEY_SIGN_IN is 'off'"
        suggestion = "Write SESSIONS_PLUS_PASSKEY_SIGN_IN = 'second_factor', or 'only_factor'."
    else:
        reason = "the library webauthn is not installed"
        suggestion = "Run: pip install 'django-sessions-plus[passkeys]'"
    return [catalogue.PASSKEYS_WANTED_BUT_OFF.about(reason=reason, suggestion=suggestion)]
