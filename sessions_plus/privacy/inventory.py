"""
Every column of ours: what it is, whether a person's copy has it, what an erasure leaves of it.

The invariant: nothing is stored that does not stand here. Whoever adds a column decides (a
test asks): ``secret`` opens something and is in nobody's copy; ``personal`` tells of somebody;
``operational`` tells of nobody.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import cast

from django.contrib.auth import get_user_model
from django.db import models
from django.db.models import Q
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from sessions_plus.keys import new_public_id
from sessions_plus.mfa import throttle
from sessions_plus.models import (
    AdoptedKey,
    AdoptionBar,
    Authenticator,
    Challenge,
    Cursor,
    Device,
    DeviceKey,
    FailureCount,
    HourCount,
    Notice,
    RecoveryCode,
    Scope,
    Session,
    SessionEvent,
    SigningKey,
    Throttle,
    UsedNonce,
)
from sessions_plus.named_types import AnyField, UserId
from sessions_plus.rows import session_row

Rows = models.QuerySet[models.Model]


class Sort(StrEnum):
    """How a column is to be protected (OWASP ASVS 14.1.1)."""

    SECRET = "secret"  # noqa: S105 - a word
    PERSONAL = "personal"
    OPERATIONAL = "operational"


@dataclass(frozen=True, slots=True)
class Column:
    """
    One column.

    ``is_exported``: a person's copy has it, called ``label`` or by its field's name.
    ``outlives``: an erasure leaves it as it is, in a row that stays.
    """

    sort: Sort
    is_exported: bool = False
    outlives: bool = False
    label: str | Promise = ""


def secret() -> Column:
    """Whoever holds it gets in, or could try to."""
    return Column(Sort.SECRET)


def personal(label: str | Promise = "") -> Column:
    """It tells of a person, who gets a copy; an erasure empties it."""
    return Column(Sort.PERSONAL, is_exported=True, label=label)


def history(label: str | Promise = "") -> Column:
    """What happened and when: in a person's copy, and still there when it names nobody."""
    return Column(Sort.PERSONAL, is_exported=True, outlives=True, label=label)


def owner() -> Column:
    """Whose row it is: what makes all of the row personal. In no copy, as it is theirs."""
    return Column(Sort.PERSONAL)


def somebody(label: str | Promise = "") -> Column:
    """Who did it: "you" or "staff" in a person's copy; the number stays, for the audit."""
    return Column(Sort.PERSONAL, is_exported=True, outlives=True, label=label)


def internal() -> Column:
    """It tells of nobody, or of nothing outside of the engine."""
    return Column(Sort.OPERATIONAL, outlives=True)


@dataclass(frozen=True, slots=True)
class Holding:
    """
    One model's rows.

    ``of`` finds those of a user by primary key; None: they are nobody's. ``goes``: an
    erasure deletes them; else it empties what does not outlive it.
    """

    name: str
    model: type[models.Model]
    columns: Mapping[str, Column]
    of: Callable[[Rows, UserId], Rows] | None
    goes: bool = True

    def rows(self) -> Rows:
        """All of them, past the manager: what is told to caches is the caller's to tell."""
        return models.QuerySet(self.model, using=session_row.database())

    def rows_of(self, user_id: UserId) -> Rows:
        return self.of(self.rows(), user_id) if self.of is not None else self.rows().none()

    def field(self, name: str) -> AnyField:
        return cast("AnyField", self.model._meta.get_field(name))

    def emptied(self) -> dict[str, object]:
        """Return what an erasure writes into a row that stays, for each column it empties."""
        return {
            name: blank(self.field(name))
            for name, column in self.columns.items()
            if not column.outlives
        }


def blank(field: AnyField) -> object:
    """Return what a column holds that tells nothing; a new name for what must have one."""
    if field.unique:
        return new_public_id()
    if field.null:
        return None
    return field.get_default() if field.has_default() else field.to_python("")


def by_user(rows: Rows, user_id: UserId) -> Rows:
    return rows.filter(user_id=user_id)


ACCOUNT_SCOPES = (Scope.ACCOUNT, Scope.RECOVERY, Scope.PASSWORD)
"""What is counted for a user by primary key."""


