"""
Who may see a page: the one rule of it, whatever way the session was presented.

What whoever is refused is answered stands in ``mfa.answers``.
"""

from __future__ import annotations

from dataclasses import dataclass

from asgiref.sync import sync_to_async
from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.views import LoginView, LogoutView
from django.http import HttpRequest
from django.utils import timezone

from sessions_plus.authority import (
    Authority,
    acts_for_another,
    bearer_authority,
    known_authority,
    user_put_into,
)
from sessions_plus.conf import conf
from sessions_plus.exceptions import (
    ActingForAnother,
    DeviceBindingRequired,
    MfaEnrolmentRequired,
    MfaRequired,
    ReauthenticationRequired,
    SessionsPlusError,
)
from sessions_plus.mfa import device_policy
from sessions_plus.mfa.methods import TRUSTED_DEVICE, has_second_factor, is_phishing_resistant
from sessions_plus.mfa.passkeys.ways import missing_passkey
from sessions_plus.mfa.policy import (
    asks_for_passkeys,
    has_any_factor,
    is_enough,
    is_optional,
    must_have_factor,
    must_have_passkey,
)
from sessions_plus.mfa.sign_in import CHALLENGE_KEY
from sessions_plus.named_types import SiteUser
from sessions_plus.store.session_store import SessionStore

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


def page_of(request: HttpRequest, view: object) -> Page:
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


def admit(authority: Authority | None, page: Page, user: SiteUser) -> SessionsPlusError | None:
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


def _lacking_factor(authority: Authority, page: Page, user: SiteUser) -> SessionsPlusError | None:
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


def _admit_another(authority: Authority, page: Page, user: SiteUser) -> SessionsPlusError | None:
    if page.is_admin and not page.is_exempt:
        return ActingForAnother()
    if not page.is_exempt and not is_enough(authority.methods, user):
        return MfaRequired()
    if admits_at_sight(authority, page):
        return None
    owner = get_user_model()._default_manager.filter(pk=authority.user_id).first()
    return admit(authority, page, owner) if owner is not None else None


def _missing_factor(user: SiteUser) -> SessionsPlusError | None:
    if not must_have_factor(user):
        return None
    if must_have_passkey(user):
        return missing_passkey(user)
    return MfaRequired() if has_any_factor(user) else MfaEnrolmentRequired()


def refuses_bearer(request: HttpRequest, view: object) -> SessionsPlusError | None:
    """Return what whoever came as a bearer lacks for a view; None: they may see it."""
    authority = bearer_authority(request)
    if authority is None or not asks_anything(request, view):
        return None
    page = page_of(request, view)
    if admits_at_sight(authority, page) and not acts_for_another(request, authority):
        return None
    return admit(authority, page, request.user)


async def arefuses_bearer(request: HttpRequest, view: object) -> SessionsPlusError | None:
    """See refuses_bearer()."""
    authority = bearer_authority(request)
    if authority is None or not asks_anything(request, view):
        return None
    page = page_of(request, view)
    if admits_at_sight(authority, page) and not acts_for_another(request, authority):
        return None
    return await sync_to_async(admit)(authority, page, request.user)


def concerns(request: HttpRequest, view: object) -> bool:
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


def asks_anything(request: HttpRequest, view: object) -> bool:
    """Say whether the site asks anything of who sees this page. No I/O."""
    if conf.derived("asks nobody but staff", _asks_nobody_but_staff):
        return is_admin(request) and not is_exempt(request, view)
    if asks_changed_clients() and not is_way_out(request, view):
        return True
    asks_somebody = not is_optional() or not device_policy.asks_nobody()
    return (asks_somebody or is_admin(request)) and not is_exempt(request, view)


def is_for_bearer(request: HttpRequest, view: object) -> bool:
    """Say whether a bearer came, to a view that takes them: then no cookie counts."""
    if bearer_authority(request) is not None:
        return True
    scheme, _, _ = request.META.get("HTTP_AUTHORIZATION", "").partition(" ")
    return scheme.lower() == "bearer" and takes_bearers(view)


def takes_bearers(view: object) -> bool:
    if getattr(view, TAKES_BEARERS, False):
        return True
    classes = getattr(getattr(view, "cls", None), "authentication_classes", ())
    return any(getattr(kind, TAKES_BEARERS, False) for kind in classes)


def _asks_nobody_but_staff() -> bool:
    return is_optional() and not asks_changed_clients() and device_policy.asks_nobody()


def asks_changed_clients() -> bool:
    """Say whether another browser or network makes people prove themselves again."""
    return "reauthenticate" in (conf.CLIENT_CHANGE, conf.NETWORK_CHANGE)


def is_way_out(request: HttpRequest, view: object) -> bool:
    """Say whether a page is open to a session that has to be proved again: to do so, or to end."""
    match = request.resolver_match
    page = (match.app_name, match.url_name) if match is not None else None
    return page in WAYS_OUT or is_leaving(request, view) or _is_static(request.path)


def is_sign_in_page(request: HttpRequest, view: object) -> bool:
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


def is_exempt(request: HttpRequest, view: object) -> bool:
    """Say whether a page is open to people who lack a factor: to get one, or to leave."""
    return (
        getattr(view, EXEMPT, False)
        or getattr(getattr(view, "cls", None), EXEMPT, False)
        or is_leaving(request, view)
        or _is_static(request.path)
    )


def is_leaving(request: HttpRequest, view: object) -> bool:
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


def passes(request: HttpRequest, store: SessionStore, view: object) -> bool:
    """Say whether what was read of the session is enough to let a request through. No I/O."""
    authority = known_authority(request)
    if acts_for_another(request, authority):
        return False
    if authority is None:
        put = user_put_into(request)  # by a middleware: what it came with is not ours to know
        return not store.get(CHALLENGE_KEY) and (put is None or not put.is_authenticated)
    return not is_sign_in_page(request, view) and admits_at_sight(authority, page_of(request, view))
