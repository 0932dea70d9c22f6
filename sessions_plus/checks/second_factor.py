"""
Ways into a site that pass the second factor by: views of other packages that sign people in.

Run by ``manage.py check --deploy``. They make no session, so nothing of ours is asked.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import CheckMessage, Tags, register
from django.urls import Resolver404, URLPattern, URLResolver, get_resolver, resolve

from sessions_plus.checks import catalogue
from sessions_plus.checks.catalogue import TAG
from sessions_plus.checks.installation import find
from sessions_plus.conf import conf
from sessions_plus.mfa.passkeys.relying_party import (
    are_on,
    find_relying_party,
    origin_of,
    related_origins,
)

RELATED = "/.well-known/webauthn"
"""Where browsers look for the origins on other domains."""


@dataclass(frozen=True)
class TokenView:
    """A view of another package that gives a token for a password."""

    begins: str
    """How its dotted path begins."""
    package: str
    setting: str = ""
    """Where a site tells the package how it works: a dictionary."""
    key: str = ""
    """Which entry of it names what is asked before a token is made."""

    def key_in(self, told: Mapping[str, object]) -> str | None:
        """Return that entry's key; None: no token is made at all."""
        return self.key

    def is_held(self) -> bool:
        """Say whether the site has it ask for the second factor, or has it make no tokens."""
        told: Mapping[str, object] = getattr(settings, self.setting, {}) if self.setting else {}
        key = self.key_in(told)
        return key is None or says_it_asks(_found(told.get(key)))


class DjRestAuthView(TokenView):
    """It makes one of two kinds of token, or none and a session alone."""

    def key_in(self, told: Mapping[str, object]) -> str | None:
        if told.get("USE_JWT"):
            return "JWT_TOKEN_CLAIMS_SERIALIZER"
        return None if told.get("TOKEN_MODEL", "") is None else "TOKEN_CREATOR"


class OAuthToolkitView(TokenView):
    """Its password grant can be switched off."""

    def key_in(self, told: Mapping[str, object]) -> str | None:
        return None if told.get("COMPLIANT_BCP_RFC9700_PASSWORD_GRANT") else self.key


TOKEN_VIEWS = (
    TokenView(
        "rest_framework_simplejwt.views.TokenObtain",
        "djangorestframework-simplejwt",
        "SIMPLE_JWT",
        "USER_AUTHENTICATION_RULE",
    ),
    TokenView("rest_framework.authtoken.views.", "rest_framework.authtoken"),
    OAuthToolkitView(
        "oauth2_provider.views.base.TokenView",
        "django-oauth-toolkit (its password grant)",
        "OAUTH2_PROVIDER",
        "OAUTH2_VALIDATOR_CLASS",
    ),
    TokenView("ninja_jwt.", "django-ninja-jwt", "NINJA_JWT", "USER_AUTHENTICATION_RULE"),
    TokenView("knox.views.LoginView", "django-rest-knox"),
    DjRestAuthView("dj_rest_auth.views.LoginView", "dj-rest-auth", "REST_AUTH"),
    DjRestAuthView("dj_rest_auth.registration.views.RegisterView", "dj-rest-auth", "REST_AUTH"),
)


def says_it_asks(thing: object) -> bool:
    """Say whether a view, or what decides for one, says that it asks for the second factor."""
    return bool(getattr(thing, "asks_second_factor", False))


def _found(named: object) -> object:
    return find(named) if isinstance(named, str) else named


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
    others = [(path, view) for path, view in views if _token_view(view) is None]
    by_password = [path for path, view in others if _takes_password(view)]
    if by_password:
        found.append(catalogue.PASSWORD_ALONE.about(count=len(by_password), path=by_password[0]))
    return found


