"""
What the schema says of each endpoint: OpenAPI 3.1, with examples and every error.

A decorator per operation, so that the views themselves stay short.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any

from drf_spectacular.openapi import AutoSchema
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import (
    OpenApiExample,
    OpenApiParameter,
    OpenApiResponse,
    extend_schema,
)
from rest_framework import serializers

from sessions_plus.api.bodies import Body
from sessions_plus.api.inputs import (
    ChallengeAnswer,
    Confirmation,
    Credentials,
    DeviceName,
    Proofs,
    Refreshing,
    RefreshToken,
    TokenChallengeAnswer,
    TokenCredentials,
)
from sessions_plus.api.pages import MAX_PAGE_SIZE
from sessions_plus.api.serializers import (
    AnySessionSerializer,
    AuthenticatorSerializer,
    DeviceSerializer,
    EventSerializer,
    Revoked,
    SessionSerializer,
)

ID = "0192f0c1-9a7e-7b3c-8d21-5f0e6a4b7c98"

# Every code there is: its status, and what is wrong.
ERRORS: Mapping[str, tuple[int, str]] = MappingProxyType(
    {
        "invalid": (400, "A field is missing, unknown or of the wrong kind."),
        "parse_error": (400, "The body is no JSON object."),
        "invalid_code": (400, "The code is wrong, or was used before."),
        "wrong_password": (400, "The password is not this user's."),
        "challenge_over": (400, "The challenge was passed, has expired, or never was."),
        "enrolment_over": (400, "No enrolment waits in this session, or no longer."),
        "no_authenticator": (
            400,
            "There is no authenticator that recovery codes could stand in for.",
        ),
        "too_many_authenticators": (400, "There are as many authenticators as there may be."),
        "not_authenticated": (401, "Nobody is signed in."),
        "invalid_token": (401, "The token is forged, expired, of another kind, or has ended."),
        "token_reused": (401, "The refresh token was used before, so its session has ended."),
        "invalid_credentials": (401, "No account has this name and password."),
        "second_factor_required": (401, "The password is right; a code is needed too."),
        "permission_denied": (403, "Whoever is signed in may not do this."),
        "csrf_failed": (403, "The request came with a cookie, but without its CSRF token."),
        "reauthentication_required": (403, "It is too long ago that the user proved themselves."),
        "mfa_required": (403, "The site asks this user for a second factor."),
        "mfa_enrollment_required": (403, "The user must set up a second factor first."),
        "session_limit_reached": (403, "The user is signed in as often as the site allows."),
        "acting_for_another": (403, "Only the user themselves can do this, not who acts for them."),
        "conflicting_sessions": (403, "The request came with the sessions of two people."),
        "not_found": (404, "There is no such thing, or it is not the user's."),
        "body_too_large": (413, "The body is larger than 16 kB."),
        "unsupported_media_type": (415, "The body is not `application/json`."),
        "throttled": (429, "Too many requests. `Retry-After` says how many seconds to wait."),
        "too_many_attempts": (429, "Too many codes or passwords. `Retry-After` says how long."),
    }
)

ALWAYS = ("throttled",)
SIGNED_IN = ("not_authenticated", "invalid_token", "mfa_required", "mfa_enrollment_required")
WRITING = ("csrf_failed", "acting_for_another", "conflicting_sessions")
READS_BODY = ("invalid", "parse_error", "body_too_large", "unsupported_media_type")
FRESH = ("reauthentication_required",)
LIMIT = ("session_limit_reached",)


class Error(serializers.Serializer[Any]):
    code = serializers.CharField(help_text="For programs: stays.")
    detail = serializers.CharField(help_text="For people: translated, may change.")


class SecondFactorNeeded(Error):
    code = serializers.CharField()
    challenge = serializers.CharField(
        required=False, help_text="To be sent with the code. Absent: the session cookie holds it."
    )
    expires_in = serializers.IntegerField(required=False, help_text="Seconds.")


class Tokens(serializers.Serializer[Any]):
    token_type = serializers.ChoiceField(choices=["Bearer"])
    access = serializers.CharField(help_text="Sent as `Authorization: Bearer …`.")
    expires_in = serializers.IntegerField(help_text="Seconds.")
    refresh = serializers.CharField(help_text="Good for one refresh.")
    session = serializers.UUIDField(help_text="The session's public id.")
    device_token = serializers.CharField(
        required=False, help_text="To be kept, and sent with this installation's next sign-in."
    )


class SignedIn(serializers.Serializer[Any]):
    session = serializers.UUIDField(help_text="The session's public id.")


class Reauthenticated(SignedIn):
    """Tokens too, where a token came; the old refresh token is dead."""

    token_type = serializers.ChoiceField(choices=["Bearer"], required=False)
    access = serializers.CharField(required=False)
    expires_in = serializers.IntegerField(required=False)
    refresh = serializers.CharField(required=False)


class MfaState(serializers.Serializer[Any]):
    is_required = serializers.BooleanField(help_text="Whether the site asks this user for one.")
    authenticators = AuthenticatorSerializer(many=True)
    recovery_codes_left = serializers.IntegerField()


class Enrolment(serializers.Serializer[Any]):
    secret = serializers.CharField(help_text="In base32, to be typed into an app.")
    otpauth_uri = serializers.CharField()
    svg = serializers.CharField(help_text="The same as a QR code.")
    expires_in = serializers.IntegerField(help_text="Seconds.")


class Enrolled(serializers.Serializer[Any]):
    authenticator = AuthenticatorSerializer()
    recovery_codes = serializers.ListField(
        child=serializers.CharField(),
        help_text="Shown this once. Empty where there were unused ones.",
    )
    tokens = Tokens(required=False, help_text="Where a token came: its session now has the factor.")


class NewTokens(serializers.Serializer[Any]):
    """What an access token's session goes on with; its refresh token of before is dead."""

    tokens = Tokens()


