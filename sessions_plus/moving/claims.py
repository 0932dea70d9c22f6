"""
Whom an old session is of, and what they proved: whether it lets somebody in here.

Invariant for whoever edits this: whoever is let in is let in by Django, too, and whoever has a
second factor here comes in only if the old session proved that very factor.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import cast

from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, load_backend
from django.contrib.auth.base_user import AbstractBaseUser

from sessions_plus.crypto import same
from sessions_plus.mfa import elsewhere
from sessions_plus.mfa.methods import (
    DEVICE_BOUND,
    RECOVERY_CODE,
    SECURITY_KEY,
    SYNCED,
    TOTP_CODE,
)
from sessions_plus.mfa.sign_in import method_by
from sessions_plus.models import Authenticator, RecoveryCode
from sessions_plus.moving.old_proofs import read_proofs
from sessions_plus.named_types import UserId
from sessions_plus.rows import session_row
from sessions_plus.rows.columns import user_id_in
from sessions_plus.rows.lifetime import limits_of
from sessions_plus.store.old_engine import OldSession

# Nobody is thrown out on the day of the move for having signed in long before it.
LEFT_AT_LEAST = timedelta(days=1)

FindUser = Callable[[str, UserId], "AbstractBaseUser | None"]


class Refusal(StrEnum):
    """Why an old session lets nobody in, though it names somebody."""

    BACKEND = "backend"
    """The site does not have the backend any more that let them in."""
    USER = "user"
    """They are not there any more, or are disabled."""
    PASSWORD = "password"  # noqa: S105 - a label
    """Their password is another by now, or the site's ``SECRET_KEY``."""
    ACTING = "acting"
    """Somebody else acts in it as its user."""
    ENDED = "ended"
    """Their sessions were ended here meanwhile."""


def find_user(path: str, user_id: UserId) -> AbstractBaseUser | None:
    """Return a user as the backend knows them: not if they are disabled."""
    return cast("AbstractBaseUser | None", load_backend(path).get_user(user_id))


def whose(old: OldSession, *, find: FindUser = find_user) -> AbstractBaseUser | Refusal | None:
    """Return whom an old session lets in, or why it does not; None: it is nobody's."""
    if not old.is_somebodys:
        return None
    if old.is_acted_in:
        return Refusal.ACTING
    path, user_id = old.data.get(BACKEND_SESSION_KEY), user_id_in(old.data)
    if path not in settings.AUTHENTICATION_BACKENDS:
        return Refusal.BACKEND
    user = find(str(path), user_id) if user_id is not None else None
    if user is None:
        return Refusal.USER
    stored = str(old.data.get(HASH_SESSION_KEY, ""))
    valid = (user.get_session_auth_hash(), *user.get_session_auth_fallback_hash())
    return user if any(same(stored, each) for each in valid) else Refusal.PASSWORD


@dataclass(slots=True)
class Factors:
    """
    The second factors that somebody has here, as far as they came along.

    ``in_use``, ``codes``
        whence authenticators came that are in use, each with what it proves, and recovery codes.
    ``is_asked``
        whether they are asked for one at sign-in.
    """

    in_use: dict[str, tuple[str, ...]] = field(default_factory=dict)
    codes: set[str] = field(default_factory=set)
    is_asked: bool = False

    def proved(self, factors: Collection[str]) -> tuple[str, ...]:
        """Return the methods by which one of these was proved."""
        for name in sorted(factors):
            if name in self.in_use:
                return self.in_use[name]
        return () if self.codes.isdisjoint(factors) else (RECOVERY_CODE,)


def factors_of(user_ids: Iterable[UserId]) -> dict[UserId, Factors]:
    """Return the factors of users, by primary key. Two queries, however many there are."""
    found = {user_id: Factors() for user_id in user_ids}
    alias = session_row.database()
    rows = Authenticator.objects.using(alias).confirmed().filter(user_id__in=found)
    columns = ("user_id", "imported_from", "disabled_at", "backup_eligible")
    for user_id, name, disabled_at, is_synced in rows.values_list(*columns):
        found[user_id].is_asked = True
        if name and disabled_at is None:
            found[user_id].in_use[name] = _methods(is_synced)
    asked = [user_id for user_id, factors in found.items() if factors.is_asked]
    codes = RecoveryCode.objects.using(alias).filter(user_id__in=asked).exclude(imported_from="")
    for user_id, name in codes.values_list("user_id", "imported_from"):
        found[user_id].codes.add(name)
    return found


def _methods(is_synced: bool | None) -> tuple[str, ...]:
    """What is known to have been proved; ``is_synced`` None: by an app, else by a passkey."""
    if is_synced is None:
        return (TOTP_CODE,)
    return (SECURITY_KEY, SYNCED if is_synced else DEVICE_BOUND)


@dataclass(frozen=True, slots=True)
class Claim:
    """
    What an old session says of its user's sign-in.

    ``methods``
        how they proved themselves; of second factors only what counts here.
    ``must_wait``
        whether they have yet to prove their second factor.
    ``since``
        where the absolute lifetime is counted from.
    """

    methods: tuple[str, ...]
    must_wait: bool
    since: datetime


def claim_of(old: OldSession, user: AbstractBaseUser, factors: Factors, *, now: datetime) -> Claim:
    """Return what an old session of ``user``, who has these factors here, is worth."""
    proofs = read_proofs(old.data)
    second = factors.proved(proofs.factors) if factors.is_asked else ()
    second = second or elsewhere.proved_before(user, proofs.factors)
    first = proofs.first or method_by(old.data.get(BACKEND_SESSION_KEY), user)
    methods = (first, *second)
    return Claim(
        methods=methods,
        must_wait=factors.is_asked and not second,
        since=_since(old, proofs.began_at, methods, now),
    )


def signed_in_at(old: OldSession) -> datetime | None:
    """Return when its user signed in, as far as anybody wrote that down."""
    return read_proofs(old.data).began_at or old.details.created_at


def _since(
    old: OldSession, proved_at: datetime | None, methods: tuple[str, ...], now: datetime
) -> datetime:
    """
    Return since when a session's absolute lifetime is counted.

    Since its sign-in, as far as that is known; but a day of it is left, at least.
    """
    known = [moment for moment in (old.details.created_at, proved_at) if moment is not None]
    began = min([*known, now])
    lifetime = limits_of(
        user_id=user_id_in(old.data), data=old.data, auth_methods=" ".join(methods)
    ).absolute_lifetime
    return began if lifetime is None else max(began, min(now, now - lifetime + LEFT_AT_LEAST))
