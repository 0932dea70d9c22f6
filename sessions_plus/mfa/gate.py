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
from django.shortcuts import resolve_url
from django.urls import NoReverseMatch, reverse
from django.utils import timezone
from django.utils.cache import add_never_cache_headers
from django.utils.http import url_has_allowed_host_and_scheme

from sessions_plus.backends.base import SessionStore
from sessions_plus.exceptions import (
    MfaEnrolmentRequired,
    MfaRequired,
    ReauthenticationRequired,
    SessionsPlusError,
)
from sessions_plus.mfa.methods import TRUSTED_DEVICE, has_second_factor
from sessions_plus.mfa.policy import has_authenticator, is_optional, must_have_factor
from sessions_plus.mfa.sign_in import CHALLENGE_KEY, waiting_challenge

CHALLENGE = "sessions_plus:challenge"
ENROL = "sessions_plus:totp_enrol"
REAUTHENTICATE = "sessions_plus:reauthenticate"

EXEMPT = "sessions_plus_mfa_exempt"
"""The attribute of a view that people reach without the factor that they must have."""


def concerns(request: HttpRequest, view: Any) -> bool:
    """
    Say whether a request needs to be looked at before its view runs. No I/O.

    On a site without a policy only the sign-in pages and the admin do.
    """
    if settings.SESSION_COOKIE_NAME not in request.COOKIES:
        return False
    if is_sign_in_page(request, view):
        return request.method in ("GET", "HEAD")
    return (not is_optional() or is_admin(request)) and not is_exempt(request, view)


def is_sign_in_page(request: HttpRequest, view: Any) -> bool:
    """Say whether people sign in here: by Django's view, the admin's, or ``LOGIN_URL``."""
    view_class = getattr(view, "view_class", None)
    if view_class is not None and issubclass(view_class, LoginView):
        return True
    match = request.resolver_match
    if match is not None and match.url_name == "login" and is_admin(request):
        return True
    try:
        return request.path == resolve_url(settings.LOGIN_URL)
    except NoReverseMatch:
        return False


def is_admin(request: HttpRequest) -> bool:
    return request.resolver_match is not None and "admin" in request.resolver_match.app_names


def is_exempt(request: HttpRequest, view: Any) -> bool:
    """Say whether a page is open to people who lack a factor: to get one, or to leave."""
    view_class = getattr(view, "view_class", None)
    match = request.resolver_match
    return (
        getattr(view, EXEMPT, False)
        or getattr(getattr(view, "cls", None), EXEMPT, False)
        or (view_class is not None and issubclass(view_class, LogoutView))
        or (is_admin(request) and match is not None and match.url_name in ("logout", "jsi18n"))
        or _is_static(request.path)
    )


def _is_static(path: str) -> bool:
    prefix = settings.STATIC_URL
    return bool(prefix) and prefix.startswith("/") and prefix != "/" and path.startswith(prefix)


def passes(request: HttpRequest, store: SessionStore) -> bool:
    """Say whether what was read of the session is enough to let a request through. No I/O."""
    row = store.row
    if row is None or row.user_id is None:
        return not store.get(CHALLENGE_KEY)
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
    user: Any = request.user
    if not user.is_authenticated:
        return None
    is_program = hasattr(view, "cls")  # Django REST framework's views have it
    if TRUSTED_DEVICE in store.row.auth_methods.split():
        return refuse(request, MfaRequired(), to=REAUTHENTICATE, is_program=is_program)
    if not must_have_factor(user):
        return None
    if has_authenticator(user):
        return refuse(request, MfaRequired(), to=REAUTHENTICATE, is_program=is_program)
    return refuse(request, MfaEnrolmentRequired(), to=ENROL, is_program=is_program)


def refuse(
    request: HttpRequest, error: SessionsPlusError, *, to: str, is_program: bool = False
) -> HttpResponseBase:
    """Lead a person to the page named ``to``, and back; tell a program the error's code."""
    response: HttpResponseBase
    if is_program or wants_json(request):
        body = {"code": error.code, "detail": str(error.message)}
        response = JsonResponse(body, status=403)
    else:
        target = safe_target(request, came_from(request))
        factors = error.factors if isinstance(error, ReauthenticationRequired) else "all"
        response = HttpResponseRedirect(with_next(to, target, factors=factors))
    add_never_cache_headers(response)
    return response


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