class NewCodes(serializers.Serializer[Any]):
    recovery_codes = serializers.ListField(
        child=serializers.CharField(), help_text="Shown this once; the older ones are void."
    )


class PublicKey(serializers.Serializer[Any]):
    kty = serializers.ChoiceField(choices=["EC", "OKP"])
    crv = serializers.ChoiceField(choices=["P-256", "Ed25519"])
    x = serializers.CharField()
    y = serializers.CharField(required=False)
    kid = serializers.CharField()
    alg = serializers.ChoiceField(choices=["ES256", "EdDSA"])
    use = serializers.ChoiceField(choices=["sig"])


class PublicKeys(serializers.Serializer[Any]):
    keys = PublicKey(many=True)


def _page_of(shape: type[Any]) -> type[serializers.Serializer[Any]]:
    fields = {
        "next": serializers.URLField(allow_null=True, help_text="The older ones."),
        "previous": serializers.URLField(allow_null=True, help_text="The newer ones."),
        "results": shape(many=True),
    }
    return type(
        f"{shape.__name__.removesuffix('Serializer')}Page", (serializers.Serializer,), fields
    )


PAGING = (
    OpenApiParameter("cursor", OpenApiTypes.STR, description="As in `next` and `previous`."),
    OpenApiParameter(
        "page_size",
        {"type": "integer", "minimum": 1, "maximum": MAX_PAGE_SIZE},
        description="50 without it.",
    ),
)


def _responses(codes: Iterable[str]) -> dict[int, OpenApiResponse]:
    by_status: dict[int, list[str]] = {}
    for code in dict.fromkeys(codes):
        by_status.setdefault(ERRORS[code][0], []).append(code)
    return {status: _error_response(status, found) for status, found in sorted(by_status.items())}


def _error_response(status: int, codes: list[str]) -> OpenApiResponse:
    shape = SecondFactorNeeded if "second_factor_required" in codes else Error
    return OpenApiResponse(
        shape,
        description="\n".join(f"* `{code}`: {ERRORS[code][1]}" for code in codes),
        examples=[
            OpenApiExample(
                code,
                value={"code": code, "detail": ERRORS[code][1]},
                response_only=True,
                status_codes=[str(status)],
            )
            for code in codes
        ],
    )


