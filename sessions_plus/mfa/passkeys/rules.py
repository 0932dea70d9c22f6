"""
What has to hold of what was sent, as rules of values: no clock, no database, no library.

The library that verifies signatures looks at most of it again. It does not look at whether the
page was embedded in another site's, nor at what the passkey said of itself before.
"""

from __future__ import annotations

from collections.abc import Iterable

from sessions_plus.crypto import digest_of
from sessions_plus.exceptions import PasskeyNotAllowed, PasskeyRefused
from sessions_plus.mfa.passkeys.sent import AuthenticatorData, ClientData

MADE = "webauthn.create"
USED = "webauthn.get"


def check_page(client: ClientData, *, kind: str, origins: Iterable[str]) -> None:
    """
    See to it that a page of this site asked, and asked for this (WebAuthn §7.1, §7.2).

    Raises:
        PasskeyRefused: another page did, or one in a frame, or for something else.
    """
    if client.type != kind:
        raise PasskeyRefused("type")
    if client.origin not in origins:
        raise PasskeyRefused("origin")
    if client.is_framed:
        raise PasskeyRefused("cross_origin")


def check_data(
    data: AuthenticatorData, *, rp_id: str, needs_presence: bool, needs_verification: bool
) -> None:
    """
    See to it that the authenticator signed for this domain, with somebody there.

    Raises:
        PasskeyRefused: it did not, or says what cannot be.
    """
    if data.rp_id_hash.hex() != digest_of(rp_id.encode()):
        raise PasskeyRefused("rp_id")
    if needs_presence and not data.is_present:
        raise PasskeyRefused("not_present")
    if needs_verification and not data.is_verified:
        raise PasskeyRefused("not_verified")
    if data.backed_up and not data.backup_eligible:
        raise PasskeyRefused("backup_flags")


def check_backup(*, backup_eligible: bool, before: bool, accepts_synced: bool) -> None:
    """
    See to it that a passkey may be synced as much as it might before, and as the site allows.

    Raises:
        PasskeyRefused: it says now what it did not say when it was made (WebAuthn §6.1.3).
        PasskeyNotAllowed: it can be synced, which the site does not allow.
    """
    if backup_eligible != before:
        raise PasskeyRefused("backup_flags")
    if backup_eligible and not accepts_synced:
        raise PasskeyNotAllowed


def goes_on(*, before: int, now: int) -> bool:
    """Say whether a count went on. Where neither has ever counted there is nothing to tell."""
    return now > before or (now == 0 and before == 0)
