"""The session's row, read and written without a model instance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connections, router, transaction
from django.db.models import F, QuerySet

from sessions_plus.models.session import Session
from sessions_plus.named_types import UserId, Values
from sessions_plus.policy import Limits
from sessions_plus.rows.lock_wait import LockWait
from sessions_plus.rows.table import Table, retried
from sessions_plus.rows.user_state import living_user, why_gone


@dataclass(slots=True, repr=False)
class Row:
    """
    One row's facts, named as the model's columns; ``payload`` is the opened ``data``.

    ``payload`` is None until ``data`` was opened. ``limits`` are those that it was just written
    with; None where it was only read.
    """

    public_id: UUID
    kind: str
    user_id: UserId
    actor_id: UserId
    device_id: int | None
    key_hash: str
    previous_key_hash: str
    rotated_at: datetime | None
    sealed_successor: bytes | None
    successor_seen: bool
    successor_told_at: datetime | None
    data: bytes
    version: int
    created_at: datetime
    authenticated_at: datetime | None
    reauthenticated_at: datetime | None
    auth_methods: str
    reauth_methods: str
    client_changed_at: datetime | None
    must_reauthenticate: bool
    device_key_id: UUID | None
    device_key_at: datetime | None
    device_key_seen: bool
    last_activity: datetime
    expire_date: datetime
    ip_address: str | None
    user_agent: str
    browser: str
    system: str
    revoked_at: datetime | None
    payload: bytes | None = None
    limits: Limits | None = None

    @property
    def people(self) -> tuple[UserId, ...]:
        """The primary keys of who has to be allowed to sign in: the user, and who acts as them."""
        return tuple(key for key in (self.user_id, self.actor_id) if key is not None)

    @property
    def started_at(self) -> datetime:
        """Where the absolute lifetime is counted from."""
        return self.authenticated_at or self.created_at

    @classmethod
    def of(cls, values: Values, *, payload: bytes, limits: Limits | None = None) -> Row:
        """Return the row that an INSERT of ``values`` made."""
        known = {name: values[name] for name in ATTRIBUTES}
        return cls(**known, payload=payload, limits=limits)

    def take(self, changes: Mapping[str, object]) -> None:
        """Write to this copy what was written to the row."""
        for name in changes.keys() & _KNOWN:
            setattr(self, name, changes[name])
        if not _BOUNDING.isdisjoint(changes):
            self.limits = None


ATTRIBUTES = tuple(field.name for field in fields(Row) if field.name not in ("payload", "limits"))
_KNOWN = frozenset(ATTRIBUTES)
# What its limits depend on, beside its data: see ``lifetime.limits_of``.
_BOUNDING = frozenset(("user_id", "kind", "auth_methods"))

SESSIONS = Table(Session)


def database() -> str:
    """
    The alias that holds the sessions: always the one that is written to.

    A replica may lag, and would sign people out or let a revoked session in.
    """
    return router.db_for_write(Session)


def in_transaction() -> bool:
    """Say whether what is written now waits for somebody's commit."""
    return connections[database()].in_atomic_block


def fetch(public_id: UUID) -> Row | None:
    """Return the row of that name, ended or not, or None. One statement."""
    where = {"public_id": public_id}
    found = SESSIONS.find(database(), ATTRIBUTES, where)
    return Row(*found[0]) if found else None


def insert(values: Mapping[str, object]) -> None:
    """
    Store a new row. One statement, no savepoint.

    Raises:
        IntegrityError: the public id exists already.
    """
    SESSIONS.insert(database(), values)


def update(
    public_id: UUID,
    values: Mapping[str, object],
    *,
    wait: LockWait = LockWait.AS_SET,
    **guards: object,
) -> bool:
    """
    Change a row that has not ended, if it still has the values in ``guards``.

    Return whether the row was there to change.
    """
    return bool(SESSIONS.update(database(), values, living(public_id, **guards), wait=wait))


def living(public_id: UUID, **guards: object) -> dict[str, object]:
    """Return what holds for the row of that name if it has not ended, and still has the values."""
    return {**guards, "public_id": public_id, "revoked_at": None}


def touch(row: Row, values: Mapping[str, object], **guards: object) -> bool:
    """
    Change a row that lives: it has not ended, its key is the one that was read, and its
    user, and who acts as them, if it has any, may still sign in. See update().

    Whoever only reads a session does this, so it waits for nobody: a row that somebody has
    locked is left as it is, and False returned. One statement, and one more where the users
    are in another database, or somebody acts.
    """
    alias = database()
    condition = living_user(alias)
    if condition is None and row.user_id is not None and why_gone(row.user_id):
        return False
    if row.actor_id is not None and why_gone(row.actor_id):
        return False
    where = {**guards, "key_hash": row.key_hash, "public_id": row.public_id, "revoked_at": None}
    return bool(SESSIONS.update(alias, values, where, condition=condition, wait=LockWait.NONE))


def remove(public_id: UUID, *, wait: LockWait = LockWait.AS_SET, **guards: object) -> bool:
    """
    Delete a row that nobody is signed in to, if it still has the values in ``guards``.

    Return whether there was one.
    """
    nobodys = {**guards, "public_id": public_id, "user_id": None}
    return bool(SESSIONS.delete(database(), nobodys, wait=wait))


def end(
    public_id: UUID,
    *,
    reason: str,
    now: datetime,
    actor_id: UserId = None,
    **guards: Any,  # as update() has them
) -> bool:
    """
    End a session for good and wipe its data. Return False if it had ended already.

    One statement. Every session ends through it, or, with others, through end_many().
    """
    return update(public_id, _ending(reason, now, actor_id), **guards)


def end_many(
    keys: Sequence[int], *, reason: str, now: datetime, actor_id: UserId = None
) -> set[int]:
    """
    End sessions, named by their primary keys, as end() does; return those that this call ended.

    One short transaction, which never waits while it holds what others may wait for: a row
    that somebody else has locked is left out.
    """
    alias = database()
    # The plain manager: ours would read the rows once more, and tell the cache one by one.
    rows = Session._base_manager.using(alias).filter(revoked_at=None)

    def end_those() -> set[int]:
        with transaction.atomic(using=alias, savepoint=False):
            mine = _lock(rows.filter(pk__in=keys))
            rows.filter(pk__in=mine).update(**_ending(reason, now, actor_id))
        return mine

    return retried(connections[alias], end_those)


def _ending(reason: str, now: datetime, actor_id: UserId) -> dict[str, object]:
    """Return what an end writes, through whichever statement."""
    return {
        "revoked_at": now,
        "revoked_reason": reason,
        "revoked_by_id": actor_id,
        "data": b"",
        "sealed_successor": None,
    }


def _lock(rows: QuerySet[Session]) -> set[int]:
    """Lock those of the rows that nobody else has locked; return their primary keys."""
    features = connections[rows.db].features
    if not features.has_select_for_update:
        # SQLite has one writer at a time: a write is its lock.
        rows.update(version=F("version"))
        return set(rows.values_list("pk", flat=True))
    locked = rows.select_for_update(
        skip_locked=features.has_select_for_update_skip_locked,
        # On PostgreSQL a weaker lock does, which no foreign key to the session waits for.
        no_key=features.has_select_for_no_key_update,
    )
    # In one order, so that two of these never wait for each other.
    return set(locked.order_by("pk").values_list("pk", flat=True))