def described(**facts: Any) -> Callable[[Any], Any]:
    """``extend_schema``, also where the site's own default is another schema class."""

    def describe(method: Any) -> Any:
        method.kwargs = {"schema": AutoSchema}
        return extend_schema(**facts)(method)

    return describe


def operation(
    name: str,
    summary: str,
    *,
    tag: str,
    shows: Any = None,
    status: int = 200,
    reads: type[Body] | None = None,
    example: Mapping[str, Any] | None = None,
    errors: Iterable[str] = (),
    is_safe: bool = False,
    is_open: bool = False,
    is_list: bool = False,
    parameters: Iterable[OpenApiParameter] = (),
    to_tokens: type[Any] | None = None,
) -> Callable[[Any], Any]:
    """
    Describe one operation.

    ``is_open``: without signing in, so by neither cookie nor header. ``to_tokens``: what is
    answered, with 200, where an access token came.
    """
    codes = [*ALWAYS, *errors]
    codes += [] if is_open else SIGNED_IN
    codes += [] if is_safe else READS_BODY
    codes += ["invalid"] if is_list else []
    codes += [] if is_safe or is_open else WRITING
    examples = [OpenApiExample(name, value=dict(example), request_only=True)] if example else []
    return described(
        operation_id=name,
        summary=summary,
        tags=[tag],
        request=reads,
        responses={
            status: OpenApiResponse(shows, description="Done.") if shows else None,
            **({200: OpenApiResponse(to_tokens, description="Done.")} if to_tokens else {}),
            **_responses(codes),
        },
        examples=examples,
        parameters=[*(PAGING if is_list else ()), *parameters],
        auth=[] if is_open else None,
    )


def _named(kind: str) -> OpenApiParameter:
    return OpenApiParameter(
        "public_id", OpenApiTypes.STR, OpenApiParameter.PATH, description=f"Of the {kind}: a UUID."
    )


CREDENTIALS = {"username": "ann", "password": "correct horse battery staple"}
INSTALLATION = {"device_name": "Ann's phone"}
TOKEN = "AZLwwZqeezyNIV8OakuLx…"  # noqa: S105 - an example, cut short

session_list = operation(
    "session_list",
    "One's own live sessions",
    tag="sessions",
    shows=_page_of(SessionSerializer),
    errors=["not_found"],
    is_safe=True,
    is_list=True,
)
session_detail = operation(
    "session_detail",
    "One session",
    tag="sessions",
    shows=SessionSerializer,
    errors=["not_found"],
    is_safe=True,
    parameters=[_named("session")],
)
session_revoke = operation(
    "session_revoke",
    "End a session",
    tag="sessions",
    shows=Revoked,
    errors=["not_found", *FRESH],
    parameters=[_named("session")],
)
revoke_others = operation(
    "revoke_others",
    "End every session but the one that asks",
    tag="sessions",
    shows=Revoked,
    errors=FRESH,
)
revoke_all = operation(
    "revoke_all", "End every session", tag="sessions", shows=Revoked, errors=FRESH
)
device_list = operation(
    "device_list",
    "One's own devices",
    tag="devices",
    shows=_page_of(DeviceSerializer),
    errors=["not_found"],
    is_safe=True,
    is_list=True,
)
device_detail = operation(
    "device_detail",
    "One device",
    tag="devices",
    shows=DeviceSerializer,
    errors=["not_found"],
    is_safe=True,
    parameters=[_named("device")],
)
device_rename = operation(
    "device_rename",
    "Name a device",
    tag="devices",
    shows=DeviceSerializer,
    reads=DeviceName,
    example={"name": "Kitchen tablet"},
    errors=["not_found"],
    parameters=[_named("device")],
)
device_revoke = operation(
    "device_revoke",
    "Remove a device: ends its sessions, its tokens and its trust",
    tag="devices",
    shows=Revoked,
    errors=["not_found", *FRESH],
    parameters=[_named("device")],
)
event_list = operation(
    "event_list",
    "What happened to one's own sessions, devices and factors",
    tag="events",
    shows=_page_of(EventSerializer),
    errors=["not_found"],
    is_safe=True,
    is_list=True,
)

