"""
Where somebody is led who lacks a proof: to the challenge, the enrolment, or a second look.

Programs get the same as JSON, with a code and no redirect.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import urljoin

from asgiref.sync import sync_to_async
from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.views import LoginView, LogoutView, redirect_to_login
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import NoReverseMatch, reverse
from django.utils import timezone
from django.utils.cache import add_never_cache_headers

from sessions_plus.authority import (
    Authority,
    acts_for_another,
    bearer_authority,
    known_authority,
    user_put_into,
    why_nothing_is_proved,
)
from sessions_plus.conf import conf
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
from sessions_plus.mfa import device_policy, elsewhere
from sessions_plus.mfa.methods import TRUSTED_DEVICE, has_second_factor, is_phishing_resistant
from sessions_plus.mfa.passkeys.ways import missing_passkey
from sessions_plus.mfa.policy import (
    asks_for_passkeys,
    has_authenticator,
    is_enough,
    is_optional,
    must_have_factor,
    must_have_passkey,
)
from sessions_plus.mfa.sign_in import CHALLENGE_KEY, waiting_challenge
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

EXEMPT = "sessions_plus_mfa_exempt"
"""The attribute of a view that people reach without the factor that they must have."""

HEADLESS_SESSION = "current_session"
"""What allauth calls the session of who asks, in its API: deleting it signs out."""

WAYS_OUT = (
    ("sessions_plus", "reauthenticate"),
    ("sessions_plus", "passkey_reauthenticate_options"),
    ("sessions_plus", "passkey_reauthenticate"),
    ("sessions_plus", "passkey_sign_in_options"),
    ("sessions_plus", "passkey_sign_in"),
    ("sessions_plus", "notice_report"),
    ("sessions_plus_api", "reauthenticate"),
    ("sessions_plus_api", "reauthenticate_passkey_options"),
    ("sessions_plus_api", "reauthenticate_passkey"),
    ("sessions_plus_api", "logout"),
)
"""Where a session that has to be proved again still leads, besides Django's sign-out."""


TAKES_BEARERS = "sessions_plus_takes_bearers"
"""The attribute of a view, or of a REST framework authentication class, that reads the
``Authorization: Bearer`` header: who comes with one is admitted there."""


@dataclass(frozen=True, slots=True)
class Page:
    """
    What the gate has to know of a view.

    ``is_exempt``
        open to people who lack the factor that they must have.
    ``is_way_out``
        open to a session that has to be proved again: to do so, or to end.
    """

    is_admin: bool
    is_exempt: bool
    is_way_out: bool


def page_of(request: HttpRequest, view: Any) -> Page:
    return Page(
        is_admin=is_admin(request),
        is_exempt=is_exempt(request, view),
        is_way_out=is_way_out(request, view),
    )


def admits_at_sight(authority: Authority, page: Page) -> bool:
    """
    Say whether nothing more has to be asked about who acts on their own session's strength.

    No I/O. Where this says no, ``admit`` decides.
    """
    if authority.must_reauthenticate and asks_changed_clients():
        return page.is_way_out
    if authority.actor_id is not None:
        return not page.is_admin  # the actor proved what the site asks of both as it began
    if _may_lack_device(authority, page):
        return False
    if page.is_exempt or is_phishing_resistant(authority.methods):
        return True
    if asks_for_passkeys():
        return False
    if has_second_factor(authority.methods):
        return True
    if TRUSTED_DEVICE in authority.methods:
        return not page.is_admin
    return is_optional()


def admit(authority: Authority | None, page: Page, user: Any) -> SessionsPlusError | None:
    """
    Return what ``user`` has yet to do before they may see the page; None: they may.

    The one rule of the gate, whatever way the session was presented. ``user`` is
    ``request.user``, and signed in; where that is not the authority's user, nothing is
    proved of them, and the authority has to prove what the site asks of either.
    """
    if authority is None:
        return None if page.is_exempt else _missing_factor(user)
    if authority.user_id != user.pk:
        return _admit_another(authority, page, user)
    if admits_at_sight(authority, page):
        return None
    if authority.must_reauthenticate and asks_changed_clients():
        return ReauthenticationRequired("one")
    if authority.actor_id is not None:
        return ActingForAnother()
    if _may_lack_device(authority, page) and device_policy.must_be_bound(user):
        return DeviceBindingRequired()
    return _lacking_factor(authority, page, user)


def _lacking_factor(authority: Authority, page: Page, user: Any) -> SessionsPlusError | None:
    """Say what a second factor has to do with it; None: nothing that its user has yet to do."""
    if page.is_exempt or is_phishing_resistant(authority.methods):
        return None
    if must_have_passkey(user):
        return missing_passkey(user)
    if has_second_factor(authority.methods):
        return None
    if TRUSTED_DEVICE in authority.methods:
        return MfaRequired() if page.is_admin else None
    return _missing_factor(user)


