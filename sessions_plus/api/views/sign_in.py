"""Signing in and out on the session cookie, for pages that are one program."""

from __future__ import annotations

from django.contrib.auth import login, logout
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables
from rest_framework.request import Request
from rest_framework.response import Response

from sessions_plus.api.authentication import CookieAuthentication
from sessions_plus.api.bodies import Nothing
from sessions_plus.api.docs import operations as docs
from sessions_plus.api.errors import SecondFactorRequired
from sessions_plus.api.inputs import ChallengeAnswer, Credentials, Proofs
from sessions_plus.api.permissions import IsSignedIn
from sessions_plus.api.throttling import RequestThrottle, SignInThrottle
from sessions_plus.api.views.base import Endpoint
from sessions_plus.api.views.tokens import check_credentials, shown
from sessions_plus.exceptions import ChallengeOver
from sessions_plus.keys import read_token
from sessions_plus.lifecycle.revocation import revoke
from sessions_plus.mfa import challenge as challenges
from sessions_plus.mfa.methods import PASSWORD
from sessions_plus.mfa.reauthentication import reauthenticate
from sessions_plus.mfa.sign_in import finish, using, waiting_challenge
from sessions_plus.models import Reason, Session
from sessions_plus.named_types import SiteUser
from sessions_plus.store.of_request import current_store
from sessions_plus.store.session_store import SessionStore
from sessions_plus.tokens.bearer import AccessTokenAuthority


class CookieEndpoint(Endpoint):
    """Signs the browser in. Its CSRF token has to come along although nobody is known yet."""

    authentication_classes = [CookieAuthentication]
    permission_classes = []
    throttle_classes = [RequestThrottle, SignInThrottle]

    def initial(self, request: Request, *args: object, **kwargs: object) -> None:
        if request.method == "POST":
            # Else any page on the web could sign its visitors in as somebody else here.
            CookieAuthentication().enforce_csrf(request)
        super().initial(request, *args, **kwargs)

    @property
    def store(self) -> SessionStore:
        return current_store(self.request._request)

    def signed_in(self) -> Response:
        return Response({"session": str(read_token(self.store.session_key))})


class Login(CookieEndpoint):
    @docs.login
    @sensitive_variables()
    def post(self, request: Request) -> Response:
        django_request, fields = request._request, self.read(Credentials)
        user: SiteUser = check_credentials(django_request, fields["username"], fields["password"])
        with using(django_request, methods=[PASSWORD]):
            login(django_request, user)
        if not django_request.user.is_authenticated:
            raise SecondFactorRequired(expires_in=int(challenges.LIFETIME.total_seconds()))
        return self.signed_in()


class LoginChallenge(CookieEndpoint):
    @docs.login_challenge
    @sensitive_variables()
    def post(self, request: Request) -> Response:
        code, now = self.read(ChallengeAnswer)["code"], timezone.now()
        waiting = waiting_challenge(self.store, now=now)
        if waiting is None:
            raise ChallengeOver
        passed = challenges.pass_(waiting, code, client=self.client_info, now=now)
        finish(request._request, passed)
        return self.signed_in()


class Logout(Endpoint):
    permission_classes = [IsSignedIn]

    @docs.logout
    def post(self, request: Request) -> Response:
        self.read(Nothing)
        if isinstance(request.successful_authenticator, CookieAuthentication):
            logout(request._request)
        elif (session := Session.objects.named(self.credentials.session_public_id)) is not None:
            revoke(session, reason=Reason.SIGNED_OUT, client=self.client_info)
        return Response(status=204)


class Reauthenticate(Endpoint):
    throttle_classes = [RequestThrottle, SignInThrottle]

    @docs.reauthenticate
    @sensitive_variables()
    def post(self, request: Request) -> Response:
        fields, authority = self.read(Proofs), self.authority
        reauthenticate(
            authority,
            self.user,
            password=fields.get("password"),
            typed=fields.get("code"),
            client=self.client_info,
            now=timezone.now(),
        )
        if isinstance(authority, AccessTokenAuthority) and authority.successor is not None:
            return shown(authority.successor)
        return Response({"session": str(authority.session_public_id)})
