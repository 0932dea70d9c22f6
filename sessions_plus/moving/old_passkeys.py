"""
Passkeys as other packages keep them: what their authenticators know stays as it is.

Whatever is not a passkey of this site does not come along, and is counted by why.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.views.decorators.debug import sensitive_variables

from sessions_plus.conf import conf
from sessions_plus.crypto import digest_of
from sessions_plus.exceptions import PasskeyRefused
from sessions_plus.mfa.passkeys import library
from sessions_plus.mfa.passkeys.relying_party import find_relying_party
from sessions_plus.mfa.passkeys.sent import (
    AuthenticatorData,
    authenticator_data,
    read_new_passkey,
    transports,
)
from sessions_plus.moving.left import Left
from sessions_plus.named_types import OthersRow


@dataclass(frozen=True, slots=True, repr=False)
class OldPasskey:
    """One passkey. ``name`` is what ``Authenticator.imported_from`` says of it."""

    name: str
    rp_id: str
    credential_id: bytes
    public_key: bytes
    user_handle: bytes
    aaguid: UUID
    sign_count: int
    transports: tuple[str, ...]
    backup_eligible: bool
    backed_up: bool
    verifies_user: bool
    is_discoverable: bool
    label: str = ""
    confirmed_at: datetime | None = None
    last_used_at: datetime | None = None


@sensitive_variables()
def of_allauth(row: OthersRow, name: str, user_handle: bytes) -> OldPasskey | Left:
    """Return what a row of ``allauth.mfa`` is, which keeps what the browser sent at first."""
    domain = _domain()
    if domain is None:
        return Left.PASSKEY
    try:
        new = read_new_passkey(row.data["credential"])
        data = authenticator_data(library.attested_data(new.attestation_object))
        if not _is_of(data, domain):
            return Left.DOMAIN
        credential = library.verify_new(new, rp_id=domain, needs_presence=False)
    except (PasskeyRefused, KeyError, TypeError):
        return Left.DAMAGED
    found = OldPasskey(
        name=name,
        rp_id=domain,
        credential_id=credential.credential_id,
        public_key=credential.public_key,
        user_handle=user_handle,
        aaguid=credential.aaguid,
        # It counts nothing, so that whatever comes next goes on from here.
        sign_count=data.sign_count,
        transports=new.transports,
        backup_eligible=data.backup_eligible,
        backed_up=data.backed_up,
        verifies_user=data.is_verified,
        is_discoverable=bool(new.is_discoverable),
        label=str(row.data.get("name") or ""),
        confirmed_at=row.created_at,
        last_used_at=row.last_used_at,
    )
    return _if_taken(found)


@sensitive_variables()
def of_otp_webauthn(row: OthersRow, name: str, user_handle: bytes | None) -> OldPasskey | Left:
    """Return what a row of django-otp-webauthn is, which keeps the keys apart."""
    domain = _domain()
    if domain is None:
        return Left.PASSKEY
    if user_handle is None:
        return Left.DAMAGED
    attestation = getattr(row, "attestation", None)
    try:
        library.check_key(bytes(row.public_key))
        data = (
            authenticator_data(library.attested_data(bytes(attestation.data)))
            if attestation is not None
            else None
        )
        aaguid = UUID(row.aaguid)
    except (PasskeyRefused, ValueError):
        return Left.DAMAGED
    if data is not None and not _is_of(data, domain):
        return Left.DOMAIN
    found = OldPasskey(
        name=name,
        rp_id=domain,
        credential_id=bytes(row.credential_id),
        public_key=bytes(row.public_key),
        user_handle=user_handle,
        aaguid=aaguid,
        sign_count=row.sign_count,
        transports=transports(row.transports),
        backup_eligible=row.backup_eligible,
        backed_up=row.backup_state,
        verifies_user=data is not None and data.is_verified,
        is_discoverable=bool(row.discoverable),
        label=row.name,
        confirmed_at=getattr(row, "created_at", None),
        last_used_at=getattr(row, "last_used_at", None),
    )
    return _if_taken(found)


def _domain() -> str | None:
    """Return for what domain passkeys are here; None: it is not certain, or they are off."""
    party = find_relying_party(None)
    return party.id if party is not None else None


def _is_of(data: AuthenticatorData, domain: str) -> bool:
    return data.rp_id_hash.hex() == digest_of(domain.encode())


def _if_taken(found: OldPasskey) -> OldPasskey | Left:
    return Left.SYNCED if found.backup_eligible and not conf.PASSKEY_ACCEPT_SYNCED else found