def by_subject(rows: Rows, user_id: UserId) -> Rows:
    """
    The counters of an account, its authenticators and its devices.

    None tells whose an address or a user name is: they are digests, and gone after days.
    """
    account = throttle.of_user(get_user_model()(pk=user_id))
    return rows.filter(
        Q(scope__in=ACCOUNT_SCOPES, subject=account)
        | Q(scope=Scope.AUTHENTICATOR, subject__in=_names_of(Authenticator, rows, user_id))
        | Q(scope=Scope.DEVICE, subject__in=_names_of(Device, rows, user_id))
    )


def by_session(rows: Rows, user_id: UserId) -> Rows:
    """What names a person by their sessions alone."""
    sessions: Rows = models.QuerySet(Session, using=rows.db).filter(user_id=user_id)
    return rows.filter(session_public_id__in=sessions.values("public_id"))


def _names_of(model: type[models.Model], rows: Rows, user_id: UserId) -> list[str]:
    own: Rows = models.QuerySet(model, using=rows.db).filter(user_id=user_id)
    return [str(public_id) for public_id in own.values_list("public_id", flat=True)]


def by_own_session(rows: Rows, user_id: UserId) -> Rows:
    """What points at the session that it is of."""
    return rows.filter(session__user_id=user_id)


AGENT: Mapping[str, Column] = {
    "user_agent": personal(),
    "browser": personal(),
    "browser_version": personal(),
    "system": personal(),
    "agent_kind": personal(),
}

SESSIONS = Holding(
    "sessions",
    Session,
    {
        "id": internal(),
        "public_id": personal(_("public id")),
        "kind": history(),
        "user": owner(),
        "device": personal(),
        "key_hash": secret(),
        "previous_key_hash": secret(),
        "rotated_at": history(),
        "sealed_successor": secret(),
        "successor_seen": internal(),
        "successor_told_at": internal(),
        # The site's own words about a visit, which it knows how to export.
        "data": secret(),
        "version": internal(),
        "created_at": history(),
        "authenticated_at": history(),
        "reauthenticated_at": history(),
        "auth_methods": history(),
        "reauth_methods": internal(),
        "client_changed_at": history(),
        "must_reauthenticate": internal(),
        "device_key_id": internal(),
        "device_key_at": history(),
        "device_key_seen": internal(),
        "last_activity": history(),
        "expire_date": history(),
        "ip_address": personal(),
        "location": personal(),
        "revoked_at": history(),
        "revoked_reason": history(),
        "revoked_by": somebody(),
        "actor": somebody(),
        **AGENT,
    },
    of=by_user,
    goes=False,
)

SENDER = (
    *("ip_address", "location", "user_agent", "request_id"),
    *("browser", "browser_version", "system", "agent_kind"),
)
"""Columns that tell of who sent a request: of the actor, where somebody acted for another."""

EVENTS = Holding(
    "events",
    SessionEvent,
    {
        "id": internal(),
        "at": history(),
        "event": history(),
        "outcome": history(),
        "reason": history(),
        "user": owner(),
        "actor": somebody(),
        "session_public_id": personal(),
        "device": personal(),
        "ip_address": personal(),
        "user_agent": personal(),
        "request_id": personal(),
        "count": history(),
    },
    of=by_user,
    goes=False,
)

DEVICES = Holding(
    "devices",
    Device,
    {
        "id": internal(),
        "public_id": personal(_("public id")),
        "user": owner(),
        "token_hash": secret(),
        "name": personal(),
        "first_seen_at": personal(),
        "last_seen_at": personal(),
        "trusted_until": personal(),
        "trust_hash": secret(),
        "revoked_at": personal(),
        **AGENT,
    },
    of=by_user,
)

AUTHENTICATORS = Holding(
    "authenticators",
    Authenticator,
    {
        "id": internal(),
        "public_id": personal(_("public id")),
        "user": owner(),
        "kind": personal(),
        "name": personal(),
        "sealed_secret": secret(),
        "digits": internal(),
        "period": internal(),
        "algorithm": internal(),
        "created_at": personal(),
        "confirmed_at": personal(),
        "enrolling_session": internal(),
        "last_used_step": internal(),
        "last_used_at": personal(),
        "disabled_at": personal(),
        "imported_from": internal(),
        # Names that authenticators and we have for each other: of no use to anybody else.
        "user_handle": secret(),
        "credential_id": secret(),
        "credential_hash": secret(),
        "sealed_public_key": secret(),
        "rp_id": personal(),
        "sign_count": internal(),
        "aaguid": personal(_("kind of authenticator")),
        "transports": internal(),
        "backup_eligible": personal(),
        "backed_up": personal(),
        "verifies_user": personal(),
        "is_discoverable": internal(),
        "replaces_password": personal(_("in place of a password")),
    },
    of=by_user,
)

