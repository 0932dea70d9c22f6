"""
Where somebody is led who lacks a proof: to the challenge, the enrolment, or a second look.

Programs get the same as JSON, with a code and no redirect.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode, urljoin

from django.conf import settings
from django.contrib.auth.views import LoginView, LogoutView
from django.http import HttpRequest, HttpResponseRedirect, JsonResponse
from django.http.response import HttpResponseBase
from django.urls import NoReverseMatch, reverse
from django.utils import timezone
from django.utils.cache import add_never_cache_headers
from django.utils.http import url_has_allowed_host_and_scheme

from sessions_plus.conf import conf
from sessions_plus.exceptions import (
    MfaEnrolmentRequired,
    MfaRequired,
    ReauthenticationRequired,
    SessionsPlusError,
)
from sessions_plus.mfa.methods import TRUSTED_DEVICE, has_second_factor
from sessions_plus.mfa.policy import has_authenticator, is_optional, must_have_factor
from sessions_plus.mfa.sign_in import CHALLENGE_KEY, waiting_challenge
from sessions_plus.store.session_store import SessionStore

CHALLENGE = "sessions_plus:challenge"
ENROL = "sessions_plus:totp_enrol"
REAUTHENTICATE = "sessions_plus:reauthenticate"

EXEMPT = "sessions_plus_mfa_exempt"
"""The attribute of a view that people reach without the factor that they must have."""

WAYS_OUT = (
    ("sessions_plus", "reauthenticate"),
    ("sessions_plus", "notice_report"),
    ("sessions_plus_api", "reauthenticate"),
    ("sessions_plus_api", "logout"),
)
"""Where a session that has to be proved again still leads, besides Django's sign-out."""


def concerns(request: HttpRequest, view: Any) -> bool:
    """
    Say whether a request needs to be looked at before its view runs. No I/O.

    On a site without a policy only the sign-in pages and the admin do.
    """
    if settings.SESSION_COOKIE_NAME not in request.COOKIES:
        return False
    if is_sign_in_page(request, view):
        return request.method in ("GET", "HEAD")
    if conf.derived("asks nobody but staff", _asks_nobody_but_staff):
        return is_admin(request) and not is_exempt(request, view)
    if asks_changed_clients() and not is_way_out(request, view):
        return True
    return (not is_optional() or is_admin(request)) and not is_exempt(request, view)


def _asks_nobody_but_staff() -> bool:
    return is_optional() and not asks_changed_clients()


def asks_changed_clients() -> bool:
    """Say whether another browser or network makes people prove themselves again."""
    return "reauthenticate" in (conf.CLIENT_CHANGE, conf.NETWORK_CHANGE)


def is_way_out(request: HttpRequest, view: Any) -> bool:
    """Say whether a page is open to a session that has to be proved again: to do so, or to end."""
    match = request.resolver_match
    page = (match.app_name, match.url_name) if match is not None else None
    return page in WAYS_OUT or is_leaving(request, view) or _is_static(request.path)


def is_sign_in_page(request: HttpRequest, view: Any) -> bool:
    """Say whether people sign in here: by Django's view, the admin's, or ``LOGIN_URL``."""
    view_class = getattr(view, "view_class", None)
    if view_class is not None and issubclass(view_class, LoginView):
        return True
    match = request.resolver_match
    if match is None:
        return False
    if match.url_name == "login" and is_admin(request):
        return True
    # A name or a path: reversing a name for every request would cost more than all the rest.
    return str(settings.LOGIN_URL) in (match.view_name, request.path)


def is_admin(request: HttpRequest) -> bool:
    return request.resolver_match is not None and "admin" in request.resolver_match.app_names


def is_exempt(request: HttpRequest, view: Any) -> bool:
    """Say whether a page is open to people who lack a factor: to get one, or to leave."""
    return (
        getattr(view, EXEMPT, False)
        or getattr(getattr(view, "cls", None), EXEMPT, False)
        or is_leaving(request, view)
        or _is_static(request.path)
    )


def is_leaving(request: HttpRequest, view: Any) -> bool:
    """Say whether people sign out here, by Django's view or the admin's."""
    view_class = getattr(view, "view_class", None)
    match = request.resolver_match
    return (view_class is not None and issubclass(view_class, LogoutView)) or (
        is_admin(request) and match is not None and match.url_name in ("logout", "jsi18n")
    )


def _is_static(path: str) -> bool:
    prefix = settings.STATIC_URL
    return bool(prefix) and prefix.startswith("/") and prefix != "/" and path.startswith(prefix)


