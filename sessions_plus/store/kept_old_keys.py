"""
The old sessions that go on beside those here, while old code serves beside the new.

Their keys are kept sealed, to end them with the session that was made of them.
"""

from __future__ import annotations

from contextlib import suppress
from functools import lru_cache
from uuid import UUID

from django.db import IntegrityError, transaction

from sessions_plus.crypto import Purpose, context, digest, seal, unseal
from sessions_plus.exceptions import SealBroken
from sessions_plus.models import AdoptedKey, Session
from sessions_plus.named_types import UserId
from sessions_plus.rows import session_row
from sessions_plus.store import old_engine, old_tables
from sessions_plus.store.unwritable import apart


@lru_cache(maxsize=10_000)
def digest_of_kept_key(public_id: UUID) -> str:
    """
    Return that of the old session which went on beside this one, or "" where none did.

    Whoever shows another is looked for in the table: a later one may be there by now. A
    transaction around it goes on where that cannot be read.
    """
    with apart():
        rows = AdoptedKey.objects.using(session_row.database()).filter(session_public_id=public_id)
        return rows.exclude(sealed_old_key=b"").values_list("key_hash", flat=True).first() or ""


def kept_old_key(public_id: UUID) -> str | None:
    """Return the key of the old session that still goes on beside this one, or None."""
    return opened(kept(public_id))


def end_others_of(user_id: UserId) -> None:
    """
    End the old engine's sessions of a user, as far as a table tells whose they are.

    Not one that goes on beside a session here: it ends with that, and only then.
    """
    hashes = {digest(key): key for key in old_tables.keys_of(user_id)}
    alias = session_row.database()
    here = Session.objects.using(alias).filter(user_id=user_id, revoked_at=None)
    adopted = AdoptedKey.objects.using(alias).exclude(sealed_old_key=b"")
    beside = adopted.filter(key_hash__in=hashes, session_public_id__in=here.values("public_id"))
    for key_hash in beside.values_list("key_hash", flat=True):
        del hashes[key_hash]
    old_engine.end(hashes.values())


def keep_beside(public_id: UUID, old_key: str) -> None:
    alias = session_row.database()
    adopted = AdoptedKey(key_hash=digest(old_key), session_public_id=public_id)
    # It may have been taken over by itself.
    with suppress(IntegrityError), transaction.atomic(using=alias):
        AdoptedKey.objects.using(alias).filter(session_public_id=public_id).update(
            key_hash=adopted.key_hash,
            sealed_device_token=b"",
            sealed_old_key=sealed(old_key, adopted),
            is_signed_in=True,
        )


def sealed(old_key: str, adopted: AdoptedKey) -> bytes:
    return seal(old_key.encode(), purpose=Purpose.OLD_KEY, bound_to=old_key_context(adopted))


def old_key_context(adopted: AdoptedKey) -> bytes:
    """What a kept old key is bound to: its table, column and row."""
    return context("sessions_plus_adoptedkey", "sealed_old_key", adopted.session_public_id)


def kept(public_id: UUID) -> AdoptedKey | None:
    rows = AdoptedKey.objects.using(session_row.database())
    return rows.filter(session_public_id=public_id).exclude(sealed_old_key=b"").first()


def opened(adopted: AdoptedKey | None) -> str | None:
    if adopted is None:
        return None
    try:
        return unseal(
            bytes(adopted.sealed_old_key),
            purpose=Purpose.OLD_KEY,
            bound_to=old_key_context(adopted),
        ).decode()
    except SealBroken:
        return None
