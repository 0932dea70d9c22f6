"""
Writing a session: one statement that changes the row only if it still is what was read.

Whoever loses to another request's write takes its changes to the newer row. Nothing
is overwritten, and what ended stays ended.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol
from uuid import UUID

from django.contrib.sessions.backends.base import CreateError, UpdateError
from django.db import IntegrityError

from sessions_plus.after_view import UncommittedWrite
from sessions_plus.client_info import ClientInfo
from sessions_plus.crypto import digest, same
from sessions_plus.exceptions import SessionNotStored
from sessions_plus.keys import new_public_id, new_token, read_token
from sessions_plus.models.session import Session
from sessions_plus.named_types import Columns, SessionData
from sessions_plus.policy import Limits
from sessions_plus.rows import payload as payloads
from sessions_plus.rows import session_row
from sessions_plus.rows.columns import (
    AUTH_USER_KEY,
    EMPTY_ROW,
    WriteFacts,
    client_columns,
    data_columns,
    new_key_columns,
    next_version,
    user_columns,
    user_id_in,
)
from sessions_plus.rows.lock_wait import LockWait
from sessions_plus.rows.session_row import Row
from sessions_plus.signals import data_unreadable
from sessions_plus.store import lease
from sessions_plus.store.admission import open_data
from sessions_plus.store.merge import merge
from sessions_plus.store.presentation import Caller, KeyState, holds

if TYPE_CHECKING:
    from sessions_plus.store.session_store import SessionStore

# A save that meets a newer row merges and tries again; each round means that somebody
# else's save went through, so this many are only reached when something is badly wrong.
SAVE_ATTEMPTS = 50


class Beside(Protocol):
    """Writes a session's row together with rows that stand or fall with it."""

    def insert(self, values: Mapping[str, object]) -> Mapping[str, object]:
        """Store a new row; return the values that were not known before. See insert()."""

    def update(self, row: Row, changes: Mapping[str, object]) -> Mapping[str, object] | None:
        """Do what update_version() does, and return such values; None where that is False."""


class Binding(Protocol):
    """What a sign-in adds to the session's next write: its device, methods and events."""

    def columns(self, store: SessionStore, now: datetime) -> Columns:
        """Return the columns to write with the session. May read other rows."""

    def beside(self, store: SessionStore, now: datetime) -> Beside | None:
        """Return who writes the session, after columns(); None: nothing goes with it."""

    def written(self, store: SessionStore, now: datetime) -> None:
        """Act on a session that is now stored."""


class Superseded(Exception):
    """Somebody signed in meanwhile: the key that this request came with opens nothing now."""


class Uncommitted(UncommittedWrite):
    """What was stored before a write inside a transaction: the base of a merge if it is undone."""

    def __init__(self, payload: bytes | None) -> None:
        super().__init__(session_row.database())
        self.payload = payload


class Draft(NamedTuple):
    """
    What a request wants stored, and what that rests on.

    ``row`` is the row as it was last known, ``data`` the dictionary of now, and
    ``uncommitted`` an own write that may yet be rolled back.
    """

    row: Row
    data: SessionData
    caller: Caller
    uncommitted: Uncommitted | None = None


def names_another_user(row: Row | None, data: Mapping[str, object]) -> bool:
    """
    Say whether the dictionary names a user whom the row does not.

    The one sign of a sign-in that whatever code made it leaves behind.
    """
    named, known = data.get(AUTH_USER_KEY), row.user_id if row is not None else None
    if named is None or named == str(known):
        return False
    return user_id_in(data) not in (None, known)


def insert(
    data: SessionData,
    columns: Mapping[str, object],
    caller: Caller,
    now: datetime,
    *,
    beside: Beside | None = None,
) -> Row:
    """
    Store a new row under the caller's key, and return it.

    Raises:
        CreateError: there is one of that name already.
    """
    public_id = read_token(caller.key)
    if public_id is None:
        raise CreateError
    payload = payloads.encode(data)
    values, limits = values_of_new(
        data, payload, columns, public_id=public_id, caller=caller, now=now, active_at=now
    )
    try:
        if beside is None:
            session_row.insert(values)
        else:
            values |= beside.insert(values)
    except IntegrityError:
        if session_row.fetch(public_id) is None:
            raise
        raise CreateError from None
    return Row.of(values, payload=payload, limits=limits)


def values_of_new(
    data: SessionData,
    payload: bytes,
    columns: Mapping[str, object],
    *,
    public_id: UUID,
    caller: Caller,
    now: datetime,
    active_at: datetime,
) -> tuple[Columns, Limits]:
    """
    Return the values of a new row of the caller's, and the limits that it has. No I/O.

    ``payload`` is ``data``, serialised; ``active_at`` is when it was used last.
    """
    user_id = user_id_in(data)
    values: dict[str, Any] = {  # each has the type of its column
        **EMPTY_ROW,
        "public_id": public_id,
        "kind": caller.presentation.kind,
        "key_hash": digest(caller.key),
        "created_at": now,
        **user_columns(None, user_id, now),
        **client_columns(caller.client, None, user_id),
        **columns,
    }
    facts = WriteFacts(*[values[name] for name in WriteFacts._fields])
    limits = facts.limits(data)
    return values | data_columns(payload, facts, limits, active_at), limits


