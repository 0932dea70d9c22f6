"""Who calls the API: by bearer token, or by session cookie and CSRF token."""

from __future__ import annotations

from typing import Any

from rest_framework.authentication import BaseAuthentication, SessionAuthentication
from rest_framework.exceptions import AuthenticationFailed, PermissionDenied
from rest_framework.request import Request

from sessions_plus.exceptions import InvalidToken
from sessions_plus.store.session_store import SessionStore
from sessions_plus.tokens.bearer import CHALLENGE, Credentials, Verification, authenticate

# REST framework tells its own wrapper from Django's request by this attribute.
_DJANGO = "_request"


class BearerAuthentication(BaseAuthentication):
    """
    ``Authorization: Bearer`` with an access token, or with a browser's session key.

    ``request.auth`` is a ``Credentials``. A bad token is refused, whatever else came with
    the request. ``verification`` None: as ``SESSIONS_PLUS_TOKEN_VERIFICATION`` says.
    """

    verification: Verification | None = None

    def authenticate(self, request: Request) -> tuple[Any, Credentials] | None:
        try:
            found = authenticate(getattr(request, _DJANGO), verification=self.verification)
        except InvalidToken as refused:
            raise AuthenticationFailed(refused.message, code=refused.code) from None
        return None if found is None else (found.user, found)

    def authenticate_header(self, request: Request) -> str:
        return CHALLENGE


class StatelessBearerAuthentication(BearerAuthentication):
    """Asks nobody whether the session still lives: for views where minutes do not matter."""

    verification = "stateless"


class LiveBearerAuthentication(BearerAuthentication):
    """Always asks whether the session still lives."""

    verification = "session"


class CookieAuthentication(SessionAuthentication):
    """The session cookie, of a page of this site: its CSRF token has to come along."""

    def authenticate(self, request: Request) -> tuple[Any, Credentials | None] | None:
        django_request: Any = getattr(request, _DJANGO)
        user = getattr(django_request, "user", None)
        if user is None or not user.is_active:
            return None
        self.enforce_csrf(request)
        store = django_request.session
        if not isinstance(store, SessionStore) or store.public_id is None:
            return user, None
        return user, Credentials(user, store.public_id, store.row)

    def enforce_csrf(self, request: Request) -> None:
        try:
            super().enforce_csrf(request)
        except PermissionDenied as refused:
            # REST framework keeps the code of a detail that has one.
            raise PermissionDenied(str(refused.detail), code="csrf_failed") from None
