"""
Proving a device key again: the browser does so before its proof cookie ends.

It is no activity of the session, and is found by the browser's name for it: the session's
cookie need not come along.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, auto
from uuid import UUID

from django.db import models
from django.db.models import F

from sessions_plus.conf import conf
from sessions_plus.crypto import Purpose, unseal
from sessions_plus.device_proof.nonces import NOT_YET_SIGNED, new_nonce, read_nonce
from sessions_plus.device_proof.signed import DevicePublicKey, is_signed_by, take_apart
from sessions_plus.exceptions import SealBroken
from sessions_plus.models import DeviceKey
from sessions_plus.models.device_key import jwk_context
from sessions_plus.rows.session_row import database


class Answer(Enum):
    """What a browser is told."""

    PROVED = auto()
    """It gets a proof cookie, and the next nonce."""
    TRY_AGAIN = auto()
    """It signed no nonce, or one that was used or is too old: here is another."""
    WRONG = auto()
    """What it sent is not signed by the key."""
    OVER = auto()
    """The session has ended, or is bound to this key no more."""


@dataclass(frozen=True, slots=True)
class Refreshed:
    """The answer; ``nonce`` is what to sign next, where there is a next time."""

    answer: Answer
    session: UUID
    device_key: UUID
    nonce: str | None = None


def find_key(device_key_id: UUID) -> DeviceKey | None:
    """Return a device key with its session, in force or not."""
    return _keys().filter(public_id=device_key_id).first()


def find_key_of(session: UUID) -> DeviceKey | None:
    """Return the key that a session is bound to, for a browser whose name for it was lost."""
    found = _keys().filter(session__public_id=session, public_id=F("session__device_key_id"))
    return found.first()


def _keys() -> models.QuerySet[DeviceKey]:
    keys = DeviceKey.objects.using(database()).select_related("session")
    return keys.defer("session__data", "session__sealed_successor")


def refresh(key: DeviceKey, proof: str | None, *, audience: str, now: datetime) -> Refreshed:
    """
    Take a proof of ``key``, or say what to sign.

    Of many requests with one proof, one is answered with a cookie.
    """
    session = key.session
    if not session.is_active or session.device_key_id != key.public_id:
        return Refreshed(Answer.OVER, session.public_id, key.public_id)
    answer = _judge(key, proof, audience=audience, now=now)
    nonce = new_nonce(session.public_id, key.public_id, now) if answer is not Answer.WRONG else None
    return Refreshed(answer, session.public_id, key.public_id, nonce)


def _judge(key: DeviceKey, proof: str | None, *, audience: str, now: datetime) -> Answer:
    if proof is None:
        return Answer.TRY_AGAIN
    signed, public = take_apart(proof), public_key_of(key)
    if signed is None or public is None or not is_signed_by(signed, public, audience=audience):
        return Answer.WRONG
    session, lifetime = key.session.public_id, conf.PROOF_LIFETIME + NOT_YET_SIGNED
    issued = read_nonce(signed.nonce, session, key.public_id, now, lifetime=lifetime)
    if issued is None or not _use_up(key, issued, now):
        return Answer.TRY_AGAIN
    return Answer.PROVED


def _use_up(key: DeviceKey, issued: int, now: datetime) -> bool:
    """Let a nonce count, and none that was issued before it. One conditional UPDATE."""
    unused = DeviceKey.objects.using(database()).filter(pk=key.pk, last_nonce__lt=issued)
    return unused.update(last_nonce=issued, last_proved_at=now) == 1


def public_key_of(key: DeviceKey) -> DevicePublicKey | None:
    """Return the key that signs; None where what is stored does not open."""
    bound_to = jwk_context(key.public_id, key.session.public_id)
    try:
        opened = unseal(bytes(key.sealed_jwk), purpose=Purpose.DEVICE_KEY, bound_to=bound_to)
    except SealBroken:
        return None
    jwk: Mapping[str, str] = json.loads(opened)
    return DevicePublicKey(key.algorithm, jwk)