USED_NONCES = Holding(
    "used_nonces",
    UsedNonce,
    {"id": internal(), "hash": internal(), "expires_at": internal()},
    of=None,
)

RECOVERY_CODES = Holding(
    "recovery_codes",
    RecoveryCode,
    {
        "id": internal(),
        "user": owner(),
        "batch": internal(),
        "code_hash": secret(),
        "created_at": personal(),
        "used_at": personal(),
        "imported_from": internal(),
    },
    of=by_user,
)

CHALLENGES = Holding(
    "challenges",
    Challenge,
    {
        "id": internal(),
        "public_id": internal(),
        "user": owner(),
        "session_public_id": internal(),
        "token_hash": secret(),
        "backend": internal(),
        "methods": personal(),
        "credentials_hash": secret(),
        "started_at": personal(),
        "expires_at": personal(),
        "closed_at": personal(),
    },
    of=by_user,
)

NOTICES = Holding(
    "notices",
    Notice,
    {
        "id": internal(),
        "public_id": internal(),
        "user": owner(),
        "event": personal(),
        "session_public_id": personal(),
        "device": personal(),
        "token_hash": secret(),
        "created_at": personal(),
        "expires_at": personal(),
        "used_at": personal(),
    },
    of=by_user,
)

COUNTERS = Holding(
    "counters",
    Throttle,
    {
        "id": internal(),
        "scope": personal(),
        "subject": owner(),
        "attempts": personal(),
        "window_started_at": personal(),
        "blocked_until": personal(),
    },
    of=by_subject,
)

ADOPTED_KEYS = Holding(
    "adopted_keys",
    AdoptedKey,
    {
        "id": internal(),
        "key_hash": secret(),
        "session_public_id": owner(),
        "sealed_device_token": secret(),
        "sealed_old_key": secret(),
        "is_signed_in": internal(),
        "adopted_at": personal(),
    },
    of=by_session,
)

DEVICE_KEYS = Holding(
    "device_keys",
    DeviceKey,
    {
        "id": internal(),
        "public_id": internal(),
        "session": owner(),
        "algorithm": personal(),
        # Whoever could put another in its place would open the session.
        "sealed_jwk": secret(),
        "registered_at": personal(),
        "last_nonce": internal(),
        "last_proved_at": personal(),
        "last_missing_at": internal(),
    },
    of=by_own_session,
)

ADOPTION_BARS = Holding(
    "adoption_bars",
    AdoptionBar,
    {"id": internal(), "user": owner(), "at": personal()},
    of=by_user,
)

FAILURE_COUNTS = Holding(
    "failure_counts",
    FailureCount,
    {
        "id": internal(),
        "subject": owner(),
        "minute_at": personal(),
        "count": personal(),
        "user": owner(),
        "last_at": personal(),
        "ip_address": personal(),
        "user_agent": personal(),
    },
    of=by_user,
)

SIGNING_KEYS = Holding(
    "signing_keys",
    SigningKey,
    {
        "id": internal(),
        "number": internal(),
        "kid": internal(),
        "algorithm": internal(),
        "sealed_private_key": secret(),
        "public_jwk": internal(),
        "created_at": internal(),
        "not_before": internal(),
        "not_after": internal(),
    },
    of=None,
)

HOUR_COUNTS = Holding(
    "hour_counts",
    HourCount,
    {
        "id": internal(),
        "span": internal(),
        "hour": internal(),
        "event": internal(),
        "outcome": internal(),
        "reason": internal(),
        "count": internal(),
    },
    of=None,
)

CURSORS = Holding(
    "cursors",
    Cursor,
    {"id": internal(), "name": internal(), "position": internal(), "moved_at": internal()},
    of=None,
)

# In the order in which an erasure goes through them: counters are found by what they count,
# and adopted keys by sessions.
INVENTORY: Mapping[str, Holding] = MappingProxyType(
    {
        holding.name: holding
        for holding in (
            COUNTERS,
            FAILURE_COUNTS,
            AUTHENTICATORS,
            RECOVERY_CODES,
            CHALLENGES,
            NOTICES,
            ADOPTED_KEYS,
            ADOPTION_BARS,
            DEVICE_KEYS,
            SESSIONS,
            DEVICES,
            EVENTS,
            SIGNING_KEYS,
            HOUR_COUNTS,
            CURSORS,
            USED_NONCES,
        )
    }
)