login = operation(
    "login",
    "Sign in on the session cookie",
    tag="sign-in",
    shows=SignedIn,
    reads=Credentials,
    example=CREDENTIALS,
    errors=["invalid_credentials", "second_factor_required", *LIMIT, *WRITING],
    is_open=True,
)
login_challenge = operation(
    "login_challenge",
    "Complete the sign-in with a code",
    tag="sign-in",
    shows=SignedIn,
    reads=ChallengeAnswer,
    example={"code": "123456"},
    errors=["invalid_code", "challenge_over", "too_many_attempts", *LIMIT, *WRITING],
    is_open=True,
)
logout = operation("logout", "Sign out: ends the session that asks", tag="sign-in", status=204)
reauthenticate = operation(
    "reauthenticate",
    "Prove oneself again: with a bearer token, the answer has new tokens",
    tag="sign-in",
    shows=Reauthenticated,
    reads=Proofs,
    example={"password": CREDENTIALS["password"]},
    errors=["wrong_password", "invalid_code", "too_many_attempts", "permission_denied"],
)
mfa = operation("mfa", "One's own second factor", tag="second factor", shows=MfaState, is_safe=True)
totp_begin = operation(
    "totp_begin",
    "Begin to set up an authenticator",
    tag="second factor",
    shows=Enrolment,
    status=201,
    errors=["too_many_authenticators", *FRESH],
)
totp_confirm = operation(
    "totp_confirm",
    "Complete it with a first code",
    tag="second factor",
    shows=Enrolled,
    status=201,
    reads=Confirmation,
    example={"code": "123456", "name": "Phone"},
    errors=["invalid_code", "enrolment_over"],
)
totp_remove = operation(
    "totp_remove",
    "Remove an authenticator",
    tag="second factor",
    status=204,
    to_tokens=NewTokens,
    errors=["not_found", *FRESH],
    parameters=[_named("authenticator")],
)
recovery_codes = operation(
    "recovery_codes",
    "Make new recovery codes",
    tag="second factor",
    shows=NewCodes,
    status=201,
    errors=["no_authenticator", *FRESH],
)
token_issue = operation(
    "token_issue",
    "Sign in by program",
    tag="tokens",
    shows=Tokens,
    reads=TokenCredentials,
    example=CREDENTIALS | INSTALLATION,
    errors=["invalid_credentials", "second_factor_required", "mfa_enrollment_required", *LIMIT],
    is_open=True,
)
token_challenge = operation(
    "token_challenge",
    "Complete it with a code",
    tag="tokens",
    shows=Tokens,
    reads=TokenChallengeAnswer,
    example={"challenge": TOKEN, "code": "123456"} | INSTALLATION,
    errors=["invalid_code", "challenge_over", "too_many_attempts", *LIMIT],
    is_open=True,
)
token_refresh = operation(
    "token_refresh",
    "Spend a refresh token for new tokens",
    tag="tokens",
    shows=Tokens,
    reads=Refreshing,
    example={"refresh": TOKEN},
    errors=["invalid_token", "token_reused"],
    is_open=True,
)
token_revoke = operation(
    "token_revoke",
    "End the session of a refresh token. The same answer for one that is none",
    tag="tokens",
    status=204,
    reads=RefreshToken,
    example={"refresh": TOKEN},
    is_open=True,
)
jwks = described(
    operation_id="jwks",
    summary="The public keys that verify access tokens (RFC 7517)",
    tags=["tokens"],
    request=None,
    responses={200: OpenApiResponse(PublicKeys, description="May be kept for five minutes.")},
    auth=[],
)
staff_session_list = operation(
    "staff_session_list",
    "Everybody's live sessions",
    tag="staff",
    shows=_page_of(AnySessionSerializer),
    errors=["not_found", "permission_denied"],
    is_safe=True,
    is_list=True,
    parameters=[OpenApiParameter("user", OpenApiTypes.STR, description="Of this user alone.")],
)
staff_revoke_all = operation(
    "staff_revoke_all",
    "End every session of a user",
    tag="staff",
    shows=Revoked,
    errors=["not_found", "permission_denied", *FRESH],
    parameters=[
        OpenApiParameter(
            "user_id", OpenApiTypes.STR, OpenApiParameter.PATH, description="The primary key."
        )
    ],
)
