"""
Every error as ``{"code": "not_found", "detail": "…"}``: one handler, of our views alone.

``code`` is for programs and stays; ``detail`` is for people, translated, and may change.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from types import MappingProxyType

from django.core.exceptions import PermissionDenied, SuspiciousOperation
from django.db import DatabaseError
from django.http import Http404
from django.utils.translation import gettext_lazy as _
from rest_framework import exceptions, status
from rest_framework.response import Response

from sessions_plus.exceptions import (
    InvalidToken,
    PasskeyUnknown,
    SessionNotStored,
    SessionsPlusError,
    SignInElsewhere,
    TooManyAttempts,
)
from sessions_plus.masked import Secret
from sessions_plus.mfa.elsewhere import sign_in_url
from sessions_plus.mfa.passkeys.accepted import unknown
from sessions_plus.store.unwritable import not_stored
from sessions_plus.tokens.bearer import REFUSED

# Where an error of ours is not simply a bad request.
STATUS: Mapping[str, int] = MappingProxyType(
    {
        "invalid_token": status.HTTP_401_UNAUTHORIZED,
        "token_reused": status.HTTP_401_UNAUTHORIZED,
        "second_factor_required": status.HTTP_401_UNAUTHORIZED,
        "too_many_attempts": status.HTTP_429_TOO_MANY_REQUESTS,
        "reauthentication_required": status.HTTP_403_FORBIDDEN,
        "mfa_required": status.HTTP_403_FORBIDDEN,
        "passkey_required": status.HTTP_403_FORBIDDEN,
        "passkey_enrollment_required": status.HTTP_403_FORBIDDEN,
        "mfa_enrollment_required": status.HTTP_403_FORBIDDEN,
        "sign_in_elsewhere": status.HTTP_403_FORBIDDEN,
        "passkey_unknown": status.HTTP_401_UNAUTHORIZED,
        "session_limit_reached": status.HTTP_403_FORBIDDEN,
        "acting_for_another": status.HTTP_403_FORBIDDEN,
        "conflicting_sessions": status.HTTP_403_FORBIDDEN,
        "session_not_stored": status.HTTP_503_SERVICE_UNAVAILABLE,
    }
)


class BodyTooLarge(exceptions.APIException):
    status_code = status.HTTP_413_REQUEST_ENTITY_TOO_LARGE
    default_code = "body_too_large"
    default_detail = _("The request's body is too large.")


class InvalidCredentials(exceptions.AuthenticationFailed):
    """The same for an unknown name, a wrong password and a disabled account."""

    default_code = "invalid_credentials"
    default_detail = _("No account has this name and password.")


class SecondFactorRequired(exceptions.AuthenticationFailed):
    """A right password of somebody who has an authenticator; ``extra`` says how to go on."""

    default_code = "second_factor_required"
    default_detail = _("Please confirm with a code.")

    def __init__(self, *, expires_in: int, challenge: str | None = None) -> None:
        """``challenge`` None: the session waits, and holds it."""
        super().__init__()
        self.extra: dict[str, object] = {"expires_in": expires_in}
        if challenge is not None:
            self.extra["challenge"] = Secret(challenge)


class NoAuthenticator(exceptions.APIException):
    status_code = status.HTTP_400_BAD_REQUEST
    default_code = "no_authenticator"
    default_detail = _("Set up an authenticator first.")


class TooManyAuthenticators(exceptions.APIException):
    status_code = status.HTTP_400_BAD_REQUEST
    default_code = "too_many_authenticators"
    default_detail = _("There are as many authenticators as there may be. Remove one first.")


class Refused(exceptions.PermissionDenied):
    """What the gate tells a program: ``{"code": "mfa_required", "detail": "…"}``, in any view."""

    def __init__(self, error: SessionsPlusError) -> None:
        super().__init__()
        self.error = error
        facts = {"code": error.code, "detail": str(error.message)}
        self.detail = facts  # type: ignore[assignment]  # what REST framework shows as it is


def handle(error: Exception, context: Mapping[str, object]) -> Response | None:
    """Return the answer to an error; None for one that is a fault of ours (500)."""
    known = _as_api_exception(error)
    if known is None:
        return None
    detail = str(known.error.message) if isinstance(known, Refused) else known.detail
    body = {"code": _code_of(known), "detail": " ".join(_texts(detail))}
    return Response(
        body | getattr(known, "extra", {}), status=known.status_code, headers=_headers_of(known)
    )


def _as_api_exception(error: Exception) -> exceptions.APIException | None:
    if isinstance(error, exceptions.APIException):
        return error
    if isinstance(error, SessionsPlusError):
        return _from_ours(error)
    if isinstance(error, Http404):
        return exceptions.NotFound()
    if isinstance(error, PermissionDenied):
        return exceptions.PermissionDenied()
    if isinstance(error, SuspiciousOperation):
        return exceptions.ParseError()
    if isinstance(error, DatabaseError):
        refusal = not_stored(error)
        return _from_ours(refusal) if isinstance(refusal, SessionNotStored) else None
    return None


class _Ours(exceptions.APIException):
    """One of our errors, with what REST framework's and this module's own say besides."""

    wait: float
    extra: dict[str, object]
    auth_header: str


def _from_ours(error: SessionsPlusError) -> exceptions.APIException:
    made = _Ours(str(error.message), code=error.code)
    made.status_code = STATUS.get(error.code, status.HTTP_400_BAD_REQUEST)
    if isinstance(error, TooManyAttempts | SessionNotStored):
        made.wait = error.retry_after.total_seconds()
    if isinstance(error, SignInElsewhere):
        made.extra = {"sign_in_url": sign_in_url()}
    if isinstance(error, PasskeyUnknown):
        told = unknown(credential_id=error.credential_id, rp_id=error.rp_id)
        made.extra = {"unknown": told}
    if isinstance(error, InvalidToken):
        made.auth_header = REFUSED
    return made


def _headers_of(error: exceptions.APIException) -> dict[str, str]:
    headers = {}
    challenge = getattr(error, "auth_header", None)
    wait = getattr(error, "wait", None)
    if challenge:
        headers["WWW-Authenticate"] = challenge
    if wait:
        headers["Retry-After"] = str(math.ceil(wait))
    return headers


def _code_of(error: exceptions.APIException) -> str:
    if isinstance(error, exceptions.ValidationError):
        return "invalid"
    if isinstance(error, Refused):
        return error.error.code
    codes = error.get_codes()
    return codes if isinstance(codes, str) else str(error.default_code)


def _texts(detail: object, name: str = "") -> Iterator[str]:
    """Write what is wrong as sentences, each with the name of its field: ``name: …``."""
    if isinstance(detail, Mapping):
        for field, inner in detail.items():
            yield from _texts(inner, "" if field == "non_field_errors" else f"{field}")
    elif isinstance(detail, list | tuple):
        for inner in detail:
            yield from _texts(inner, name)
    else:
        yield f"{name}: {detail}" if name else str(detail)
