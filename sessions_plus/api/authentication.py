"""Who calls the API: by bearer token, or by session cookie and CSRF token."""

from __future__ import annotations

from django.http import HttpRequest
from rest_framework.authentication import BaseAuthentication, SessionAuthentication
from rest_framework.exceptions import AuthenticationFailed, PermissionDenied
from rest_framework.request import Request

from sessions_plus.api.errors import Refused
from sessions_plus.authority import authority_of
from sessions_plus.exceptions import InvalidToken
from sessions_plus.mfa.gate import refuses_bearer
from sessions_plus.named_types import AnyUser
from sessions_plus.tokens.bearer import Credentials, Verification, authenticate, challenge_to
from sessions_plus.tokens.guards import take

# REST framework tells its own wrapper from Django's request by this attribute.
_DJANGO = "_request"


class BearerAuthentication(BaseAuthentication):
    """
    ``Authorization: Bearer`` with an access token, or with a browser's session key.

    ``request.auth`` is a ``Credentials``. A bad token is refused, whatever else came with
    the request. ``verification`` None: as ``SESSIONS_PLUS_TOKEN_VERIFICATION`` says.
    """

    verification: Verification | None = None
    sessions_plus_takes_bearers = True  # gate.TAKES_BEARERS

    def authenticate(self, request: Request) -> tuple[AnyUser, Credentials] | None:
        django_request: HttpRequest = getattr(request, _DJANGO)
        try:
            found = authenticate(django_request, verification=self.verification)
        except InvalidToken as refused:
            raise AuthenticationFailed(refused.message, code=refused.code) from None
        if found is None:
            return None
        take(django_request, found)
        match = django_request.resolver_match
        error = refuses_bearer(django_request, match.func if match is not None else None)
        if error is not None:
            raise Refused(error)
        return found.user, found

    def authenticate_header(self, request: Request) -> str:
        return challenge_to(getattr(request, _DJANGO))


class StatelessBearerAuthentication(BearerAuthentication):
    """Asks nobody whether the session still lives: for views where minutes do not matter."""

    verification = "stateless"


class LiveBearerAuthentication(BearerAuthentication):
    """Always asks whether the session still lives."""

    verification = "session"


class CookieAuthentication(SessionAuthentication):
    """The session cookie, of a page of this site: its CSRF token has to come along."""

    def authenticate(self, request: Request) -> tuple[AnyUser, Credentials | None] | None:
        django_request: HttpRequest = getattr(request, _DJANGO)
        user = getattr(django_request, "user", None)
        if user is None or not user.is_authenticated:
            return None
        self.enforce_csrf(request)
        authority = authority_of(django_request)
        if authority is None:
            return user, None
        return user, Credentials(user, authority.session_public_id, authority.row)

    def enforce_csrf(self, request: Request) -> None:
        try:
            super().enforce_csrf(request)
        except PermissionDenied as refused:
            # REST framework keeps the code of a detail that has one.
            raise PermissionDenied(str(refused.detail), code="csrf_failed") from None
