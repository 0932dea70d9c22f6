"""
TOTP codes (RFC 6238): made from a sealed secret, and each accepted once.

The one module that computes codes. A code is spent by one conditional UPDATE that
moves ``last_used_step`` forward, so neither it nor an earlier one works again.
"""

from __future__ import annotations

import base64
import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, cast
from uuid import UUID

from django.http.request import split_domain_port
from django.views.decorators.debug import sensitive_variables

from sessions_plus.conf import conf
from sessions_plus.crypto import Purpose, context, otp_hash, same, seal, unseal
from sessions_plus.models import Authenticator
from sessions_plus.rows import session_row

if TYPE_CHECKING:
    from pyotp import TOTP

SECRET_BYTES = 20  # RFC 4226 §4 R6 recommends 160 bits


@dataclass(frozen=True, slots=True)
class Scheme:
    """How the codes of one app are made."""

    algorithm: str
    digits: int
    period: int


def scheme_of(authenticator: Authenticator) -> Scheme:
    """Return how its codes are made. A constraint of its table holds that all three are known."""
    algorithm, digits, period = (
        authenticator.algorithm,
        authenticator.digits,
        authenticator.period,
    )
    return Scheme(cast(str, algorithm), cast(int, digits), cast(int, period))


def new_secret() -> bytes:
    return secrets.token_bytes(SECRET_BYTES)


@sensitive_variables()
def in_base32(secret: bytes) -> str:
    """The spelling that authenticator apps ask for, without padding."""
    return base64.b32encode(secret).decode().rstrip("=")


def secret_context(public_id: UUID, user_id: object) -> bytes:
    """What a secret is bound to: its table, column, row and owner."""
    return context("sessions_plus_authenticator", "sealed_secret", public_id, user_id)


@sensitive_variables()
def seal_secret(secret: bytes, *, public_id: UUID, user_id: object) -> bytes:
    return seal(secret, purpose=Purpose.TOTP_SECRET, bound_to=secret_context(public_id, user_id))


@sensitive_variables()
def open_secret(authenticator: Authenticator) -> bytes:
    """
    Return the shared secret.

    Raises:
        SealBroken: the column was damaged or moved, or its key is lost.
    """
    return unseal(
        bytes(authenticator.sealed_secret or b""),
        purpose=Purpose.TOTP_SECRET,
        bound_to=secret_context(authenticator.public_id, authenticator.user_id),
    )


@sensitive_variables()
def _generator(secret: bytes, scheme: Scheme) -> TOTP:
    import pyotp

    return pyotp.TOTP(
        in_base32(secret),
        digits=scheme.digits,
        digest=otp_hash(scheme.algorithm),
        interval=scheme.period,
    )


@sensitive_variables()
def code_at_step(secret: bytes, step: int, *, algorithm: str, digits: int) -> str:
    """The code of one time step: HOTP with the step as its counter (RFC 6238 §4.2)."""
    code: str = _generator(secret, Scheme(algorithm, digits, period=30)).generate_otp(step)
    return code


def step_at(moment: datetime, *, period: int) -> int:
    """The time step of a moment, counted from 1970 (RFC 6238 §4.1, T0 = 0)."""
    return int(moment.timestamp()) // period


@sensitive_variables()
def matching_step(authenticator: Authenticator, code: str, *, now: datetime) -> int | None:
    """
    Return the latest time step, within the tolerance, that ``code`` is of, or None.

    Every step is compared, each in constant time, so that the time taken tells
    nothing. The latest counts: accepting it voids the earlier ones too.
    """
    secret, scheme = open_secret(authenticator), scheme_of(authenticator)
    current = step_at(now, period=scheme.period)
    tolerance = conf.TOTP_TOLERANCE
    found = None
    for step in range(max(current - tolerance, 0), current + tolerance + 1):
        expected = code_at_step(secret, step, algorithm=scheme.algorithm, digits=scheme.digits)
        if same(expected, code):
            found = step
    return found


def spend(authenticator: Authenticator, step: int, *, now: datetime) -> bool:
    """Use a code's step up. Return False where it, or a later one, was used before."""
    usable = (
        Authenticator.objects.using(session_row.database()).usable().filter(pk=authenticator.pk)
    )
    return bool(
        usable.filter(last_used_step__lt=step).update(last_used_step=step, last_used_at=now)
    )


def issuer_at(host: str) -> str:
    """What apps call a site that is served at ``host`` (``example.com:8000``)."""
    return conf.TOTP_ISSUER or split_domain_port(host)[0]


@sensitive_variables()
def provisioning_uri(authenticator: Authenticator, *, account: str, issuer: str) -> str:
    """Return the ``otpauth://`` link that an app reads; it contains the secret."""
    generator = _generator(open_secret(authenticator), scheme_of(authenticator))
    link: str = generator.provisioning_uri(name=account, issuer_name=issuer)
    return link
