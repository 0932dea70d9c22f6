"""Every error of the API: its code, its status, and what is wrong."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

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
        "passkey_refused": (400, "The passkey's signature is not what was asked for."),
        "passkey_needs_password": (400, "This passkey is a second factor only."),
        "passkey_not_allowed": (400, "It can be copied to other devices, which is not allowed."),
        "passkeys_off": (400, "Passkeys are off here, or the user has none."),
        "too_many_passkeys": (400, "There are as many passkeys as there may be."),
        "last_way_in": (400, "The user could not sign in any more without it."),
        "passkey_unknown": (
            401,
            "There is no such passkey any more. `unknown` tells its authenticator so.",
        ),
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
        "device_binding_required": (403, "The session must be bound to its browser's device."),
        "sign_in_elsewhere": (
            403,
            "Another package asks this user for a second factor, at `sign_in_url`.",
        ),
        "passkey_required": (403, "The site asks this user for a passkey."),
        "passkey_enrollment_required": (403, "It does, and the user has none here."),
        "session_limit_reached": (403, "The user is signed in as often as the site allows."),
        "acting_for_another": (403, "Only the user themselves can do this, not who acts for them."),
        "conflicting_sessions": (403, "The request came with the sessions of two people."),
        "not_found": (404, "There is no such thing, or it is not the user's."),
        "body_too_large": (413, "The body is larger than 16 kB."),
        "unsupported_media_type": (415, "The body is not `application/json`."),
        "throttled": (429, "Too many requests. `Retry-After` says how many seconds to wait."),
        "too_many_attempts": (429, "Too many codes or passwords. `Retry-After` says how long."),
        "session_not_stored": (503, "Nothing was saved. `Retry-After` says when to try again."),
    }
)

ALWAYS = ("throttled",)
SIGNED_IN = (
    "not_authenticated",
    "invalid_token",
    "mfa_required",
    "mfa_enrollment_required",
    "passkey_required",
    "passkey_enrollment_required",
    "device_binding_required",
)
WRITING = ("csrf_failed", "acting_for_another", "conflicting_sessions")
STORES = ("session_not_stored",)
READS_BODY = ("invalid", "parse_error", "body_too_large", "unsupported_media_type")
FRESH = ("reauthentication_required",)
LIMIT = ("session_limit_reached",)
