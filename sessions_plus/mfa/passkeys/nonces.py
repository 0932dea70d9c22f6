"""
Nonces that passkeys sign: stored nowhere until they were used, and taken once.

A page that anybody may open must not write a row for each who does. So a nonce says itself
when, for what and for whom it was made, in ``random (16) | seconds since 1970 (8) | tag (16)``;
only one that a passkey signed leaves a row. Where there is a row anyway, of a waiting sign-in
or of an enrolment, the nonce is made of its name, and the row is closed once.
"""

from __future__ import annotations

import secrets
from contextlib import nullcontext
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from django.db import IntegrityError, connections, transaction

from sessions_plus.crypto import Purpose, context, digest_of, tag, tag_is_ours
from sessions_plus.models import UsedNonce
from sessions_plus.rows import session_row

RANDOM_BYTES = 16
MOMENT_BYTES = 8
TAG_BYTES = 16
NONCE_BYTES = RANDOM_BYTES + MOMENT_BYTES + TAG_BYTES
ROW_NONCE_BYTES = 32

LIFETIME = timedelta(minutes=5)

# How far the clocks of a site's servers may be apart.
CLOCK_DIFFERENCE = timedelta(minutes=1)


class Use(StrEnum):
    """What a nonce is for; none is taken for anything else."""

    SIGN_IN = "sign-in"
    TOKENS = "tokens"
    REAUTHENTICATION = "reauthentication"
    CHALLENGE = "challenge"
    ENROLMENT = "enrolment"
    CONDITIONAL_ENROLMENT = "conditional-enrolment"


def make(use: Use, holder: str, *, now: datetime) -> bytes:
    """Return a new nonce for whoever is ``holder``: a browser, a program or a session."""
    body = secrets.token_bytes(RANDOM_BYTES) + int(now.timestamp()).to_bytes(MOMENT_BYTES, "big")
    return body + tag(_message(use, holder, body), purpose=Purpose.PASSKEY_NONCE, size=TAG_BYTES)


def is_ours(nonce: bytes, use: Use, holder: str, *, now: datetime) -> bool:
    """Say whether a nonce was made for this, less than five minutes ago."""
    body, given = nonce[:-TAG_BYTES], nonce[-TAG_BYTES:]
    if len(nonce) != NONCE_BYTES or not tag_is_ours(
        _message(use, holder, body), given, purpose=Purpose.PASSKEY_NONCE
    ):
        return False
    age = timedelta(seconds=now.timestamp() - _made_at(nonce))
    return -CLOCK_DIFFERENCE <= age < LIFETIME


def spend(nonce: bytes, *, now: datetime) -> bool:
    """Use a nonce up. Return False where it was used before: of many at once one succeeds."""
    alias = session_row.database()
    # A savepoint keeps a refused INSERT from spoiling the view's transaction, if there is one.
    guard = transaction.atomic(alias) if connections[alias].in_atomic_block else nullcontext()
    used = UsedNonce(hash=digest_of(nonce), expires_at=now + LIFETIME + 2 * CLOCK_DIFFERENCE)
    try:
        with guard:
            used.save(using=alias, force_insert=True)
    except IntegrityError:
        return False
    return True


def of_row(use: Use, public_id: UUID) -> bytes:
    """Return the nonce of a row that is closed once: a waiting sign-in, or an enrolment."""
    message = _message(use, str(public_id), b"")
    return tag(message, purpose=Purpose.PASSKEY_NONCE, size=ROW_NONCE_BYTES)


def is_of_row(nonce: bytes, use: Use, public_id: UUID) -> bool:
    message = _message(use, str(public_id), b"")
    return len(nonce) == ROW_NONCE_BYTES and tag_is_ours(
        message, nonce, purpose=Purpose.PASSKEY_NONCE
    )


def _message(use: Use, holder: str, body: bytes) -> bytes:
    return context(use.value, holder) + body


def _made_at(nonce: bytes) -> int:
    return int.from_bytes(nonce[RANDOM_BYTES : RANDOM_BYTES + MOMENT_BYTES], "big")
