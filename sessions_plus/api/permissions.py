"""Who may do what. A fresh proof and a staff permission are asked for here, for every view."""

from __future__ import annotations

from typing import cast

from django.utils import timezone
from rest_framework.exceptions import PermissionDenied
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.views import APIView

from sessions_plus.api.errors import Refused
from sessions_plus.authority import (
    authority_of,
    is_in_anothers_name,
    proof_of,
    why_nothing_is_proved,
)
from sessions_plus.events import record
from sessions_plus.exceptions import ActingForAnother, MfaRequired, ReauthenticationRequired
from sessions_plus.mfa.policy import has_authenticator, needs_second_factor
from sessions_plus.mfa.reauthentication import Factors, is_fresh, max_age_of
from sessions_plus.models import Event, Outcome
from sessions_plus.named_types import SiteUser
from sessions_plus.tokens.bearer import Credentials, client_of

SAFE = ("GET", "HEAD")


def auth_of(request: Request) -> Credentials:
    return cast(Credentials, request.auth)


class IsSignedIn(BasePermission):
    """Somebody is signed in, in a session of ours."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        return isinstance(request.auth, Credentials)


class MayRevokeAnySession(BasePermission):
    """Staff with the permission of that name. A refusal is recorded."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        user: SiteUser = request.user
        if user.is_staff and user.has_perm("sessions_plus.revoke_any_session"):
            return True
        record(
            Event.ACCESS_DENIED,
            user=user,
            session_public_id=auth_of(request).session_public_id,
            outcome=Outcome.FAILURE,
            reason="revoke_any_session",
            client=client_of(request._request),
        )
        raise PermissionDenied


class HasPassedSecondFactor(BasePermission):
    """
    For views of your own, whatever authenticates there: nobody passes their second factor by.

    Whoever came with a session of ours has proved what their account asks for. Anybody else
    is refused if they have a second factor, or must have one.
    """

    asks_second_factor = True

    def has_permission(self, request: Request, view: APIView) -> bool:
        user: SiteUser = request.user
        if user is None or not user.is_authenticated or proof_of(request) is not None:
            return True
        if needs_second_factor(user):
            raise Refused(why_nothing_is_proved(request) or MfaRequired())
        return True


class ActsForThemselves(BasePermission):
    """
    Whoever changes something does so in their own session, not in somebody's name.

    Who impersonates another sees nothing of theirs here, either.
    """

    def has_permission(self, request: Request, view: APIView) -> bool:
        if is_in_anothers_name(request, authority_of(request)):
            raise ActingForAnother
        if request.method in SAFE or proof_of(request) is not None:
            return True
        raise why_nothing_is_proved(request) or PermissionDenied()


class FreshFactor(ActsForThemselves):
    """Whoever changes something proved themselves lately, with one factor (OWASP ASVS 7.5.2)."""

    factors: Factors = "one"

    def has_permission(self, request: Request, view: APIView) -> bool:
        super().has_permission(request, view)
        if request.method in SAFE:
            return True
        user: SiteUser = request.user
        has_second = self.factors == "all" and has_authenticator(user)
        proof = proof_of(request)
        if not is_fresh(
            proof.row if proof is not None else None,
            factors=self.factors,
            has_authenticator=has_second,
            max_age=max_age_of(self.factors),
            now=timezone.now(),
        ):
            raise why_nothing_is_proved(request) or ReauthenticationRequired()
        return True


class FreshFactors(FreshFactor):
    """The same with all factors that they have (OWASP ASVS 7.5.1)."""

    factors = "all"
