"""
Access tokens: JSON Web Tokens that name a user and a session, for minutes.

Claims as RFC 9068 has them, checks as RFC 8725 wants them. A signature can be spelled in
two ways (``(r, s)`` and ``(r, n-s)`` of ECDSA are both valid), so nothing is ever denied
by a token's bytes: what ends is the session, which ``sid`` names.
"""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.core.exceptions import ImproperlyConfigured
from django.db import models
from django.utils.module_loading import import_string
from django.views.decorators.debug import sensitive_variables

from sessions_plus.conf import conf
from sessions_plus.crypto import digest
from sessions_plus.exceptions import InvalidToken
from sessions_plus.mfa.methods import in_tokens
from sessions_plus.moments import from_timestamp
from sessions_plus.named_types import Json, JsonObject
from sessions_plus.rows.session_row import Row
from sessions_plus.tokens import jose
from sessions_plus.tokens.keys import (
    LEEWAY,
    Signer,
    Verifier,
    afind_verifier,
    find_verifier,
    get_signer,
)

TYPE = "at+jwt"
HEADER = frozenset({"alg", "typ", "kid"})
RESERVED = frozenset(
    {"iss", "aud", "sub", "sid", "jti", "iat", "nbf", "exp", "auth_time", "amr"}
    | {"acr", "azp", "client_id", "cnf", "nonce", "scope"}
)
MOMENTS = ("iat", "nbf", "exp", "auth_time")

MAX_TOKEN_LENGTH = 4096  # what a proxy may allow all headers of a request together is 8 kB
MAX_ADDED_BYTES = 1024
MAX_MOMENT = 253402300799  # the last second of the year 9999


@dataclass(frozen=True, slots=True)
class AccessToken:
    """
    A verified token.

    ``subject``
        the user's primary key as text.
    ``claims``
        all of them, those of the site too.
    """

    subject: str
    session_public_id: UUID
    issued_at: datetime
    expires_at: datetime
    authenticated_at: datetime
    auth_methods: tuple[str, ...]
    claims: Json


@dataclass(frozen=True, slots=True)
class _Verified:
    """The claims of a token, and the key whose signature of them was good."""

    kid: str
    claims: Json


# A client sends one token for minutes, and whether a signature is good never changes: the
# digest is of the whole token, and a key's name is a digest of the key. All else is asked
# each time. Only digests are kept, and only of tokens that were good.
_VERIFIED: dict[str, _Verified] = {}
MAX_VERIFIED = 1024


def audience() -> str:
    return conf.TOKEN_AUDIENCE or conf.TOKEN_ISSUER


@sensitive_variables()
def issue(user: models.Model, session: Row, *, now: datetime) -> tuple[str, datetime]:
    """
    Return a token for ``user`` in ``session``, and when it expires.

    Raises:
        ImproperlyConfigured: the site's own claims are too large, or named like ours.
    """
    claims = standard_claims(user, session, now=now)
    claims |= _added_claims(user, session)
    signer = get_signer(now)
    token = jose.sign(_header(signer), _encode(claims), signer.key)
    return token, from_timestamp(claims["exp"])


def standard_claims(user: models.Model, session: Row, *, now: datetime) -> JsonObject:
    issued_at = int(now.timestamp())
    return {
        "iss": conf.TOKEN_ISSUER,
        "aud": audience(),
        "sub": str(user.pk),
        "sid": str(session.public_id),
        "jti": secrets.token_urlsafe(12),
        "iat": issued_at,
        "nbf": issued_at,
        "exp": issued_at + int(conf.ACCESS_TOKEN_LIFETIME.total_seconds()),
        "auth_time": int(session.started_at.timestamp()),
        "amr": in_tokens(session.auth_methods.split()),
    }


def _header(signer: Signer) -> JsonObject:
    return {"alg": signer.algorithm, "typ": TYPE, "kid": signer.kid}


def _encode(claims: Json) -> bytes:
    return json.dumps(claims, separators=(",", ":"), allow_nan=False).encode()


