"""Signing in by program: tokens for a password, a code, or a refresh token."""

from __future__ import annotations

from django.contrib.auth import authenticate
from django.contrib.auth.base_user import AbstractBaseUser
from django.http import HttpRequest
from django.utils import timezone
from django.utils.cache import patch_cache_control
from django.views.decorators.debug import sensitive_variables
from rest_framework.request import Request
from rest_framework.response import Response

from sessions_plus.api.docs import operations as docs
from sessions_plus.api.errors import InvalidCredentials, SecondFactorRequired
from sessions_plus.api.inputs import (
    Refreshing,
    RefreshToken,
    TokenChallengeAnswer,
    TokenCredentials,
)
from sessions_plus.api.throttling import RefreshThrottle, RequestThrottle, SignInThrottle
from sessions_plus.api.views.base import Endpoint
from sessions_plus.authority import Authority
from sessions_plus.exceptions import ChallengeOver, MfaEnrolmentRequired
from sessions_plus.lifecycle.user_names import is_nobodys
from sessions_plus.masked import Secret
from sessions_plus.mfa import challenge as challenges
from sessions_plus.mfa import elsewhere, guesses
from sessions_plus.mfa.methods import PASSWORD
from sessions_plus.mfa.policy import has_authenticator, must_have_factor
from sessions_plus.named_types import Fields, SiteUser
from sessions_plus.store.of_request import find_store
from sessions_plus.tokens import keys, refresh
from sessions_plus.tokens.bearer import AccessTokenAuthority
from sessions_plus.tokens.refresh import Tokens


@sensitive_variables()
def check_credentials(request: HttpRequest, username: str, password: Secret) -> AbstractBaseUser:
    """
    Return who has this name and password, with the backend that says so.

    Raises:
        InvalidCredentials: nobody, or somebody who may not sign in.
        TooManyAttempts: it was not looked at.
    """
    if is_nobodys(request, username):
        raise InvalidCredentials
    user = authenticate(request, username=username, password=password.reveal())
    if user is None:
        raise InvalidCredentials
    guesses.was_right(request, user)
    return user


def shown(tokens: Tokens) -> Response:
    return Response(facts_of(tokens))


def new_tokens(authority: Authority) -> dict[str, object]:
    """Return what a proof made of the caller's tokens: ``{"tokens": …}``, or nothing."""
    successor = authority.successor if isinstance(authority, AccessTokenAuthority) else None
    return {} if successor is None else {"tokens": facts_of(successor)}


def facts_of(tokens: Tokens) -> dict[str, object]:
    body = {
        "token_type": "Bearer",
        "access": Secret(tokens.access),
        "expires_in": round((tokens.expires_at - timezone.now()).total_seconds()),
        "refresh": Secret(tokens.refresh),
        "session": str(tokens.session.public_id),
    }
    if tokens.device_token is not None:
        body["device_token"] = Secret(tokens.device_token)
    return body


def text_of(value: Secret | None) -> str | None:
    return value.reveal() if value is not None else None


class TokenEndpoint(Endpoint):
    """Opened by what its body proves. Cookies and headers count for nothing here."""

    authentication_classes = []
    permission_classes = []
    throttle_classes = [RequestThrottle, SignInThrottle]

    def issue(self, user: AbstractBaseUser, methods: tuple[str, ...], fields: Fields) -> Response:
        tokens = refresh.sign_in(
            self.request._request,
            user,
            methods=methods,
            device_token=text_of(fields.get("device_token")),
            device_name=fields.get("device_name", ""),
            now=timezone.now(),
        )
        return shown(tokens)


class TokenList(TokenEndpoint):
    """Tokens for a name and a password, or a challenge that takes a code."""

    @docs.token_issue
    @sensitive_variables()
    def post(self, request: Request) -> Response:
        fields = self.read(TokenCredentials)
        store = find_store(request._request)
        if store is not None:
            # The device is the one that the body names: cookies count for nothing here.
            store.device_token = text_of(fields.get("device_token"))
        user: SiteUser = check_credentials(request._request, fields["username"], fields["password"])
        if has_authenticator(user):
            raise self._wait_for_code(user)
        if must_have_factor(user) and not elsewhere.has_factor(user):
            raise MfaEnrolmentRequired
        return self.issue(user, (PASSWORD,), fields)

    def _wait_for_code(self, user: SiteUser) -> SecondFactorRequired:
        _, token = challenges.begin_for_client(
            user,
            backend=user.backend,
            methods=(PASSWORD,),
            client=self.client_info,
            now=timezone.now(),
        )
        return SecondFactorRequired(
            challenge=token, expires_in=int(challenges.LIFETIME.total_seconds())
        )


class TokenChallenge(TokenEndpoint):
    @docs.token_challenge
    @sensitive_variables()
    def post(self, request: Request) -> Response:
        fields, now = self.read(TokenChallengeAnswer), timezone.now()
        found = challenges.find_by_token(fields["challenge"], now=now)
        if found is None:
            raise ChallengeOver
        passed = challenges.pass_(found, fields["code"], client=self.client_info, now=now)
        user: SiteUser = passed.user
        user.backend = passed.backend
        return self.issue(user, passed.methods, fields)


class TokenRefresh(TokenEndpoint):
    """The next tokens for a refresh token, which is spent."""

    throttle_classes = [RequestThrottle, RefreshThrottle]

    @docs.token_refresh
    @sensitive_variables()
    def post(self, request: Request) -> Response:
        fields = self.read(Refreshing)
        tokens = refresh.refresh(
            fields["refresh"].reveal(),
            device_token=text_of(fields.get("device_token")),
            client=self.client_info,
            now=timezone.now(),
        )
        return shown(tokens)


class TokenRevoke(TokenEndpoint):
    throttle_classes = [RequestThrottle, RefreshThrottle]

    @docs.token_revoke
    @sensitive_variables()
    def post(self, request: Request) -> Response:
        refresh.revoke_token(self.read(RefreshToken)["refresh"].reveal(), client=self.client_info)
        return Response(status=204)


class Jwks(TokenEndpoint):
    """The public keys. The one document that any cache may keep."""

    throttle_classes = []

    @docs.jwks
    def get(self, request: Request) -> Response:
        response = Response(keys.jwks(timezone.now()))
        patch_cache_control(response, public=True, max_age=int(keys.JWKS_MAX_AGE.total_seconds()))
        response.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
        return response
