"""
How somebody is answered who lacks a proof: led to where they can give it, and back.

Programs get the same as JSON, with a code and no redirect. Who lacks what is ``mfa.gate``'s.
"""

from __future__ import annotations

from urllib.parse import urljoin

from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import NoReverseMatch, reverse
from django.utils import timezone
from django.utils.cache import add_never_cache_headers

from sessions_plus.authority import (
    bearer_authority,
    known_authority,
    why_nothing_is_proved,
)
from sessions_plus.exceptions import (
    ActingForAnother,
    ConflictingSessions,
    DeviceBindingRequired,
    MfaEnrolmentRequired,
    MfaRequired,
    PasskeyEnrolmentRequired,
    PasskeyRequired,
    ReauthenticationRequired,
    SecondFactorRequired,
    SessionsPlusError,
    SignInElsewhere,
)
from sessions_plus.mfa import elsewhere
from sessions_plus.mfa.gate import admit, is_sign_in_page, page_of
from sessions_plus.mfa.policy import has_authenticator
from sessions_plus.mfa.sign_in import waiting_challenge
from sessions_plus.named_types import SiteUser
from sessions_plus.redirects import came_from, safe_target, with_next
from sessions_plus.store.of_request import current_store
from sessions_plus.store.session_store import SessionStore

CHALLENGE = "sessions_plus:challenge"
ENROL_PASSKEY = "sessions_plus:passkey_enrol"
ENROL = "sessions_plus:totp_enrol"
REAUTHENTICATE = "sessions_plus:reauthenticate"
PLAIN_TEXT = "text/plain; charset=utf-8"
NOT_FOR_OTHERS = "sessions_plus/not_for_others.html"
OTHER_BROWSER = "sessions_plus/device_binding_required.html"

LACKS_PROOF = (
    ActingForAnother,
    ConflictingSessions,
    DeviceBindingRequired,
    MfaEnrolmentRequired,
    MfaRequired,
    ReauthenticationRequired,
    SignInElsewhere,
)
"""Errors that a person can do something about elsewhere, whichever view raises them."""


def answer(request: HttpRequest, view: object) -> HttpResponseBase | None:
    """Return where a request that ``concerns`` us is led instead of its view, or None."""
    store = current_store(request)
    if is_sign_in_page(request, view):
        if request.user.is_authenticated or waiting_challenge(store, now=timezone.now()) is None:
            return None
        target = safe_target(request, request.GET.get("next", ""))
        return HttpResponseRedirect(with_next(CHALLENGE, target))
    if not request.user.is_authenticated:
        return None
    error = admit(known_authority(request), page_of(request, view), request.user)
    is_program = is_for_programs(view)
    return refuse(request, error, is_program=is_program) if error is not None else None


def is_for_programs(view: object) -> bool:
    """Say whether programs ask a view: one of Django REST framework, which has ``cls``."""
    return hasattr(view, "cls")


def refuse_where_asked(request: HttpRequest, error: SessionsPlusError) -> HttpResponseBase:
    """Answer an error that the view of this request raised: see refuse()."""
    view = request.resolver_match.func if request.resolver_match is not None else None
    return refuse(request, error, is_program=is_for_programs(view))


def refuse(
    request: HttpRequest, error: SessionsPlusError, *, is_program: bool = False
) -> HttpResponseBase:
    """
    Lead a person to the page where they can do what is missing, and back.

    A program, and who came as a bearer, is told the error's code.
    """
    response: HttpResponseBase
    error = why_nothing_is_proved(request) or error
    if isinstance(error, SignInElsewhere):
        return _lead_elsewhere(request, error, is_program=is_program)
    is_program = is_program or bearer_authority(request) is not None or wants_json(request)
    if not is_program and _has_no_factor_here(request, error):
        target = safe_target(request, came_from(request))
        user: SiteUser = request.user
        asked = elsewhere.ask_again(request, user, target)
        if asked is not None:
            return asked
        error = MfaEnrolmentRequired()
    to, factors = _page_for(error)
    if is_program or not _is_mounted(to):
        response = refusal(error)
    elif isinstance(error, ActingForAnother | ConflictingSessions):
        response = render(request, NOT_FOR_OTHERS, {"message": error.message}, status=403)
    elif isinstance(error, DeviceBindingRequired):
        again = with_next(to, safe_target(request, came_from(request)), factors="all")
        facts = {"message": error.message, "again": again}
        response = render(request, OTHER_BROWSER, facts, status=403)
    else:
        target = safe_target(request, came_from(request))
        response = HttpResponseRedirect(with_next(to, target, factors=factors))
    add_never_cache_headers(response)
    return response


def _has_no_factor_here(request: HttpRequest, error: SessionsPlusError) -> bool:
    """Say whether the second factor that is asked for is none that a page of ours could ask for."""
    is_asked = isinstance(error, MfaRequired) and not isinstance(error, PasskeyRequired)
    user: SiteUser = request.user
    return is_asked and user.is_authenticated and not has_authenticator(user)


def _lead_elsewhere(
    request: HttpRequest, error: SignInElsewhere, *, is_program: bool
) -> HttpResponse:
    """Lead a person whose password was right to the page that asks for their second factor."""
    response: HttpResponse
    page = elsewhere.sign_in_url()
    if is_program or wants_json(request):
        response = refusal(error)
    elif page == request.path:
        response = HttpResponse(str(error.message), status=403, content_type=PLAIN_TEXT)
    else:
        target = request.POST.get("next") or request.GET.get("next", "")
        response = redirect_to_login(safe_target(request, target), page)
    add_never_cache_headers(response)
    return response


def _page_for(error: SessionsPlusError) -> tuple[str, str]:
    """Return the page where one can do what is missing, and which factors it asks for."""
    if isinstance(error, PasskeyEnrolmentRequired):
        return ENROL_PASSKEY, "all"
    if isinstance(error, MfaEnrolmentRequired):
        return ENROL, "all"
    if isinstance(error, PasskeyRequired):
        return REAUTHENTICATE, "passkey"
    return REAUTHENTICATE, getattr(error, "factors", "all")


def refusal(error: SessionsPlusError) -> JsonResponse:
    """Tell a program what it lacks: 403 with the error's code."""
    body = {"code": error.code, "detail": str(error.message)}
    return JsonResponse(body, status=403)


def _is_mounted(name: str) -> bool:
    try:
        reverse(name)
    except NoReverseMatch:
        return False
    return True


def wants_json(request: HttpRequest) -> bool:
    """Say whether a program asks: a script on a page, or one that takes no HTML."""
    return request.headers.get("Sec-Fetch-Dest") == "empty" or not request.accepts("text/html")


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


def instead_of_failure(request: HttpRequest, store: SessionStore) -> HttpResponse | None:
    """
    Return where somebody goes on whose sign-in waits, in place of an error; else None.

    A program is told ``second_factor_required``.
    """
    if not store.begun_challenge or not _is_mounted(CHALLENGE):
        return None
    response: HttpResponse
    if wants_json(request):
        error = SecondFactorRequired()
        response = JsonResponse({"code": error.code, "detail": str(error.message)}, status=401)
    else:
        target = request.POST.get("next") or request.GET.get("next", "")
        response = HttpResponseRedirect(with_next(CHALLENGE, safe_target(request, target)))
    add_never_cache_headers(response)
    return response
