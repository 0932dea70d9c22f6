"""
How a passkey comes to be one of a person's: begun in a session, and completed there.

While it is begun its row has an owner and no credential, as an app's has a secret that
nobody confirmed.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from contextlib import nullcontext
from datetime import datetime
from types import MappingProxyType
from typing import TYPE_CHECKING
from uuid import UUID

from django.contrib.auth.base_user import AbstractBaseUser
from django.db import IntegrityError, connections, transaction

from sessions_plus.authority import Authority
from sessions_plus.conf import conf
from sessions_plus.devices.naming import clean_name
from sessions_plus.events import record
from sessions_plus.exceptions import EnrolmentOver, PasskeyRefused, TooManyPasskeys
from sessions_plus.mfa.enrolment import PENDING_LIFETIME, Enrolled, complete
from sessions_plus.mfa.passkeys import library, nonces, options, rules
from sessions_plus.mfa.passkeys.credentials import credential_hash, methods_of, seal_public_key
from sessions_plus.mfa.passkeys.nonces import Use
from sessions_plus.mfa.passkeys.options import Options
from sessions_plus.mfa.passkeys.relying_party import RelyingParty, sign_in_alone
from sessions_plus.mfa.passkeys.sent import (
    AuthenticatorData,
    NewPasskey,
    authenticator_data,
    read_new_passkey,
)
from sessions_plus.mfa.reauthentication import check_own
from sessions_plus.models import Authenticator, AuthenticatorKind, Event, Outcome
from sessions_plus.models.authenticator import TOTP_COLUMNS, AuthenticatorQuerySet
from sessions_plus.rows import session_row

if TYPE_CHECKING:
    from sessions_plus.client_info import ClientInfo

HANDLE_BYTES = 32

# What the row of no app has, whatever an app's defaults are.
NO_CODES: Mapping[str, None] = MappingProxyType(dict.fromkeys(TOTP_COLUMNS))


def _of(user: AbstractBaseUser) -> AuthenticatorQuerySet:
    return Authenticator.objects.using(session_row.database()).for_user(user).passkeys()


def may_add(user: AbstractBaseUser) -> bool:
    """Say whether ``user`` may have one passkey more."""
    return _of(user).confirmed().count() < conf.MAX_PASSKEYS


def begin(
    user: AbstractBaseUser,
    *,
    party: RelyingParty,
    session_public_id: UUID,
    is_conditional: bool = False,
    now: datetime,
) -> Options:
    """
    Return what a browser is to make a passkey by. Whatever waited before is void.

    ``is_conditional``: a password manager may make it without asking anybody, as it just
    filled in the password (WebAuthn §5.1.4, "conditional"). Then nobody had to be there.

    Raises:
        TooManyPasskeys: they have as many as there may be.
    """
    known = list(_of(user).confirmed())
    if len(known) >= conf.MAX_PASSKEYS:
        raise TooManyPasskeys
    _of(user).pending().delete()
    pending = Authenticator(
        user_id=user.pk,
        kind=AuthenticatorKind.PASSKEY,
        enrolling_session=session_public_id,
        created_at=now,
        user_handle=_handle_of(known),
        rp_id=party.id,
        replaces_password=any(passkey.replaces_password for passkey in known),
        **NO_CODES,
    )
    pending.save(using=session_row.database(), force_insert=True)
    return options.to_make(
        user,
        party=party,
        nonce=nonces.of_row(_use(is_conditional), pending.public_id),
        user_handle=bytes(pending.user_handle or b""),
        known=[passkey for passkey in known if passkey.rp_id == party.id],
        is_alone=sign_in_alone(),
    )


def _handle_of(known: list[Authenticator]) -> bytes:
    """Return what authenticators are to know the user by: always the same (WebAuthn §14.6.1)."""
    return bytes(known[0].user_handle or b"") if known else secrets.token_bytes(HANDLE_BYTES)


def _use(is_conditional: bool) -> Use:
    return Use.CONDITIONAL_ENROLMENT if is_conditional else Use.ENROLMENT


def finish(
    user: AbstractBaseUser,
    sent: object,
    *,
    party: RelyingParty,
    authority: Authority | None,
    session_public_id: UUID | None = None,
    name: str = "",
    client: ClientInfo | None,
    now: datetime,
) -> Enrolled:
    """
    Complete the enrolment with the passkey that was made. See ``enrolment.confirm()``.

    Raises:
        EnrolmentOver: nothing waits in this session, or no longer.
        PasskeyNotAllowed: it can be synced, which the site does not allow.
        PasskeyRefused: it was made for another page, person or moment, or is not ours to take.
        ActingForAnother, PermissionDenied: see ``reauthentication.check_own``.
    """
    if authority is not None:
        check_own(authority, user)
        session_public_id = authority.session_public_id
    pending = _find_pending(user, session_public_id, now)
    try:
        new = read_new_passkey(sent)
        data = _check(new, pending, party)
        _store(new, data, pending, name=clean_name(name), now=now)
    except PasskeyRefused as refusal:
        record(
            Event.ENROLMENT_FAILED,
            user=user,
            session_public_id=session_public_id,
            outcome=Outcome.FAILURE,
            reason=f"passkey_{refusal.reason}",
            client=client,
        )
        raise
    pending.refresh_from_db(using=session_row.database())
    methods = methods_of(pending, is_verified=True)
    return complete(pending, user, methods, authority=authority, client=client, now=now)


def _find_pending(
    user: AbstractBaseUser, session_public_id: UUID | None, now: datetime
) -> Authenticator:
    found = None
    if session_public_id is not None:
        begun = _of(user).pending().filter(enrolling_session=session_public_id)
        found = begun.filter(created_at__gt=now - PENDING_LIFETIME).first()
    if found is None:
        raise EnrolmentOver
    return found


def _check(new: NewPasskey, pending: Authenticator, party: RelyingParty) -> AuthenticatorData:
    """Return what the authenticator says, once all of it holds that can be told without a key."""
    rules.check_page(new.client, kind=rules.MADE, origins=party.origins)
    is_conditional = nonces.is_of_row(
        new.client.nonce, use=Use.CONDITIONAL_ENROLMENT, public_id=pending.public_id
    )
    if not is_conditional and not nonces.is_of_row(
        new.client.nonce, use=Use.ENROLMENT, public_id=pending.public_id
    ):
        raise PasskeyRefused("nonce")
    data = authenticator_data(library.attested_data(new.attestation_object))
    rules.check_data(
        data,
        rp_id=str(pending.rp_id),
        needs_presence=not is_conditional,
        needs_verification=sign_in_alone() and not is_conditional,
    )
    rules.check_backup(
        backup_eligible=data.backup_eligible,
        before=data.backup_eligible,
        accepts_synced=conf.PASSKEY_ACCEPT_SYNCED,
    )
    return data


def _store(
    new: NewPasskey, data: AuthenticatorData, pending: Authenticator, *, name: str, now: datetime
) -> None:
    """Complete the row, once, and only if nobody has this passkey already."""
    credential = library.verify_new(new, rp_id=str(pending.rp_id), needs_presence=data.is_present)
    sealed = seal_public_key(
        credential.public_key, public_id=pending.public_id, user_id=pending.user_id
    )
    waiting = Authenticator.objects.using(session_row.database()).passkeys().pending()
    alias = session_row.database()
    # A savepoint keeps a refused UPDATE from spoiling the view's transaction, if there is one.
    guard = transaction.atomic(alias) if connections[alias].in_atomic_block else nullcontext()
    try:
        with guard:
            is_completed = waiting.filter(pk=pending.pk).update(
                confirmed_at=now,
                last_used_at=now,
                enrolling_session=None,
                name=name,
                credential_id=credential.credential_id,
                credential_hash=credential_hash(credential.credential_id),
                sealed_public_key=sealed,
                sign_count=data.sign_count,
                aaguid=credential.aaguid,
                transports=" ".join(new.transports),
                backup_eligible=data.backup_eligible,
                backed_up=data.backed_up,
                verifies_user=data.is_verified,
                is_discoverable=sign_in_alone()
                if new.is_discoverable is None
                else new.is_discoverable,
            )
    except IntegrityError:
        raise PasskeyRefused("known") from None
    if not is_completed:
        raise EnrolmentOver
