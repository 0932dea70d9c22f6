"""
Bearer tokens for plain Django views: a decorator for one, a middleware for all.

Both are native in both worlds. A request that came with a valid token needs no CSRF
token, as no browser sends that header by itself.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Any, TypeVar, cast, overload

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.http import HttpRequest, JsonResponse
from django.http.response import HttpResponseBase
from django.utils.translation import gettext as _

from sessions_plus import authority
from sessions_plus.exceptions import InvalidToken
from sessions_plus.mfa.answers import refusal
from sessions_plus.mfa.gate import TAKES_BEARERS, arefuses_bearer, refuses_bearer
from sessions_plus.named_types import AnyView, SiteUser
from sessions_plus.tokens.bearer import (
    CHALLENGE,
    REFUSED,
    Credentials,
    TokenUser,
    Verification,
    aauthenticate,
    authenticate,
)

V = TypeVar("V", bound=AnyView)


@overload
def bearer_required(view: V, *, verification: Verification | None = ...) -> V: ...


@overload
def bearer_required(*, verification: Verification | None = ...) -> Callable[[V], V]: ...


def bearer_required(
    view: V | None = None, *, verification: Verification | None = None
) -> V | Callable[[V], V]:
    """
    Let a view answer requests with a valid bearer token only: no session cookie counts.

    ``request.user`` and ``request.auth`` (see ``Credentials``) tell who it is::

        @bearer_required(verification="stateless")
        def stock(request): ...
    """
    if view is None:
        return lambda view: bearer_required(view, verification=verification)
    guard = _aguard if iscoroutinefunction(view) else _guard
    wrapped = guard(view, verification)
    # A cookie opens nothing here, so there is nothing to forge a request with.
    wrapped.csrf_exempt = True  # type: ignore[attr-defined]  # as csrf_exempt() sets it
    # Nor does Django's LoginRequiredMiddleware have to ask: this asks by itself.
    wrapped.login_required = False  # type: ignore[attr-defined]  # as login_not_required()
    setattr(wrapped, TAKES_BEARERS, True)
    return cast(V, wrapped)


def _guard(view: AnyView, verification: Verification | None) -> AnyView:
    @wraps(view)
    def guarded(request: HttpRequest, *args: object, **kwargs: object) -> HttpResponseBase:
        try:
            found = authenticate(request, verification=verification)
        except InvalidToken as refused:
            return unauthorised(refused)
        if found is None:
            return unauthorised(None)
        take(request, found)
        if (error := refuses_bearer(request, guarded)) is not None:
            return refusal(error)
        return cast(HttpResponseBase, view(request, *args, **kwargs))

    return guarded


def _aguard(view: AnyView, verification: Verification | None) -> AnyView:
    @wraps(view)
    async def guarded(request: HttpRequest, *args: object, **kwargs: object) -> HttpResponseBase:
        try:
            found = await aauthenticate(request, verification=verification)
        except InvalidToken as refused:
            return unauthorised(refused)
        if found is None:
            return unauthorised(None)
        take(request, found)
        if (error := await arefuses_bearer(request, guarded)) is not None:
            return refusal(error)
        return cast(HttpResponseBase, await view(request, *args, **kwargs))

    return guarded


class BearerMiddleware:
    """
    Sign requests in by their bearer token, wherever views ask ``request.user``.

    Stands after ``AuthenticationMiddleware``. A request without such a header goes on as
    it came; one with a bad token is answered with 401, whatever cookie it has.
    """

    sync_capable = True
    async_capable = True
    needs_user = True  # of request.user, as a system check reads (E114)

    def __init__(self, get_response: AnyView) -> None:
        self.get_response = get_response
        self.async_mode = iscoroutinefunction(get_response)
        if self.async_mode:
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> HttpResponseBase | Awaitable[HttpResponseBase]:
        if self.async_mode:
            return self.__acall__(request)
        try:
            found = authenticate(request)
        except InvalidToken as refused:
            return unauthorised(refused)
        if found is not None:
            take(request, found)
        return cast(HttpResponseBase, self.get_response(request))

    async def __acall__(self, request: HttpRequest) -> HttpResponseBase:
        """See __call__()."""
        try:
            found = await aauthenticate(request)
        except InvalidToken as refused:
            return unauthorised(refused)
        if found is not None:
            take(request, found)
        return cast(HttpResponseBase, await self.get_response(request))

    @property
    def process_view(self) -> AnyView:
        """What Django calls before a view; of the world it runs in."""
        return self._aview if self.async_mode else self._view

    def _view(
        self, request: HttpRequest, view: object, args: object, kwargs: object
    ) -> HttpResponseBase | None:
        error = refuses_bearer(request, view)
        return refusal(error) if error is not None else None

    async def _aview(
        self, request: HttpRequest, view: object, args: object, kwargs: object
    ) -> HttpResponseBase | None:
        """See _view()."""
        error = await arefuses_bearer(request, view)
        return refusal(error) if error is not None else None


# It gets attributes that neither Django's request nor REST framework's has.
def take(request: Any, found: Credentials) -> None:
    """Let a request be from whom its token says."""
    authority.take(request, found.authority())
    request.user = found.user
    request.auth = found

    async def auser() -> SiteUser:
        # Like Django's it has been read: async code cannot do it by asking for a name.
        if isinstance(found.user, TokenUser):
            await found.user.aread()
        return found.user

    auser.known = found.user  # type: ignore[attr-defined]  # who it is, see aidentity_of()
    request.auser = auser
    request._dont_enforce_csrf_checks = True


def unauthorised(refused: InvalidToken | None) -> JsonResponse:
    """Return the answer to a request without a token (None), or with one that is refused."""
    if refused is None:
        body = {"code": "not_authenticated", "detail": str(_("Please sign in."))}
        return JsonResponse(body, status=401, headers={"WWW-Authenticate": CHALLENGE})
    body = {"code": refused.code, "detail": str(refused.message)}
    return JsonResponse(body, status=401, headers={"WWW-Authenticate": REFUSED})
