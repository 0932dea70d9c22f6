"""
Ways into a site that pass the second factor by: views of other packages that sign people in.

Run by ``manage.py check --deploy``. They make no session, so nothing of ours is asked.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Tags, register
from django.urls import URLPattern, URLResolver, get_resolver

from sessions_plus.checks import catalogue
from sessions_plus.checks.catalogue import TAG

TOKEN_VIEWS: Mapping[str, str] = MappingProxyType(
    {
        "rest_framework_simplejwt.views.TokenObtain": "djangorestframework-simplejwt",
        "rest_framework.authtoken.views.": "rest_framework.authtoken",
        "oauth2_provider.views.base.TokenView": "django-oauth-toolkit (its password grant)",
        "ninja_jwt.": "django-ninja-jwt",
        "knox.views.LoginView": "django-rest-knox",
        "dj_rest_auth.": "dj-rest-auth (where it gives out tokens)",
    }
)
"""Where views that give a token for a password begin, and whose they are."""

PASSWORD_IN_EACH_REQUEST = "rest_framework.authentication.BasicAuthentication"  # noqa: S105


@register(TAG, Tags.security, deploy=True)
def check_ways_past_second_factor(**_: object) -> list[CheckMessage]:
    if not getattr(settings, "ROOT_URLCONF", None):
        return []
    views = list(mounted_views(get_resolver().url_patterns))
    found = [
        catalogue.PASSES_SECOND_FACTOR.about(used=package, path=path)
        for package, path in _token_views(views).items()
    ]
    by_password = [path for path, view in views if _takes_password(view) and not _package_of(view)]
    if by_password:
        found.append(catalogue.PASSWORD_ALONE.about(count=len(by_password), path=by_password[0]))
    return found


def mounted_views(
    patterns: Iterable[URLPattern | URLResolver], prefix: str = "/"
) -> Iterator[tuple[str, Any]]:
    """Yield each view that has an address, with the address as its pattern is written."""
    for entry in patterns:
        path = prefix + str(entry.pattern)
        if isinstance(entry, URLResolver):
            yield from mounted_views(entry.url_patterns, path)
        elif isinstance(entry, URLPattern):
            yield path, entry.callback


def _token_views(views: Iterable[tuple[str, Any]]) -> dict[str, str]:
    """Return the packages that give a token for a password, each with an address of it."""
    found: dict[str, str] = {}
    for path, view in views:
        if package := _package_of(view):
            found.setdefault(package, path)
    return found


def _package_of(view: Any) -> str:
    """Return whose view gives a token for a password; "" where it is none that we know."""
    name = _name_of(view)
    return next((package for start, package in TOKEN_VIEWS.items() if name.startswith(start)), "")


def _name_of(view: Any) -> str:
    made_of = getattr(view, "cls", None) or getattr(view, "view_class", None) or view
    return f"{getattr(made_of, '__module__', '')}.{getattr(made_of, '__qualname__', '')}"


def _takes_password(view: Any) -> bool:
    """Say whether a view of REST framework takes name and password, and asks nothing of ours."""
    kind = getattr(view, "cls", None)
    classes = {_name_of(found) for found in getattr(kind, "authentication_classes", ())}
    asked = [getattr(found, "asks_second_factor", False) for found in _permissions_of(kind)]
    return PASSWORD_IN_EACH_REQUEST in classes and not any(asked)


def _permissions_of(kind: Any) -> Iterable[Any]:
    return getattr(kind, "permission_classes", ())
