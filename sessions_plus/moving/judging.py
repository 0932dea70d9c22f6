"""
What is to become of many old sessions at once, decided without changing anything.

Nobody loses by it: what would end sooner for having been taken over now, and whoever has yet
to prove a second factor, is left for when they come.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from django.contrib.auth.base_user import AbstractBaseUser

from sessions_plus.crypto import digest
from sessions_plus.models import AdoptedKey
from sessions_plus.moving.claims import (
    Claim,
    Factors,
    Refusal,
    claim_of,
    factors_of,
    find_user,
    whose,
)
from sessions_plus.named_types import OthersRow, UserId
from sessions_plus.policy import expires_at
from sessions_plus.rows import session_row
from sessions_plus.rows.lifetime import limits_of
from sessions_plus.store import old_engine, old_tables
from sessions_plus.store.old_engine import OldSession
from sessions_plus.store.old_tables import NOTHING_TOLD, Details


class Fate(StrEnum):
    """What became of an old session, or would; besides the reasons of ``Refusal``."""

    SIGNED_IN = "signed_in"
    VISIT = "visit"
    """It is here now: somebody's, or nobody's with what they had in it."""
    HERE = "here"
    """It was taken over before."""
    WAITS = "waits"
    """Left for when its owner comes: they have a second factor, and have not proved it."""
    SHORTER = "shorter"
    """Left for when its owner comes: if they came late, it would be over by then."""
    EMPTY = "empty"
    DAMAGED = "damaged"
    """Its data does not open: another ``SECRET_KEY``, or another ``SESSION_SERIALIZER``."""


class Dated(NamedTuple):
    """An old session, when it ends there, and whether its data opens."""

    old: OldSession
    expires_at: datetime
    opens: bool


@dataclass(frozen=True, slots=True)
class Plan:
    """One old session that is to be taken over; ``claim`` None: it is nobody's."""

    old: OldSession
    user: AbstractBaseUser | None
    claim: Claim | None
    last_activity: datetime


def read_all(rows: Sequence[OthersRow]) -> list[Dated]:
    """Read the sessions of some rows of the old engine, with what tables tell of them."""
    details = old_tables.details_of([row.session_key for row in rows])
    return [_dated(row, details.get(row.session_key, NOTHING_TOLD)) for row in rows]


def _dated(row: OthersRow, details: Details) -> Dated:
    data = old_engine.decode(row.session_data)
    old = OldSession(row.session_key, old_engine.storable(data or {}), details)
    return Dated(old, row.expire_date, opens=data is not None)


class Judge:
    """Says what is to become of old sessions. Few queries, however many they are."""

    def __init__(self, sessions: Sequence[Dated], *, now: datetime) -> None:
        self.now = now
        self._users: dict[tuple[str, UserId], AbstractBaseUser | None] = {}
        self._known = _known_among([dated.old.key for dated in sessions])
        found = [whose(dated.old, find=self._find) for dated in sessions]
        people = [user.pk for user in found if isinstance(user, AbstractBaseUser)]
        self._factors = factors_of(people)
        self.plans: list[Plan] = []
        self.fates: Counter[str] = Counter()
        for dated, user in zip(sessions, found, strict=True):
            fate = self._judge(dated, user)
            if isinstance(fate, Plan):
                self.plans.append(fate)
            else:
                self.fates[fate] += 1

    def _find(self, path: str, user_id: UserId) -> AbstractBaseUser | None:
        key = (path, user_id)
        if key not in self._users:
            self._users[key] = find_user(path, user_id)
        return self._users[key]

    def _judge(
        self, dated: Dated, user: AbstractBaseUser | Refusal | None
    ) -> Plan | Fate | Refusal:
        old = dated.old
        if digest(old.key) in self._known:
            return Fate.HERE
        if not old.data:
            return Fate.EMPTY if dated.opens else Fate.DAMAGED
        if isinstance(user, Refusal):
            return user
        claim = self._claim(old, user) if user is not None else None
        if claim is not None and claim.must_wait:
            return Fate.WAITS
        last_activity = self._last_activity(dated, user, claim)
        return Plan(old, user, claim, last_activity) if last_activity else Fate.SHORTER

    def _claim(self, old: OldSession, user: AbstractBaseUser) -> Claim:
        return claim_of(old, user, self._factors.get(user.pk, Factors()), now=self.now)

    def _last_activity(
        self, dated: Dated, user: AbstractBaseUser | None, claim: Claim | None
    ) -> datetime | None:
        """
        Return the last activity with which a session ends here when it would have ended there.

        None: it would end sooner, whatever its last activity.
        """
        limits = limits_of(
            user_id=user.pk if user is not None else None,
            data=dated.old.data,
            auth_methods=" ".join(claim.methods) if claim is not None else "",
        )
        idle = limits.idle_timeout
        active_at = self.now if idle is None else min(self.now, dated.expires_at - idle)
        started_at = claim.since if claim is not None else self.now
        ends_at = expires_at(started_at=started_at, last_activity=active_at, limits=limits)
        is_soon_enough = limits.ends_at is not None or ends_at >= dated.expires_at
        return active_at if is_soon_enough else None


def _known_among(keys: Sequence[str]) -> set[str]:
    rows = AdoptedKey.objects.using(session_row.database())
    hashes = [digest(key) for key in keys]
    return set(rows.filter(key_hash__in=hashes).values_list("key_hash", flat=True))
