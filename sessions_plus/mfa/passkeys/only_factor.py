"""
Passkeys in place of a password: when that may be given up, and that the last way in stays.

A password kept elsewhere, by LDAP say, cannot be seen here, nor can another service: that
somebody has one is believed where the session was begun by it.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING

from django.contrib.auth.base_user import AbstractBaseUser

from sessions_plus.authority import Authority
from sessions_plus.devices.trust import distrust_all
from sessions_plus.events import record
from sessions_plus.exceptions import LastWayIn
from sessions_plus.lifecycle.alone import alone_for
from sessions_plus.lifecycle.passwords import end_or_keep_others
from sessions_plus.mfa import recovery_codes
from sessions_plus.mfa.methods import EXTERNAL, PASSWORD
from sessions_plus.mfa.passkeys.credentials import passkeys
from sessions_plus.mfa.passkeys.relying_party import (
    RelyingParty,
    find_relying_party,
    sign_in_alone,
)
from sessions_plus.mfa.reauthentication import check_own
from sessions_plus.models import Authenticator, Event
from sessions_plus.named_types import Columns

if TYPE_CHECKING:
    from sessions_plus.client_info import ClientInfo
    from sessions_plus.store.session_store import SessionStore


def signs_in_alone(passkey: Authenticator) -> bool:
    """Say whether a passkey needs neither a password nor a user's name. Pure."""
    return bool(passkey.verifies_user and passkey.is_discoverable)


def suffice(own: Iterable[Authenticator], *, codes_left: int) -> bool:
    """
    Say whether passkeys are enough to do without a password: two, or one that is backed up
    and codes that stand in for it. Pure.
    """
    alone = [passkey for passkey in own if signs_in_alone(passkey)]
    is_safe = any(passkey.backed_up for passkey in alone) and codes_left > 0
    return len(alone) >= 2 or is_safe


def may_do_without(
    user: AbstractBaseUser,
    own: Iterable[Authenticator],
    *,
    codes_left: int,
    party: RelyingParty | None,
) -> bool:
    """Say whether ``user`` has a password, and could sign in by what is their ``own``. No I/O."""
    if party is None or not sign_in_alone() or not user.has_usable_password():
        return False
    here = [passkey for passkey in own if passkey.is_passkey and passkey.rp_id == party.id]
    return suffice(here, codes_left=codes_left)


def may_give_up_password(user: AbstractBaseUser, party: RelyingParty | None) -> bool:
    """See may_do_without(). Two queries."""
    own = passkeys().usable().for_user(user)
    return may_do_without(user, own, codes_left=recovery_codes.left(user), party=party)


def has_given_up(user: AbstractBaseUser, own: Iterable[Authenticator]) -> bool:
    """Say whether ``user`` signs in by passkeys and has no password, by their choice. No I/O."""
    if user.has_usable_password():
        return False
    return any(passkey.replaces_password for passkey in own)


def has_given_up_password(user: AbstractBaseUser) -> bool:
    """See has_given_up(). One query, of those who have no password."""
    return has_given_up(user, passkeys().for_user(user))


def give_up_password(
    user: AbstractBaseUser,
    *,
    authority: Authority,
    party: RelyingParty,
    client: ClientInfo | None,
    now: datetime,
) -> None:
    """
    Let ``user`` sign in by passkeys only. Every other session of theirs ends, and all trust.

    The caller keeps its own session: see Django's ``update_session_auth_hash()``.

    Raises:
        LastWayIn: their passkeys are not enough.
        ActingForAnother, PermissionDenied: see ``reauthentication.check_own``.
    """
    check_own(authority, user)
    with alone_for(user.pk):
        if not may_give_up_password(user, party):
            raise LastWayIn
        user.set_unusable_password()
        user.save(update_fields=["password"])
        passkeys().for_user(user).update(replaces_password=True)
    end_or_keep_others(user, own=authority.session_public_id, client=client)
    distrust_all(user, client=client)
    record(
        Event.PASSWORD_REMOVED,
        user=user,
        session_public_id=authority.session_public_id,
        client=client,
    )
    authority.bind(WithoutPassword(), client=client, now=now)


def forget_that_it_was_given_up(user: AbstractBaseUser) -> None:
    """They have a password again, whoever set it."""
    passkeys().for_user(user).filter(replaces_password=True).update(replaces_password=False)


def check_not_last(
    authenticator: Authenticator, user: AbstractBaseUser, methods: Iterable[str]
) -> None:
    """
    See to it that ``user`` could sign in without one of their authenticators.

    ``methods`` are those of their session, which may show another way in. An app is none.

    Raises:
        LastWayIn: they could not.
    """
    if not authenticator.is_passkey or user.has_usable_password():
        return
    if not {PASSWORD, EXTERNAL}.isdisjoint(methods):
        return
    others = passkeys().usable().for_user(user).exclude(pk=authenticator.pk)
    party = find_relying_party(None)
    if party is not None:
        others = others.filter(rp_id=party.id)
    if not any(signs_in_alone(passkey) for passkey in others):
        raise LastWayIn


class WithoutPassword:
    """What giving up the password changes in the session that did it (a ``Binding``)."""

    def columns(self, store: SessionStore, now: datetime) -> Columns:
        row = store.row
        if row is None:
            return {}
        return {
            "auth_methods": _without_password(row.auth_methods),
            "reauth_methods": _without_password(row.reauth_methods),
        }

    def beside(self, store: SessionStore, now: datetime) -> None:
        """Nothing stands or falls with it."""

    def written(self, store: SessionStore, now: datetime) -> None:
        """Giving it up was recorded when it was done."""


def _without_password(methods: str) -> str:
    return " ".join(method for method in methods.split() if method != PASSWORD)