def _added_claims(user: models.Model, session: Row) -> JsonObject:
    """Return what ``SESSIONS_PLUS_TOKEN_CLAIMS`` adds. A token is read by many: it is no store."""
    source = conf.TOKEN_CLAIMS
    if source is None:
        return {}
    function = import_string(source) if isinstance(source, str) else source
    added = dict(function(user, session))
    if taken := sorted(RESERVED & added.keys()):
        raise ImproperlyConfigured(
            f"SESSIONS_PLUS_TOKEN_CLAIMS returned {', '.join(taken)}, which the app or a standard "
            "has a meaning for. Choose other names, best a URL of yours."
        )
    try:
        size = len(_encode(added))
    except (TypeError, ValueError) as error:
        raise ImproperlyConfigured(
            f"SESSIONS_PLUS_TOKEN_CLAIMS returned what is no JSON: {error}"
        ) from error
    if size > MAX_ADDED_BYTES:
        raise ImproperlyConfigured(
            f"SESSIONS_PLUS_TOKEN_CLAIMS returned {size} bytes; {MAX_ADDED_BYTES} are allowed. "
            "Every request carries them: put a key in the token, and look up the rest."
        )
    return added


def verify(token: str, *, now: datetime) -> AccessToken:
    """
    Return what a token says, if we signed it for this purpose and it holds now.

    Nothing of it is believed before its signature was verified; its key's name only
    chooses among our own keys.

    Raises:
        InvalidToken: for whatever reason.
    """
    known = _VERIFIED.get(digest(token))
    if known is not None:
        return _holding(known, find_verifier(known.kid, now), now)
    parts, kid = _presented(token)
    return _verified(parts, find_verifier(kid, now), now)


async def averify(token: str, *, now: datetime) -> AccessToken:
    """See verify()."""
    known = _VERIFIED.get(digest(token))
    if known is not None:
        return _holding(known, await afind_verifier(known.kid, now), now)
    parts, kid = _presented(token)
    return _verified(parts, await afind_verifier(kid, now), now)


def _presented(token: str) -> tuple[jose.Parts, str]:
    """Return a token taken apart, and the name of its key."""
    if len(token) > MAX_TOKEN_LENGTH or not token.isascii():
        raise InvalidToken("malformed")
    parts = jose.take_apart(token)
    header = parts.header
    if header.keys() != HEADER or not all(isinstance(value, str) for value in header.values()):
        raise InvalidToken("header")
    if header["typ"] != TYPE:
        raise InvalidToken("type")
    return parts, header["kid"]


def _verified(parts: jose.Parts, verifier: Verifier | None, now: datetime) -> AccessToken:
    if verifier is None:
        raise InvalidToken("key")
    if parts.header["alg"] != verifier.algorithm:
        raise InvalidToken("algorithm")
    found = _Verified(verifier.kid, jose.verify(parts, verifier.key))
    token = _holding(found, verifier, now)
    if len(_VERIFIED) >= MAX_VERIFIED:
        _VERIFIED.clear()
    _VERIFIED[digest(parts.token)] = found
    return token


def _holding(found: _Verified, verifier: Verifier | None, now: datetime) -> AccessToken:
    """Return what a token says whose signature is good, if it holds here and now."""
    if verifier is None:
        raise InvalidToken("key")
    claims = found.claims
    if claims.get("iss") != conf.TOKEN_ISSUER:
        raise InvalidToken("issuer")
    if claims.get("aud") != audience():
        raise InvalidToken("audience")
    _check_times(claims, now)
    return _read(claims)


def _check_times(claims: Json, now: datetime) -> None:
    if not all(type(claims.get(name)) is int for name in MOMENTS):
        raise InvalidToken("times")
    if not all(0 <= claims[name] <= MAX_MOMENT for name in MOMENTS):
        raise InvalidToken("times")
    at, leeway = now.timestamp(), LEEWAY.total_seconds()
    if at >= claims["exp"]:
        raise InvalidToken("expired")
    if at < max(claims["nbf"], claims["iat"]) - leeway:
        raise InvalidToken("too_early")
    if claims["exp"] - claims["iat"] > conf.ACCESS_TOKEN_LIFETIME.total_seconds():
        raise InvalidToken("lifetime")


def _read(claims: Json) -> AccessToken:
    subject, methods = claims.get("sub"), claims.get("amr")
    if not isinstance(subject, str) or not isinstance(claims.get("jti"), str):
        raise InvalidToken("claims")
    if not isinstance(methods, list) or not all(isinstance(method, str) for method in methods):
        raise InvalidToken("claims")
    return AccessToken(
        subject=subject,
        session_public_id=_uuid(claims.get("sid")),
        issued_at=from_timestamp(claims["iat"]),
        expires_at=from_timestamp(claims["exp"]),
        authenticated_at=from_timestamp(claims["auth_time"]),
        auth_methods=tuple(methods),
        claims=claims,
    )


def _uuid(text: object) -> UUID:
    try:
        found = UUID(str(text))
    except ValueError:
        raise InvalidToken("claims") from None
    if str(found) != text:
        raise InvalidToken("claims")
    return found