def passes(request: HttpRequest, store: SessionStore) -> bool:
    """Say whether what was read of the session is enough to let a request through. No I/O."""
    row = store.row
    if row is None or row.user_id is None:
        return not store.get(CHALLENGE_KEY)
    if row.must_reauthenticate and asks_changed_clients():
        return False
    methods = row.auth_methods.split()
    if has_second_factor(methods):
        return True
    if TRUSTED_DEVICE in methods:
        return not is_admin(request)
    return is_optional()


def answer(request: HttpRequest, view: Any) -> HttpResponseBase | None:
    """Return where a request that ``concerns`` us is led instead of its view, or None."""
    store: Any = request.session
    if is_sign_in_page(request, view):
        if request.user.is_authenticated or waiting_challenge(store, now=timezone.now()) is None:
            return None
        return HttpResponseRedirect(with_next(CHALLENGE, request.GET.get("next", "")))
    error = _lacking(request, view) if request.user.is_authenticated else None
    if error is None:
        return None
    to = ENROL if isinstance(error, MfaEnrolmentRequired) else REAUTHENTICATE
    # Django REST framework's views have `cls`.
    return refuse(request, error, to=to, is_program=hasattr(view, "cls"))


def _lacking(request: HttpRequest, view: Any) -> SessionsPlusError | None:
    """Return what a signed-in person has yet to do before they may see the page, or None."""
    row: Any = request.session.row  # type: ignore[attr-defined]  # `concerns` saw our store
    if row.must_reauthenticate and asks_changed_clients():
        return None if is_way_out(request, view) else ReauthenticationRequired("one")
    if TRUSTED_DEVICE in row.auth_methods.split():
        return MfaRequired()
    user: Any = request.user
    if not must_have_factor(user):
        return None
    return MfaRequired() if has_authenticator(user) else MfaEnrolmentRequired()


def refuse(
    request: HttpRequest, error: SessionsPlusError, *, to: str, is_program: bool = False
) -> HttpResponseBase:
    """Lead a person to the page named ``to``, and back; tell a program the error's code."""
    response: HttpResponseBase
    if is_program or wants_json(request) or not _is_mounted(to):
        body = {"code": error.code, "detail": str(error.message)}
        response = JsonResponse(body, status=403)
    else:
        target = safe_target(request, came_from(request))
        factors = error.factors if isinstance(error, ReauthenticationRequired) else "all"
        response = HttpResponseRedirect(with_next(to, target, factors=factors))
    add_never_cache_headers(response)
    return response


def _is_mounted(name: str) -> bool:
    try:
        reverse(name)
    except NoReverseMatch:
        return False
    return True


def wants_json(request: HttpRequest) -> bool:
    """Say whether a program asks: a script on a page, or one that takes no HTML."""
    return request.headers.get("Sec-Fetch-Dest") == "empty" or not request.accepts("text/html")


def came_from(request: HttpRequest) -> str:
    """
    Return the page to come back to.

    A form's address takes no GET; where it was filled in does.
    """
    if request.method in ("GET", "HEAD"):
        return request.get_full_path()
    return request.headers.get("Referer", "")


def with_next(name: str, target: str, *, factors: str = "all") -> str:
    """Return the address of one of our pages, with where to go on if that is on this site."""
    query = {"next": target} if target else {}
    if factors == "one":
        query["factors"] = factors
    return f"{reverse(name)}?{urlencode(query)}" if query else reverse(name)


def lead_to_challenge(request: HttpRequest, response: HttpResponseBase) -> None:
    """
    Send the browser, whose ``login()`` became a challenge, there first.

    Only a redirect is changed: what else a view answers is its own.
    """
    target = response.headers.get("Location")
    if target is None or not 300 <= response.status_code < 400:
        return
    try:
        page = reverse(CHALLENGE)
    except NoReverseMatch:
        return
    target = urljoin(request.build_absolute_uri(), target)
    if target.partition("?")[0] != request.build_absolute_uri(page):
        response.headers["Location"] = with_next(CHALLENGE, safe_target(request, target))
        add_never_cache_headers(response)


def safe_target(request: HttpRequest, target: str) -> str:
    """Return ``target`` as a path if it is on this site, else ""."""
    allowed = url_has_allowed_host_and_scheme(
        target, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    )
    if not allowed:
        return ""
    root = request.build_absolute_uri("/")
    return "/" + target.removeprefix(root) if target.startswith(root) else target
