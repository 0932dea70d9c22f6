"""
What the schema says of each endpoint: OpenAPI 3.1, with examples and every error.

A decorator per operation, so that the views themselves stay short.
"""

from __future__ import annotations

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import (
    OpenApiParameter,
    OpenApiResponse,
)

from sessions_plus.api.docs.describing import described, named, operation, page_of
from sessions_plus.api.docs.errors import (
    FRESH,
    LIMIT,
    WRITING,
)
from sessions_plus.api.docs.shapes import (
    CreationOptions,
    Enrolled,
    Enrolment,
    MfaState,
    NewCodes,
    NewTokens,
    PasskeyOptions,
    PublicKeys,
    Reauthenticated,
    SignedIn,
    SignInOptions,
    Tokens,
)
from sessions_plus.api.inputs import (
    ChallengeAnswer,
    Confirmation,
    Credentials,
    DeviceName,
    NewPasskey,
    PasskeyChallenge,
    PasskeyChallengeAnswer,
    PasskeyCredentials,
    PasskeyProof,
    Proofs,
    Refreshing,
    RefreshToken,
    TokenChallengeAnswer,
    TokenCredentials,
)
from sessions_plus.api.serializers import (
    AnySessionSerializer,
    DeviceSerializer,
    EventSerializer,
    Revoked,
    SessionSerializer,
)

ID = "0192f0c1-9a7e-7b3c-8d21-5f0e6a4b7c98"

CREDENTIALS = {"username": "ann", "password": "correct horse battery staple"}
INSTALLATION: dict[str, object] = {"device_name": "Ann's phone"}
TOKEN = "AZLwwZqeezyNIV8OakuLx…"  # noqa: S105 - an example, cut short

session_list = operation(
    "session_list",
    "One's own live sessions",
    tag="sessions",
    shows=page_of(SessionSerializer),
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
    parameters=[named("session")],
)
session_revoke = operation(
    "session_revoke",
    "End a session",
    tag="sessions",
    shows=Revoked,
    errors=["not_found", *FRESH],
    parameters=[named("session")],
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
    shows=page_of(DeviceSerializer),
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
    parameters=[named("device")],
)
device_rename = operation(
    "device_rename",
    "Name a device",
    tag="devices",
    shows=DeviceSerializer,
    reads=DeviceName,
    example={"name": "Kitchen tablet"},
    errors=["not_found"],
    parameters=[named("device")],
)
device_revoke = operation(
    "device_revoke",
    "Remove a device: ends its sessions, its tokens and its trust",
    tag="devices",
    shows=Revoked,
    errors=["not_found", *FRESH],
    parameters=[named("device")],
)
event_list = operation(
    "event_list",
    "What happened to one's own sessions, devices and factors",
    tag="events",
    shows=page_of(EventSerializer),
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
    errors=[
        "invalid_credentials",
        "second_factor_required",
        "sign_in_elsewhere",
        "too_many_attempts",
        *LIMIT,
        *WRITING,
    ],
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
    parameters=[named("authenticator")],
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
    errors=[
        "invalid_credentials",
        "second_factor_required",
        "sign_in_elsewhere",
        "mfa_enrollment_required",
        "too_many_attempts",
        *LIMIT,
    ],
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
PASSKEY: dict[str, object] = {
    "id": "kNkTz2bL…",
    "rawId": "kNkTz2bL…",
    "type": "public-key",
    "clientExtensionResults": {},
    "response": {"clientDataJSON": "eyJ0…", "authenticatorData": "SZYN…", "signature": "MEUC…"},
}
SIGNED = ("passkey_refused", "passkey_unknown", "passkeys_off", "too_many_attempts")
token_passkey_options = operation(
    "token_passkey_options",
    "Ask for a passkey, of whomever it is",
    tag="tokens",
    shows=SignInOptions,
    errors=["passkeys_off"],
    is_open=True,
)
token_passkey = operation(
    "token_passkey",
    "Sign in by a passkey alone",
    tag="tokens",
    shows=Tokens,
    reads=PasskeyCredentials,
    example={"credential": PASSKEY, "nonce_token": TOKEN, **INSTALLATION},
    errors=["passkey_needs_password", *SIGNED, *LIMIT],
    is_open=True,
)
token_challenge_passkey_options = operation(
    "token_challenge_passkey_options",
    "Ask for a passkey in place of a code",
    tag="tokens",
    shows=PasskeyOptions,
    reads=PasskeyChallenge,
    example={"challenge": TOKEN},
    errors=["challenge_over", "passkeys_off"],
    is_open=True,
)
token_challenge_passkey = operation(
    "token_challenge_passkey",
    "Complete it with a passkey",
    tag="tokens",
    shows=Tokens,
    reads=PasskeyChallengeAnswer,
    example={"challenge": TOKEN, "credential": PASSKEY, **INSTALLATION},
    errors=["challenge_over", *SIGNED, *LIMIT],
    is_open=True,
)
reauthenticate_passkey_options = operation(
    "reauthenticate_passkey_options",
    "Ask for a passkey of whoever is signed in",
    tag="sign-in",
    shows=PasskeyOptions,
    errors=["passkeys_off", "permission_denied"],
)
reauthenticate_passkey = operation(
    "reauthenticate_passkey",
    "Prove oneself again by a passkey",
    tag="sign-in",
    shows=Reauthenticated,
    reads=PasskeyProof,
    example={"credential": PASSKEY},
    errors=["wrong_password", "permission_denied", *SIGNED],
)
passkey_begin = operation(
    "passkey_begin",
    "Begin to add a passkey",
    tag="second factor",
    shows=CreationOptions,
    status=201,
    errors=["too_many_passkeys", "passkeys_off", *FRESH],
)
passkey_confirm = operation(
    "passkey_confirm",
    "Complete it with what was made",
    tag="second factor",
    shows=Enrolled,
    status=201,
    reads=NewPasskey,
    example={"credential": PASSKEY, "name": "Phone"},
    errors=["enrolment_over", "passkey_refused", "passkey_not_allowed", "passkeys_off"],
)
passkey_remove = operation(
    "passkey_remove",
    "Remove a passkey",
    tag="second factor",
    status=204,
    to_tokens=NewTokens,
    errors=["not_found", "last_way_in", *FRESH],
    parameters=[named("authenticator")],
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
    shows=page_of(AnySessionSerializer),
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
