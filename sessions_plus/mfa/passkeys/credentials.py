"""What is stored of a passkey: its public key sealed, and its id, by whose digest it is found."""

from __future__ import annotations

from uuid import UUID

from sessions_plus.crypto import Purpose, context, digest_of, seal, unseal
from sessions_plus.mfa.methods import DEVICE_BOUND, PASSKEY, SECURITY_KEY, SYNCED
from sessions_plus.models import Authenticator
from sessions_plus.models.authenticator import AuthenticatorQuerySet
from sessions_plus.rows import session_row

MAX_ID_BYTES = 1023  # WebAuthn §4, "Credential ID"


def credential_hash(credential_id: bytes) -> str:
    return digest_of(credential_id)


def key_context(public_id: UUID, user_id: object) -> bytes:
    """What a public key is bound to: its table, column, row and owner."""
    return context("sessions_plus_authenticator", "sealed_public_key", public_id, user_id)


def seal_public_key(key: bytes, *, public_id: UUID, user_id: object) -> bytes:
    return seal(key, purpose=Purpose.PASSKEY, bound_to=key_context(public_id, user_id))


def open_public_key(passkey: Authenticator) -> bytes:
    """
    Return the COSE key that its signatures are verified with.

    Raises:
        SealBroken: the column was damaged or moved, or its key is lost.
    """
    return unseal(
        bytes(passkey.sealed_public_key or b""),
        purpose=Purpose.PASSKEY,
        bound_to=key_context(passkey.public_id, passkey.user_id),
    )


def methods_of(passkey: Authenticator, *, is_verified: bool) -> tuple[str, str]:
    """
    Return how its user has proved themselves with it.

    ``is_verified``: it made sure this time that they are there.
    """
    return (
        PASSKEY if is_verified and passkey.verifies_user else SECURITY_KEY,
        SYNCED if passkey.backup_eligible else DEVICE_BOUND,
    )


def passkeys() -> AuthenticatorQuerySet:
    """All that are complete, whoever they are of."""
    return Authenticator.objects.using(session_row.database()).passkeys().confirmed()