def update(
    draft: Draft, columns: Mapping[str, object], now: datetime, *, beside: Beside | None = None
) -> Draft | None:
    """
    Store what a request changed; return what is stored now, and under which key.

    ``columns`` are a sign-in's. Where another's sign-in took the row, a request that
    signs nobody in stores nothing (None), and one that does gets a row of its own.

    Raises:
        UpdateError: it ended meanwhile.
        SessionNotStored: others wrote to it all the time.
    """
    for _ in range(SAVE_ATTEMPTS):
        written = _written(draft, columns, now, beside)
        if written is not None:
            return written
        try:
            draft = merged_with_newer(draft)
        except Superseded:
            if not columns:
                return None
            caller = with_new_key(draft.caller)
            row = insert(draft.data, columns, caller, now, beside=beside)
            return Draft(row, draft.data, caller)
    raise SessionNotStored


def _written(
    draft: Draft, columns: Mapping[str, object], now: datetime, beside: Beside | None
) -> Draft | None:
    """Write once; None where the row has moved on or ended."""
    row, data, caller = draft.row, draft.data, draft.caller
    new_key: Columns = {}
    if _needs_key(row, caller, columns):
        caller = with_new_key(caller, row)
        new_key = new_key_columns(row, caller.key, now)
    user_id = user_id_in(data)
    payload = payloads.encode(data)
    changes = {
        **user_columns(row, user_id, now),
        **_accepted_client(row, user_id, columns, caller.client),
        **columns,
        **new_key,
    }
    is_act = lease.is_activity(row, caller) or bool(columns) or bool(new_key)
    active_at = now if is_act else row.last_activity
    facts = WriteFacts.of(row, changes)
    limits = facts.limits(data)
    changes |= data_columns(payload, facts, limits, active_at)
    changes["version"] = next_version(row)
    if beside is None:
        if not update_version(row, changes):
            return None
    else:
        found = beside.update(row, changes)
        if found is None:
            return None
        changes |= found
    uncommitted = note_uncommitted(draft)
    row.take(changes)
    row.payload, row.limits = payload, limits
    return Draft(row, data, caller, uncommitted)


def update_version(row: Row, changes: Mapping[str, object]) -> bool:
    """Change a row if it still is of this version. False where it is not, or has ended."""
    wait = LockWait.BOUNDED
    return session_row.update(row.public_id, changes, wait=wait, version=row.version)


def _needs_key(row: Row, caller: Caller, columns: Mapping[str, object]) -> bool:
    """
    Say whether a write has to change the key, too.

    A sign-in always ends with a key that nobody else holds. So does a request whose
    own new key was rolled back with the view's transaction.
    """
    is_fresh = caller.key_state is KeyState.FRESH
    if is_fresh and holds(row, caller.key):
        return False
    return bool(columns) or is_fresh


def _accepted_client(
    row: Row, user_id: object, columns: Mapping[str, object], client: ClientInfo | None
) -> Columns:
    """Return the columns of who is calling. Whoever proves who they are is believed."""
    if row.user_id == user_id and "reauthenticated_at" not in columns:
        return lease.news_of_client(row, client)
    return {"must_reauthenticate": False, **client_columns(client, row, user_id)}


def with_new_key(caller: Caller, row: Row | None = None) -> Caller:
    """Return the caller under a fresh key: of the row, or of a session that is not stored yet."""
    key = new_token(row.public_id if row is not None else new_public_id())
    return caller._replace(key=key, key_state=KeyState.FRESH)


def superseded(caller: Caller) -> Caller:
    return caller._replace(key_state=KeyState.SUPERSEDED)


def note_uncommitted(draft: Draft) -> Uncommitted | None:
    """Return what to merge with if the write that was just made is rolled back."""
    if draft.uncommitted is None and session_row.in_transaction():
        return Uncommitted(draft.row.payload)
    return draft.uncommitted


def merged_with_newer(draft: Draft) -> Draft:
    """
    Return our changes on top of what was stored meanwhile.

    Where our own last write was rolled back, what it changed counts as a change again.

    Raises:
        UpdateError: it ended meanwhile.
        Superseded: somebody signed in to it, or out of it, with another key.
    """
    row, data, caller, uncommitted = draft
    newer = session_row.fetch(row.public_id)
    if newer is None or newer.revoked_at is not None:
        raise UpdateError
    theirs = open_data(newer)
    if theirs is None:
        data_unreadable.send_robust(sender=Session, row=newer, client=caller.client)
        raise UpdateError
    newer.payload, base = theirs.payload, row.payload
    if uncommitted is not None and uncommitted.was_rolled_back():
        base, uncommitted = uncommitted.payload, None
    elif not same(newer.key_hash, row.key_hash):
        if newer.user_id != row.user_id:
            raise Superseded
        if not caller.presentation.is_current(newer, caller.key):  # it may have been told
            caller = superseded(caller)
    ours = payloads.decode(payloads.encode(data))
    return Draft(newer, merge(payloads.decode(base), ours, theirs.data), caller, uncommitted)
