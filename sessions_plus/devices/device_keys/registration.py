"""Binding a session that was just signed in to: the offer, and the browser's answer to it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING
from uuid import UUID

from django.db import transaction

from sessions_plus.conf import conf
from sessions_plus.crypto import Purpose, seal
from sessions_plus.device_proof.nonces import NOT_YET_SIGNED, milliseconds, new_nonce, read_nonce
from sessions_plus.device_proof.signed import DevicePublicKey, Signed, is_signed_by, take_apart
from sessions_plus.events import record
from sessions_plus.keys import new_public_id
from sessions_plus.models import DeviceKey, Event, Outcome
from sessions_plus.models.device_key import jwk_context
from sessions_plus.models.session import Kind, Session
from sessions_plus.rows.session_row import Row, database
from sessions_plus.store.session_store import SessionStore

if TYPE_CHECKING:
    from sessions_plus.client_info import ClientInfo


class Refused(StrEnum):
    """Why a session was not bound: the reason of its event."""

    PROOF = "proof"
    """It is no proof, or not of the key that it brings along."""
    NONCE = "nonce"
    """It signs no nonce of this session, or one of before its user last proved themselves."""
    SECOND_KEY = "second_key"
    """The session is bound to a key already."""


@dataclass(frozen=True, slots=True)
class Bound:
    """A session that is bound now, and to which key."""

    session: UUID
    device_key: UUID


def can_be_bound(row: Row | None) -> bool:
    """Say whether a browser may bind it: somebody is signed in to it, and no key was first."""
    return (
        row is not None
        and row.kind == Kind.BROWSER
        and row.user_id is not None
        and row.device_key_id is None
    )


def offer_nonce(row: Row, now: datetime) -> str:
    """Return what a browser signs to bind the session. It goes to whoever just signed in."""
    return new_nonce(row.public_id, None, now)


def register(
    store: SessionStore, proof: str | None, *, audience: str, now: datetime
) -> Bound | Refused | None:
    """
    Bind the session of a request to the key that its browser brings along.

    None: nobody is signed in to it, or no proof was sent. The first key binds; whoever comes
    second, with a stolen cookie say, is refused, and that is written down.
    """
    row = store.row
    if row is None or row.user_id is None or row.kind != Kind.BROWSER:
        return None
    if proof is None:
        return None  # no browser that binds: another site's form can send none
    key = _judge(row, proof, audience=audience, now=now)
    found = _store(store, row, key, now) if isinstance(key, DevicePublicKey) else key
    if isinstance(found, Refused):
        _record(row, Event.DEVICE_KEY_REFUSED, found, store.client)
    else:
        _record(row, Event.DEVICE_KEY_REGISTERED, None, store.client)
    return found


def _judge(row: Row, proof: str, *, audience: str, now: datetime) -> DevicePublicKey | Refused:
    """Return the key to bind to, or what is wrong."""
    if row.device_key_id is not None:
        return Refused.SECOND_KEY
    signed = take_apart(proof)
    if signed is None or signed.key is None:
        return Refused.PROOF
    if not is_signed_by(signed, signed.key, audience=audience):
        return Refused.PROOF
    return signed.key if _is_offered(row, signed, now) else Refused.NONCE


def _is_offered(row: Row, signed: Signed, now: datetime) -> bool:
    """Say whether the nonce was offered after its user last proved who they are."""
    lifetime = conf.PROOF_LIFETIME + NOT_YET_SIGNED
    issued = read_nonce(signed.nonce, row.public_id, None, now, lifetime=lifetime)
    last_proof = row.reauthenticated_at or row.authenticated_at
    return issued is not None and (last_proof is None or issued >= milliseconds(last_proof))


def _store(store: SessionStore, row: Row, key: DevicePublicKey, now: datetime) -> Bound | Refused:
    """
    Bind the session, and keep the key. One conditional UPDATE decides among many.

    The session's row first: storing the key shares a lock on it, and of two that had one each
    neither could go on (InnoDB).
    """
    public_id = new_public_id()
    with transaction.atomic(using=database()):
        if not store.bind_to_device(public_id, now):
            return Refused.SECOND_KEY
        DeviceKey.objects.using(database()).create(
            public_id=public_id,
            session_id=_primary_key(row),
            algorithm=key.algorithm,
            sealed_jwk=seal(
                json.dumps(dict(key.jwk)).encode(),
                purpose=Purpose.DEVICE_KEY,
                bound_to=jwk_context(public_id, row.public_id),
            ),
            registered_at=now,
        )
    return Bound(row.public_id, public_id)


def _primary_key(row: Row) -> int:
    rows = Session.objects.using(database()).filter(public_id=row.public_id)
    found: int = rows.values_list("pk", flat=True).get()
    return found


def _record(row: Row, event: Event, reason: Refused | None, client: ClientInfo | None) -> None:
    record(
        event,
        user_id=row.user_id,
        session_public_id=row.public_id,
        outcome=Outcome.SUCCESS if reason is None else Outcome.FAILURE,
        reason=reason or "",
        client=client,
    )
