"""
Who may see a page, who may keep it, and who may frame it.

Every view of ours goes through ``private``; those of a signed-in person through
``page`` (shows something) or ``act`` (changes something).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate, ParamSpec
from uuid import UUID

from django.conf import settings
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.urls import reverse
from django.utils.cache import add_never_cache_headers
from django.views.decorators.csrf import csrf_protect
from django.views.decorators.http import require_http_methods, require_safe

from sessions_plus.authority import (
    Authority,
    authority_of,
    is_in_anothers_name,
    proof_of,
    why_nothing_is_proved,
)
from sessions_plus.exceptions import ActingForAnother
from sessions_plus.mfa.answers import refuse
from sessions_plus.named_types import PersonRequest
from sessions_plus.views.destinations import login_url

P = ParamSpec("P")


View = Callable[Concatenate[HttpRequest, P], HttpResponseBase]
PersonView = Callable[Concatenate[PersonRequest, P], HttpResponseBase]


def current_public_id(request: HttpRequest) -> UUID | None:
    """The public id of the session that asks; None where another engine keeps it."""
    authority = authority_of(request)
    return authority.session_public_id if authority is not None else None


def current_device_pk(request: HttpRequest) -> int | None:
    """The primary key of the device that asks, or None."""
    authority = authority_of(request)
    return authority.device_id if authority is not None else None


def own_authority(request: HttpRequest) -> Authority:
    """
    Return the session on whose strength a person changes what is theirs.

    Raises:
        PermissionDenied: it is none of theirs, or another engine keeps it.
    """
    found = proof_of(request)
    if found is None:
        raise PermissionDenied
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
    return private(require_safe(_signed_in(_but_for_actors(view), back_to=None)))


def acts_on(page_name: str) -> Callable[[PersonView[P]], View[P]]:
    """
    Do something for whoever is signed in: POST, with the CSRF token.

    ``page_name`` is where its button stands. A GET, as of a bookmark or of somebody who had to
    sign in first, leads there.
    """

    def protect(view: PersonView[P]) -> View[P]:
        signed_in = _signed_in(_for_themselves(view), back_to=page_name)
        return private(post_or_page(page_name)(csrf_protect(signed_in)))

    return protect


def post_or_page(page_name: str) -> Callable[[View[P]], View[P]]:
    """Take POST; lead a GET to the page whose button it is, where another would see an error."""

    def restrict(view: View[P]) -> View[P]:
        @wraps(view)
        def restricted(
            request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs
        ) -> HttpResponseBase:
            if request.method in ("GET", "HEAD"):
                return HttpResponseRedirect(reverse(page_name))
            return view(request, *args, **kwargs)

        restricted_view: View[P] = require_http_methods(["GET", "HEAD", "POST"])(restricted)
        return restricted_view

    return restrict


def act(view: PersonView[P]) -> View[P]:
    """What the buttons of the devices page do. See acts_on()."""
    return acts_on("sessions_plus:session_list")(view)


def act_on_security(view: PersonView[P]) -> View[P]:
    """What the buttons of the security page do. See acts_on()."""
    return acts_on("sessions_plus:security")(view)


def ask(view: PersonView[P]) -> View[P]:
    """Show a form to whoever is signed in, and take it: GET, and POST with the CSRF token."""
    signed_in = _signed_in(_for_themselves(view), back_to=None)
    return private(require_http_methods(["GET", "HEAD", "POST"])(csrf_protect(signed_in)))


def _but_for_actors(view: PersonView[P]) -> PersonView[P]:
    """Show whoever acts as another nothing of that person's devices and factors."""

    @wraps(view)
    def guarded(request: PersonRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
        if is_in_anothers_name(request, authority_of(request)):
            return refuse(request, ActingForAnother())
        return view(request, *args, **kwargs)

    return guarded


def _for_themselves(view: PersonView[P]) -> PersonView[P]:
    """Let nobody change what is another's, in whose name somebody acts."""

    @wraps(view)
    def guarded(request: PersonRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
        proof_of(request)
        error = why_nothing_is_proved(request)
        return view(request, *args, **kwargs) if error is None else refuse(request, error)

    return guarded


def _signed_in(view: PersonView[P], *, back_to: str | None) -> View[P]:
    @wraps(view)
    def guarded(
        request: Any,  # an HttpRequest, and a PersonRequest once somebody is signed in
        /,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> HttpResponseBase:
        if request.user.is_authenticated:
            return view(request, *args, **kwargs)
        came_from = reverse(back_to) if back_to else request.get_full_path()
        return redirect_to_login(came_from, login_url())

    return guarded