@register(TAG, Tags.security, deploy=True)
def check_passkeys(**_: object) -> list[CheckMessage]:
    """What would keep every browser from using a passkey, though the site takes them."""
    if not are_on() or not conf.SITE_URL:
        return []
    site, found = origin_of(conf.SITE_URL), []
    domain, host = conf.PASSKEY_RP_ID, urlsplit(site).hostname or ""
    if domain and host != domain and not host.endswith(f".{domain}"):
        found.append(catalogue.FOREIGN_DOMAIN.about(domain=domain, origin=site))
    for origin in conf.PASSKEY_ORIGINS or [site]:
        parts = urlsplit(origin)
        if parts.scheme == "http" and not _is_this_machine(parts.hostname or ""):
            found.append(catalogue.PASSKEYS_WITHOUT_HTTPS.about(origin=origin))
    return [*found, *_of_related_origins()]


def _of_related_origins() -> list[CheckMessage]:
    party = find_relying_party(None)
    related = related_origins(party) if party is not None else []
    if party is None or not related or _leads_somewhere(RELATED):
        return []
    facts = {"origin": related[0], "domain": party.id, "path": RELATED}
    return [catalogue.RELATED_ORIGINS_UNTOLD.about(**facts)]


def _leads_somewhere(path: str) -> bool:
    try:
        resolve(path)
    except Resolver404:
        return False
    return True


def _is_this_machine(host: str) -> bool:
    return host == "localhost" or host.endswith(".localhost")


def mounted_views(
    patterns: Iterable[URLPattern | URLResolver], prefix: str = "/"
) -> Iterator[tuple[str, object]]:
    """Yield each view that has an address, with the address as its pattern is written."""
    for entry in patterns:
        path = prefix + str(entry.pattern)
        if isinstance(entry, URLResolver):
            yield from mounted_views(entry.url_patterns, path)
        elif isinstance(entry, URLPattern):
            yield path, entry.callback


def _token_views(views: Iterable[tuple[str, object]]) -> dict[str, str]:
    """Return the packages that give a token for a password alone, each with an address of it."""
    found: dict[str, str] = {}
    for path, view in views:
        known = _token_view(view)
        if known is not None and not says_it_asks(_made_of(view)) and not known.is_held():
            found.setdefault(known.package, path)
    return found


def _token_view(view: object) -> TokenView | None:
    """Return which view of another package this is, or is derived from; None: none we know."""
    names = [*_names_of(_made_of(view)), *_names_in_ninja(view)]
    return next(
        (known for known in TOKEN_VIEWS if any(name.startswith(known.begins) for name in names)),
        None,
    )


def _made_of(view: object) -> object:
    return getattr(view, "cls", None) or getattr(view, "view_class", None) or view


def _names_of(thing: object) -> list[str]:
    """Return the dotted paths of a function, or of a class and those it is derived from."""
    kinds = thing.__mro__ if isinstance(thing, type) else (thing,)
    return [_path_of(kind) for kind in kinds]


def _path_of(thing: object) -> str:
    return f"{getattr(thing, '__module__', '')}.{getattr(thing, '__qualname__', '')}"


def _names_in_ninja(view: object) -> list[str]:
    """Return what django-ninja calls at an address: its view is a function around all of it."""
    if not _path_of(view).startswith("ninja."):
        return []
    held = [cell.cell_contents for cell in getattr(view, "__closure__", None) or ()]
    operations = chain.from_iterable(getattr(each, "operations", ()) for each in held)
    return [_path_of(operation.view_func) for operation in operations]


def _takes_password(view: object) -> bool:
    """Say whether a view of REST framework takes name and password, and asks nothing of ours."""
    kind = getattr(view, "cls", None)
    classes = {_path_of(found) for found in getattr(kind, "authentication_classes", ())}
    asked = [says_it_asks(found) for found in _permissions_of(kind)]
    return PASSWORD_IN_EACH_REQUEST in classes and not any(asked)


def _permissions_of(kind: object) -> Iterable[object]:
    return getattr(kind, "permission_classes", ())
