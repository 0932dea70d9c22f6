"""
Who may see a page, who may keep it, and who may frame it.

Every view of ours goes through ``private``; those of a signed-in person through
``page`` (shows something) or ``act`` (changes something).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec
from uuid import UUID

from django.conf import settings
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.urls import reverse
from django.utils.cache import add_never_cache_headers
from django.views.decorators.csrf import csrf_protect
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from sessions_plus.views.destinations import login_url

if TYPE_CHECKING:
    from django.contrib.auth.base_user import AbstractBaseUser

    from sessions_plus.client_info import ClientInfo

P = ParamSpec("P")


class PersonRequest(HttpRequest):
    """A request of somebody who is signed in. For types: nothing makes one."""

    user: AbstractBaseUser  # type: ignore[assignment]  # never an AnonymousUser here
    client_info: ClientInfo


View = Callable[Concatenate[HttpRequest, P], HttpResponseBase]
PersonView = Callable[Concatenate[PersonRequest, P], HttpResponseBase]


def current_public_id(request: HttpRequest) -> UUID | None:
    """The public id of the session that asks; None where another engine keeps it."""
    found: UUID | None = getattr(request.session, "public_id", None)
    return found


def current_device_pk(request: HttpRequest) -> int | None:
    """The primary key of the device that asks, or None."""
    found: int | None = getattr(getattr(request.session, "row", None), "device_id", None)
    return found


def private(view: View[P]) -> View[P]:
    """
    Let no cache keep the page, and no other site frame or embed it.

    Framing is what makes people press buttons that they don't see (OWASP ASVS 3.4.6).
    """

    @wraps(view)
    def protected(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
        response = view(request, *args, **kwargs)
        add_never_cache_headers(response)
        response.headers.setdefault("Cross-Origin-Resource-Policy", "same-origin")
        response.headers.setdefault("X-Frame-Options", "DENY")
        if not _site_sets_policy():
            response.headers.setdefault("Content-Security-Policy", "frame-ancestors 'none'")
        return response

    return protected


def _site_sets_policy() -> bool:
    """
    Say whether a middleware will set the site's own Content-Security-Policy.

    Django's leaves a header that is there alone: ours would take the place of a
    policy that forbids far more.
    """
    return any("csp" in path.lower() for path in settings.MIDDLEWARE)


def page(view: PersonView[P]) -> View[P]:
    """Show a page to whoever is signed in; others sign in first and come back."""
    return private(require_safe(_signed_in(view, back_to=None)))


def act(view: PersonView[P]) -> View[P]:
    """
    Do something for whoever is signed in: POST, with the CSRF token.

    Others sign in first and find the devices page: coming back to an address that
    takes no GET would show them an error.
    """
    signed_in = _signed_in(view, back_to="sessions_plus:session_list")
    return private(require_POST(csrf_protect(signed_in)))


def ask(view: PersonView[P]) -> View[P]:
    """Show a form to whoever is signed in, and take it: GET, and POST with the CSRF token."""
    signed_in = _signed_in(view, back_to=None)
    return private(require_http_methods(["GET", "HEAD", "POST"])(csrf_protect(signed_in)))


def _signed_in(view: PersonView[P], *, back_to: str | None) -> Callable[..., Any]:
    @wraps(view)
    def guarded(request: Any, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
        if request.user.is_authenticated:
            return view(request, *args, **kwargs)
        came_from = reverse(back_to) if back_to else request.get_full_path()
        return redirect_to_login(came_from, login_url())

    return guarded
