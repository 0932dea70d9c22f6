"""
Whether a password manager may save a passkey by itself, as it just filled in the password.

Only for who has a second factor already, and codes for its loss: to others it would bring
one unasked, and a sign-in on a device that has no such manager would fail for want of it.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from sessions_plus.authority import proof_of
from sessions_plus.mfa import recovery_codes
from sessions_plus.mfa.methods import PASSWORD, has_second_factor
from sessions_plus.mfa.passkeys.credentials import passkeys
from sessions_plus.mfa.passkeys.relying_party import find_relying_party
from sessions_plus.mfa.reauthentication import is_fresh, max_age_of
from sessions_plus.models import Authenticator
from sessions_plus.named_types import PersonRequest
from sessions_plus.rows.session_row import Row

LATELY = timedelta(minutes=5)
"""How long browsers remember that a password was filled in."""


def was_typed_lately(row: Row | None, *, now: datetime) -> bool:
    """Say whether the session began just now, with a password and a second factor. Pure."""
    if row is None or row.authenticated_at is None or now - row.authenticated_at >= LATELY:
        return False
    methods = row.auth_methods.split()
    return PASSWORD in methods and has_second_factor(methods)


def may_upgrade(
    request: PersonRequest,
    *,
    own: Iterable[Authenticator] | None = None,
    codes_left: int | None = None,
    now: datetime,
) -> bool:
    """
    Say whether a passkey may be made for who just signed in. Mostly no query; else two.

    ``own`` and ``codes_left``: what they have, where that was read before.
    """
    proof = proof_of(request)
    row = proof.row if proof is not None else None
    if not was_typed_lately(row, now=now):
        return False
    party, age = find_relying_party(request), max_age_of("all")
    if party is None or not is_fresh(
        row, factors="all", has_authenticator=True, max_age=age, now=now
    ):
        return False
    known = passkeys().for_user(request.user) if own is None else own
    if any(passkey.rp_id == party.id for passkey in known):
        return False
    return (recovery_codes.left(request.user) if codes_left is None else codes_left) > 0