def _may_lack_device(authority: Authority, page: Page) -> bool:
    """Say whether the session is bound to no device, where the site asks some people for that."""
    if page.is_exempt or device_policy.asks_nobody():
        return False
    return device_policy.lacks_device(authority, timezone.now())


def _admit_another(authority: Authority, page: Page, user: Any) -> SessionsPlusError | None:
    if page.is_admin and not page.is_exempt:
        return ActingForAnother()
    if not page.is_exempt and not is_enough(authority.methods, user):
        return MfaRequired()
    if admits_at_sight(authority, page):
        return None
    owner = get_user_model()._default_manager.filter(pk=authority.user_id).first()
    return admit(authority, page, owner) if owner is not None else None


def _missing_factor(user: Any) -> SessionsPlusError | None:
    if not must_have_factor(user):
        return None
    if must_have_passkey(user):
        return missing_passkey(user)
    return MfaRequired() if has_authenticator(user) else MfaEnrolmentRequired()


def refuses_bearer(request: HttpRequest, view: Any) -> SessionsPlusError | None:
    """Return what whoever came as a bearer lacks for a view; None: they may see it."""
    authority = bearer_authority(request)
    if authority is None or not asks_anything(request, view):
        return None
    page = page_of(request, view)
    if admits_at_sight(authority, page) and not acts_for_another(request, authority):
        return None
    return admit(authority, page, request.user)


async def arefuses_bearer(request: HttpRequest, view: Any) -> SessionsPlusError | None:
    """See refuses_bearer()."""
    authority = bearer_authority(request)
    if authority is None or not asks_anything(request, view):
        return None
    page = page_of(request, view)
    if admits_at_sight(authority, page) and not acts_for_another(request, authority):
        return None
    return await sync_to_async(admit)(authority, page, request.user)


def concerns(request: HttpRequest, view: Any) -> bool:
    """
    Say whether a request needs to be looked at before its view runs. No I/O.

    On a site without a policy only the sign-in pages and the admin do. Whoever comes as a
    bearer is looked at where the header is read.
    """
    if not request.session.session_key and user_put_into(request) is None:
        return False
    if is_sign_in_page(request, view):
        return request.method in ("GET", "HEAD")
    return asks_anything(request, view) and not is_for_bearer(request, view)


def asks_anything(request: HttpRequest, view: Any) -> bool:
    """Say whether the site asks anything of who sees this page. No I/O."""
    if conf.derived("asks nobody but staff", _asks_nobody_but_staff):
        return is_admin(request) and not is_exempt(request, view)
    if asks_changed_clients() and not is_way_out(request, view):
        return True
    asks_somebody = not is_optional() or not device_policy.asks_nobody()
    return (asks_somebody or is_admin(request)) and not is_exempt(request, view)


def is_for_bearer(request: HttpRequest, view: Any) -> bool:
    """Say whether a bearer came, to a view that takes them: then no cookie counts."""
    if bearer_authority(request) is not None:
        return True
    scheme, _, _ = request.META.get("HTTP_AUTHORIZATION", "").partition(" ")
    return scheme.lower() == "bearer" and takes_bearers(view)


def takes_bearers(view: Any) -> bool:
    if getattr(view, TAKES_BEARERS, False):
        return True
    classes = getattr(getattr(view, "cls", None), "authentication_classes", ())
    return any(getattr(kind, TAKES_BEARERS, False) for kind in classes)


def _asks_nobody_but_staff() -> bool:
    return is_optional() and not asks_changed_clients() and device_policy.asks_nobody()


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
    """Say whether people sign out here: by Django's view, or one of that name."""
    view_class = getattr(view, "view_class", None)
    if view_class is not None and issubclass(view_class, LogoutView):
        return True
    match = request.resolver_match
    if match is None or match.url_name is None:
        return False
    if match.url_name == HEADLESS_SESSION:
        return request.method == "DELETE" and "headless" in match.app_names
    # ``account_logout``, ``rest_logout``, ``oidc_logout``, ``rp-initiated-logout``.
    return match.url_name.endswith("logout") or (is_admin(request) and match.url_name == "jsi18n")


def _is_static(path: str) -> bool:
    prefix = settings.STATIC_URL
    return bool(prefix) and prefix.startswith("/") and prefix != "/" and path.startswith(prefix)


def passes(request: HttpRequest, store: SessionStore, view: Any) -> bool:
    """Say whether what was read of the session is enough to let a request through. No I/O."""
    authority = known_authority(request)
    if acts_for_another(request, authority):
        return False
    if authority is None:
        put = user_put_into(request)  # by a middleware: what it came with is not ours to know
        return not store.get(CHALLENGE_KEY) and (put is None or not put.is_authenticated)
    return not is_sign_in_page(request, view) and admits_at_sight(authority, page_of(request, view))


def answer(request: HttpRequest, view: Any) -> HttpResponseBase | None:
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


def is_for_programs(view: Any) -> bool:
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
    to, factors = _page_for(error)
    is_program = is_program or bearer_authority(request) is not None
    if is_program or wants_json(request) or not _is_mounted(to):
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
