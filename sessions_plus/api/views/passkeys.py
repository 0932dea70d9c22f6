"""
Passkeys by program: what to ask for, and what was signed, as WebAuthn's own JSON.

The origin is an app's or a page's, and has to be one of ``PASSKEY_ORIGINS`` as everywhere.
"""

from __future__ import annotations

import secrets

from django.utils import timezone
from django.views.decorators.debug import sensitive_variables
from rest_framework.request import Request
from rest_framework.response import Response

from sessions_plus.api.bodies import Nothing
from sessions_plus.api.docs import operations as docs
from sessions_plus.api.inputs import (
    NewPasskey,
    PasskeyChallenge,
    PasskeyChallengeAnswer,
    PasskeyCredentials,
    PasskeyProof,
)
from sessions_plus.api.permissions import ActsForThemselves, IsSignedIn
from sessions_plus.api.throttling import RequestThrottle, SignInThrottle
from sessions_plus.api.views.base import Endpoint
from sessions_plus.api.views.mfa import MfaEndpoint, shown_once
from sessions_plus.api.views.tokens import TokenEndpoint, shown
from sessions_plus.crypto import digest
from sessions_plus.exceptions import ChallengeOver, PasskeysOff
from sessions_plus.masked import Secret
from sessions_plus.mfa import challenge as challenges
from sessions_plus.mfa.challenge import Passed
from sessions_plus.mfa.passkeys import registration, uses
from sessions_plus.mfa.passkeys.nonces import Use
from sessions_plus.mfa.passkeys.options import Options
from sessions_plus.mfa.passkeys.relying_party import RelyingParty, get_relying_party
from sessions_plus.models import Challenge
from sessions_plus.named_types import Fields, SiteUser
from sessions_plus.tokens.bearer import AccessTokenAuthority

NONCE_TOKEN_BYTES = 32


class _ForParty(Endpoint):
    """What these endpoints have in common: for whom passkeys are here."""

    @property
    def party(self) -> RelyingParty:
        return get_relying_party(self.request._request)


def _offered(options: Options | None) -> Response:
    """Raises: PasskeysOff: there is nothing to ask for."""
    if options is None:
        raise PasskeysOff
    return Response({"public_key": options})


class _PasskeyTokens(_ForParty, TokenEndpoint):
    def issue_to(self, passed: Passed, fields: Fields) -> Response:
        user: SiteUser = passed.user
        user.backend = passed.backend
        return self.issue(user, passed.methods, fields)


class TokenPasskeyOptions(_PasskeyTokens):
    @docs.token_passkey_options
    @sensitive_variables()
    def post(self, request: Request) -> Response:
        self.read(Nothing)
        # In place of a browser's device cookie: who has to come with what is signed.
        token = secrets.token_urlsafe(NONCE_TOKEN_BYTES)
        options = uses.sign_in_options(
            self.party, use=Use.TOKENS, holder=digest(token), now=timezone.now()
        )
        return Response({"public_key": options, "nonce_token": Secret(token)})


class TokenPasskey(_PasskeyTokens):
    @docs.token_passkey
    @sensitive_variables()
    def post(self, request: Request) -> Response:
        fields = self.read(PasskeyCredentials)
        passed = uses.sign_in(
            fields["credential"],
            party=self.party,
            use=Use.TOKENS,
            holder=digest(fields["nonce_token"].reveal()),
            client=self.client_info,
            now=timezone.now(),
        )
        return self.issue_to(passed, fields)


class TokenChallengePasskeyOptions(_PasskeyTokens):
    @docs.token_challenge_passkey_options
    @sensitive_variables()
    def post(self, request: Request) -> Response:
        found = _waiting(self.read(PasskeyChallenge)["challenge"])
        user = challenges.get_user(found)
        return _offered(uses.challenge_options(found, user, self.party))


class TokenChallengePasskey(_PasskeyTokens):
    @docs.token_challenge_passkey
    @sensitive_variables()
    def post(self, request: Request) -> Response:
        fields = self.read(PasskeyChallengeAnswer)
        passed = uses.pass_challenge(
            _waiting(fields["challenge"]),
            fields["credential"],
            party=self.party,
            client=self.client_info,
            now=timezone.now(),
        )
        return self.issue_to(passed, fields)


def _waiting(token: Secret) -> Challenge:
    found = challenges.find_by_token(token, now=timezone.now())
    if found is None:
        raise ChallengeOver
    return found


class ReauthenticatePasskeyOptions(_ForParty, Endpoint):
    @docs.reauthenticate_passkey_options
    def post(self, request: Request) -> Response:
        self.read(Nothing)
        return _offered(
            uses.reauthentication_options(self.authority, self.user, self.party, now=timezone.now())
        )


class ReauthenticatePasskey(_ForParty, Endpoint):
    throttle_classes = [RequestThrottle, SignInThrottle]

    @docs.reauthenticate_passkey
    @sensitive_variables()
    def post(self, request: Request) -> Response:
        fields, authority = self.read(PasskeyProof), self.authority
        uses.reauthenticate(
            authority,
            self.user,
            fields["credential"],
            party=self.party,
            password=fields.get("password"),
            client=self.client_info,
            now=timezone.now(),
        )
        if isinstance(authority, AccessTokenAuthority) and authority.successor is not None:
            return shown(authority.successor)
        return Response({"session": str(authority.session_public_id)})


class PasskeyList(_ForParty, MfaEndpoint):
    @docs.passkey_begin
    def post(self, request: Request) -> Response:
        self.read(Nothing)
        options = registration.begin(
            self.user,
            party=self.party,
            session_public_id=self.authority.session_public_id,
            now=timezone.now(),
        )
        return Response({"public_key": options}, status=201)


class PasskeyConfirm(_ForParty, MfaEndpoint):
    permission_classes = [
        IsSignedIn,
        ActsForThemselves,
    ]  # what is confirmed was begun with fresh factors
    throttle_classes = [RequestThrottle, SignInThrottle]

    @docs.passkey_confirm
    @sensitive_variables()
    def post(self, request: Request) -> Response:
        fields, authority = self.read(NewPasskey), self.authority
        enrolled = registration.finish(
            self.user,
            fields["credential"],
            party=self.party,
            authority=authority,
            name=fields.get("name", ""),
            client=self.client_info,
            now=timezone.now(),
        )
        return shown_once(enrolled, authority)


class PasskeyDetail(MfaEndpoint):
    @docs.passkey_remove
    def delete(self, request: Request, public_id: str) -> Response:
        return self.remove(self.own().passkeys(), public_id)
