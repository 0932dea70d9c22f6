"""
Checks of a site that goes live, run by ``manage.py check --deploy``.

Django's own look at the session cookie only where its app or middleware is installed, so
these say the same for ours.
"""

from __future__ import annotations

from collections.abc import Iterable

from django.conf import settings
from django.core.cache.backends.db import DatabaseCache
from django.core.cache.backends.filebased import FileBasedCache
from django.core.checks import CheckMessage, Tags, register
from django.urls import NoReverseMatch, URLPattern, URLResolver, get_resolver, reverse

from sessions_plus.checks import catalogue
from sessions_plus.checks.catalogue import TAG
from sessions_plus.checks.installation import is_kind_of, session_cache_backend
from sessions_plus.conf import Conf, conf
from sessions_plus.error_reports import ExceptionReporterFilter

LOCAL_CACHES = ("django.core.cache.backends.locmem.LocMemCache",)
UNPICKLING_CACHES = (DatabaseCache, FileBasedCache)
STATIC_TOKENS = ("rest_framework.authtoken", "rest_framework.authentication.TokenAuthentication")
API_VIEWS = "sessions_plus.api.views."
PREFIXES = ("__Host-", "__Secure-")


@register(TAG, Tags.security, deploy=True)
def check_session_cookie(**_: object) -> list[CheckMessage]:
    found = []
    if not settings.SESSION_COOKIE_SECURE:
        found.append(catalogue.COOKIE_NOT_SECURE.about())
    if not settings.SESSION_COOKIE_HTTPONLY:
        found.append(catalogue.COOKIE_NOT_HTTP_ONLY.about())
    if settings.SESSION_COOKIE_SAMESITE not in ("Lax", "Strict"):
        shown = repr(settings.SESSION_COOKIE_SAMESITE)
        found.append(catalogue.NO_SAMESITE.about(shown=shown))
    if settings.SESSION_COOKIE_DOMAIN:
        found.append(catalogue.COOKIE_DOMAIN.about(domain=settings.SESSION_COOKIE_DOMAIN))
    return found


@register(TAG, Tags.security, deploy=True)
def check_cookie_names(**_: object) -> list[CheckMessage]:
    found = []
    session, csrf = settings.SESSION_COOKIE_NAME, settings.CSRF_COOKIE_NAME
    if not session.startswith(PREFIXES):
        better = better_name(session, "SESSION_COOKIE")
        found.append(catalogue.NO_SESSION_PREFIX.about(name=session, better=better))
    if not settings.CSRF_USE_SESSIONS and not csrf.startswith(PREFIXES):
        better = better_name(csrf, "CSRF_COOKIE")
        found.append(catalogue.NO_CSRF_PREFIX.about(name=csrf, better=better))
    return found


def better_name(name: str, attributes: str) -> str:
    """The name with the strictest prefix that the cookie's domain and path allow."""
    domain, path = (getattr(settings, f"{attributes}_{part}") for part in ("DOMAIN", "PATH"))
    return f"__Secure-{name}" if domain or path != "/" else f"__Host-{name}"


@register(TAG, Tags.security, deploy=True)
def check_cache_is_shared(**_: object) -> list[CheckMessage]:
    if session_cache_backend() not in LOCAL_CACHES:
        return []
    return [catalogue.LOCAL_CACHE.about(alias=settings.SESSION_CACHE_ALIAS)]


@register(TAG, Tags.security, deploy=True)
def check_cache_unpickles(**_: object) -> list[CheckMessage]:
    backend = session_cache_backend()
    if not any(is_kind_of(backend, kind) for kind in UNPICKLING_CACHES):
        return []
    facts = {"alias": settings.SESSION_CACHE_ALIAS, "backend": backend}
    return [catalogue.UNPICKLING_CACHE.about(**facts)]


@register(TAG, Tags.security, deploy=True)
def check_static_tokens(**_: object) -> list[CheckMessage]:
    uses = {
        "'rest_framework.authtoken' in INSTALLED_APPS": settings.INSTALLED_APPS,
        "TokenAuthentication in REST_FRAMEWORK": getattr(settings, "REST_FRAMEWORK", {}).get(
            "DEFAULT_AUTHENTICATION_CLASSES", ()
        ),
    }
    return [
        catalogue.STATIC_TOKENS.about(used=used)
        for used, paths in uses.items()
        if any(str(path).startswith(STATIC_TOKENS) for path in paths)
    ]


@register(TAG, Tags.security, deploy=True)
def check_token_issuer(**_: object) -> list[CheckMessage]:
    issuer = conf.TOKEN_ISSUER
    if issuer != Conf.TOKEN_ISSUER.default or not issues_tokens():
        return []
    return [catalogue.NO_ISSUER.about(issuer=issuer)]


@register(TAG, Tags.security, deploy=True)
def check_site_url(**_: object) -> list[CheckMessage]:
    wildcards = [host for host in settings.ALLOWED_HOSTS if host == "*" or host.startswith(".")]
    if conf.SITE_URL or not wildcards or not has_page_to_link_to():
        return []
    return [catalogue.NO_SITE_URL.about(host=wildcards[0])]


@register(TAG, Tags.security, deploy=True)
def check_error_reports(**_: object) -> list[CheckMessage]:
    path = settings.DEFAULT_EXCEPTION_REPORTER_FILTER
    if is_kind_of(path, ExceptionReporterFilter):
        return []
    return [catalogue.REPORTS_SHOW_COOKIES.about(filter=path)]


def has_page_to_link_to() -> bool:
    """Say whether our pages have addresses: else no mail has a link, whatever is set."""
    if not getattr(settings, "ROOT_URLCONF", None):
        return False
    try:
        reverse("sessions_plus:notice_report", args=["token"])
    except NoReverseMatch:
        return False
    return True


def issues_tokens() -> bool:
    """Say whether an endpoint of the API has an address, under whatever namespace."""
    # As Django's own check of addresses has it: a site of commands alone names none.
    if not getattr(settings, "ROOT_URLCONF", None):
        return False
    return _has_endpoint(get_resolver().url_patterns)


def _has_endpoint(patterns: Iterable[URLPattern | URLResolver]) -> bool:
    return any(
        _has_endpoint(pattern.url_patterns)
        if isinstance(pattern, URLResolver)
        else getattr(pattern.callback, "__module__", "").startswith(API_VIEWS)
        for pattern in patterns
    )
