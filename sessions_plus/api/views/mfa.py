"""One's own second factor: seen, set up, removed, and its recovery codes."""

from __future__ import annotations

from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_variables
from rest_framework.request import Request
from rest_framework.response import Response

from sessions_plus.api.bodies import Nothing
from sessions_plus.api.docs import operations as docs
from sessions_plus.api.errors import NoAuthenticator, TooManyAuthenticators
from sessions_plus.api.inputs import Confirmation
from sessions_plus.api.permissions import ActsForThemselves, FreshFactors, IsSignedIn
from sessions_plus.api.serializers import AuthenticatorSerializer
from sessions_plus.api.throttling import RequestThrottle, SignInThrottle
from sessions_plus.api.views.base import Endpoint
from sessions_plus.api.views.tokens import new_tokens
from sessions_plus.authority import Authority
from sessions_plus.masked import Secret
from sessions_plus.mfa import enrolment, recovery_codes, totp
from sessions_plus.mfa.policy import has_authenticator, must_have_factor
from sessions_plus.mfa.qr_code import as_svg
from sessions_plus.models import Authenticator
from sessions_plus.models.authenticator import AuthenticatorQuerySet
from sessions_plus.rows import session_row


class MfaEndpoint(Endpoint):
    permission_classes = [IsSignedIn, FreshFactors]

    def own(self) -> AuthenticatorQuerySet:
        return Authenticator.objects.using(session_row.database()).for_user(self.user).confirmed()

    def remove(self, own: AuthenticatorQuerySet, public_id: str) -> Response:
        authority = self.authority
        found = self.find(own, public_id)
        enrolment.remove(found, self.user, authority=authority, client=self.client_info)
        tokens = new_tokens(authority)
        return Response(tokens) if tokens else Response(status=204)


@sensitive_variables()
def shown_once(enrolled: enrolment.Enrolled, authority: Authority) -> Response:
    """Answer with a new authenticator, and the recovery codes that are shown this once."""
    body = {
        "authenticator": AuthenticatorSerializer(enrolled.authenticator).data,
        "recovery_codes": list(enrolled.recovery_codes),
    }
    return Response(body | new_tokens(authority), status=201)


class Mfa(MfaEndpoint):
    @docs.mfa
    def get(self, request: Request) -> Response:
        return Response(
            {
                "is_required": must_have_factor(self.user),
                "authenticators": AuthenticatorSerializer(self.own(), many=True).data,
                "recovery_codes_left": recovery_codes.left(self.user),
            }
        )


class TotpList(MfaEndpoint):
    @docs.totp_begin
    @sensitive_variables()
    def post(self, request: Request) -> Response:
        self.read(Nothing)
        if not enrolment.may_add(self.user):
            raise TooManyAuthenticators
        begun = enrolment.begin(
            self.user, session_public_id=self.credentials.session_public_id, now=timezone.now()
        )
        issuer = totp.issuer_at(request.get_host())
        uri = totp.provisioning_uri(begun, account=str(self.user.get_username()), issuer=issuer)
        return Response(
            {
                "secret": Secret(totp.in_base32(totp.open_secret(begun))),
                "otpauth_uri": Secret(uri),
                "svg": Secret(as_svg(uri, label=_("QR code"))),
                "expires_in": int(enrolment.PENDING_LIFETIME.total_seconds()),
            },
            status=201,
        )


class TotpConfirm(MfaEndpoint):
    permission_classes = [
        IsSignedIn,
        ActsForThemselves,
    ]  # what is confirmed was begun with fresh factors
    throttle_classes = [RequestThrottle, SignInThrottle]

    @docs.totp_confirm
    @sensitive_variables()
    def post(self, request: Request) -> Response:
        fields, authority = self.read(Confirmation), self.authority
        enrolled = enrolment.confirm(
            self.user,
            fields["code"],
            authority=authority,
            name=fields.get("name", ""),
            client=self.client_info,
            now=timezone.now(),
        )
        return shown_once(enrolled, authority)


class TotpDetail(MfaEndpoint):
    @docs.totp_remove
    def delete(self, request: Request, public_id: str) -> Response:
        return self.remove(self.own().totp(), public_id)


class RecoveryCodes(MfaEndpoint):
    @docs.recovery_codes
    @sensitive_variables()
    def post(self, request: Request) -> Response:
        self.read(Nothing)
        if not has_authenticator(self.user):
            raise NoAuthenticator
        codes = recovery_codes.make(self.user, client=self.client_info, now=timezone.now())
        return Response({"recovery_codes": codes}, status=201)
