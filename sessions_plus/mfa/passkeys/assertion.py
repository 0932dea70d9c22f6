"""
Whether a passkey really signed, and whose it is. Used up only when all of it held.

Invariant for whoever edits this: nothing is counted, stored or spent for a person before the
signature of their passkey held, so that nobody can be kept out by what others send.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from django.contrib.auth.base_user import AbstractBaseUser

from sessions_plus.conf import conf
from sessions_plus.exceptions import PasskeyRefused, PasskeyUnknown, SealBroken
from sessions_plus.mfa.passkeys import library, rules
from sessions_plus.mfa.passkeys.credentials import (
    credential_hash,
    methods_of,
    open_public_key,
    passkeys,
)
from sessions_plus.mfa.passkeys.relying_party import RelyingParty
from sessions_plus.mfa.passkeys.sent import Assertion, read_assertion
from sessions_plus.models import Authenticator


@dataclass(frozen=True, slots=True)
class Asked:
    """
    What a passkey was asked for.

    ``is_nonce``
        whether a nonce is the one that it had to sign.
    ``user``
        whose passkey it has to be; None: it tells who comes.
    """

    party: RelyingParty
    is_nonce: Callable[[bytes], bool]
    user: AbstractBaseUser | None = None


@dataclass(frozen=True, slots=True, repr=False)
class Verified:
    """A passkey that signed, and what it said."""

    passkey: Authenticator
    assertion: Assertion

    @property
    def methods(self) -> tuple[str, str]:
        """How its user has proved themselves with it."""
        return methods_of(self.passkey, is_verified=self.assertion.data.is_verified)


def verify(sent: object, asked: Asked) -> Verified:
    """
    Return the passkey that signed what it was asked for. One query; nothing is written.

    Raises:
        PasskeyUnknown: there is none of that id, or it is somebody else's.
        PasskeyRefused: for whatever other reason; with whose it is, where that is known.
    """
    assertion = read_assertion(sent)
    rules.check_page(assertion.client, kind=rules.USED, origins=asked.party.origins)
    if not asked.is_nonce(assertion.client.nonce):
        raise PasskeyRefused("nonce")
    passkey = _find(assertion, asked)
    try:
        _check(passkey, assertion, asked)
    except PasskeyRefused as refusal:
        refusal.user_id = passkey.user_id
        raise
    return Verified(passkey, assertion)


def _find(assertion: Assertion, asked: Asked) -> Authenticator:
    known = passkeys().usable().filter(credential_hash=credential_hash(assertion.credential_id))
    if asked.user is not None:
        known = known.for_user(asked.user)
    passkey = known.first()
    if passkey is None:
        raise PasskeyUnknown(credential_id=assertion.credential_id, rp_id=asked.party.id)
    return passkey


def _check(passkey: Authenticator, assertion: Assertion, asked: Asked) -> None:
    rp_id, data = str(passkey.rp_id), assertion.data
    is_alone = asked.user is None
    rules.check_data(data, rp_id=rp_id, needs_presence=True, needs_verification=is_alone)
    # Who was not asked for their name is known by nothing else (WebAuthn §7.2, step 6).
    if is_alone or assertion.user_handle is not None:
        _check_handle(passkey, assertion)
    try:
        public_key = open_public_key(passkey)
    except SealBroken:
        raise PasskeyRefused("unreadable") from None
    library.verify_signature(assertion, public_key=public_key, rp_id=rp_id)
    rules.check_backup(
        backup_eligible=data.backup_eligible,
        before=bool(passkey.backup_eligible),
        accepts_synced=conf.PASSKEY_ACCEPT_SYNCED,
    )


def _check_handle(passkey: Authenticator, assertion: Assertion) -> None:
    if assertion.user_handle != bytes(passkey.user_handle or b""):
        raise PasskeyRefused("user_handle")


def accept(verified: Verified, *, may_upgrade: bool, now: datetime) -> bool:
    """
    Write down that the passkey was used. One conditional UPDATE.

    Return False where its count did not go on, so that there may be a copy of it; or where it
    was removed meanwhile. ``may_upgrade``: another factor was proved just now, so a passkey
    that asked who is there for the first time counts as one that does, from the next time on
    (WebAuthn §7.2, step 20): else whoever finds a key without a PIN could set one.
    """
    passkey, data = verified.passkey, verified.assertion.data
    own = passkeys().usable().filter(pk=passkey.pk)
    on = own.filter(sign_count__lt=data.sign_count) if data.sign_count else own.filter(sign_count=0)
    changes = {"sign_count": data.sign_count, "backed_up": data.backed_up, "last_used_at": now}
    if may_upgrade and data.is_verified and not passkey.verifies_user:
        changes["verifies_user"] = True
    return on.update(**changes) == 1
