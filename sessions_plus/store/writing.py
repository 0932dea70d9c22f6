"""
Writing a session: one statement that changes the row only if it still is what was read.

Whoever loses to another request's write takes its changes to the newer row. Nothing
is overwritten, and what ended stays ended.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Protocol

from asgiref.sync import sync_to_async
from django.contrib.sessions.backends.base import CreateError, UpdateError
from django.db import IntegrityError, connections
from django.utils import timezone

from sessions_plus.crypto import digest, same
from sessions_plus.keys import new_public_id, new_token, read_token
from sessions_plus.rows import payload as payloads
from sessions_plus.rows import session_row
from sessions_plus.rows.columns import (
    EMPTY_ROW,
    client_columns,
    data_columns,
    new_key_columns,
    next_version,
    user_columns,
    user_id_in,
)
from sessions_plus.rows.session_row import Row
from sessions_plus.store.merge import merge
from sessions_plus.store.reading import ReadingStore

# A save that meets a newer row merges and tries again; each round means that somebody
# else's save went through, so this many are only reached when something is badly wrong.
SAVE_ATTEMPTS = 50


class Binding(Protocol):
    """What a sign-in adds to the session's next write: its device, methods and events."""

    def columns(self, store: Any, now: datetime) -> dict[str, Any]:
        """Return the columns to write with the session. May read and write other rows."""

    def written(self, store: Any, now: datetime) -> None:
        """Act on a session that is now stored."""


class Superseded(Exception):
    """Somebody signed in meanwhile: the key that this request came with opens nothing now."""


class Uncommitted:
    """What was stored before a write inside a transaction: the base of a merge if it is undone."""

    def __init__(self, payload: bytes | None) -> None:
        self.payload = payload
        self._is_committed = False
        self._connection = connections[session_row.database()]
        self._connection.on_commit(self._commit)

    def _commit(self) -> None:
        self._is_committed = True

    def was_rolled_back(self) -> bool:
        # Django drops what was to run on a commit as soon as it is rolled back, also to a
        # savepoint.
        waiting = [entry[1] for entry in self._connection.run_on_commit]
        return not self._is_committed and self._commit not in waiting


class WritingStore(ReadingStore):
    """The part of the store that keeps what a request changed."""

    _binding: Binding | None = None
    _uncommitted: Uncommitted | None = None

    def create(self) -> None:
        self._take_new_key()
        self.save(must_create=True)
        self.modified = True

    async def acreate(self) -> None:
        """See create()."""
        await sync_to_async(self.create)()

    def save(self, must_create: bool = False) -> None:
        """
        Store the session's dictionary, and the columns that follow it.

        Raises:
            CreateError: ``must_create``, but it is stored already.
            UpdateError: it was revoked or removed meanwhile.
            NotSerialisable: a value cannot be stored; the message names its key.
        """
        if self.session_key is None:
            return self.create()
        knew_row = self.row is not None
        data = self._dictionary(no_load=must_create)
        if self.row is None and self._is_stored:
            self.load()  # clear() empties the dictionary without having read the row
        if self.session_key is None and not knew_row:
            return self.create() if data else None  # a dead key, and nothing to store
        now, binding = timezone.now(), self._binding
        columns = binding.columns(self, now) if binding is not None else {}
        if must_create or not self._is_stored:
            self._insert(data, columns, now)
        else:
            self._update(data, columns, now)
        self._binding = None
        if binding is not None:
            binding.written(self, now)
        return None

    async def asave(self, must_create: bool = False) -> None:
        """See save()."""
        await sync_to_async(self.save)(must_create)

    def bind(self, binding: Binding) -> None:
        """
        Let ``binding`` add to the next save, which also changes the key.

        Called at every sign-in, also where Django kept the key (same user again).
        """
        self._binding = binding
        self.modified = True
        self.is_superseded = False  # whoever signs in gets a cookie, whatever key they came with

    def _dictionary(self, *, no_load: bool = False) -> dict[str, Any]:
        found: dict[str, Any] = self._get_session(no_load)  # type: ignore[attr-defined]
        return found

    def _insert(self, data: dict[str, Any], columns: Mapping[str, Any], now: datetime) -> None:
        public_id = read_token(self._session_key)
        if self.row is not None or public_id is None:
            raise CreateError
        user_id = user_id_in(data)
        payload = payloads.encode(data)
        values = {
            **EMPTY_ROW,
            "public_id": public_id,
            "kind": self.kind,
            "key_hash": digest(self._key),
            "created_at": now,
            **user_columns(None, user_id, now),
            **client_columns(self.client, None, user_id),
            **columns,
        }
        values |= data_columns(data, payload, values, now)
        try:
            session_row.insert(values)
        except IntegrityError:
            if session_row.fetch(public_id) is None:
                raise
            raise CreateError from None
        self.row = Row.of(values, payload=payload)
        self._remember_written(self.row)

    def _update(self, data: dict[str, Any], columns: Mapping[str, Any], now: datetime) -> None:
        for _ in range(SAVE_ATTEMPTS):
            row = self.row
            if row is None:
                break
            new_key = self._make_new_key(row, now) if self._needs_key(row, columns) else {}
            if self._write(row, data, {**columns, **new_key}, now):
                return
            try:
                data = self._merge_with_newer(row, data)
            except Superseded:
                if columns:
                    self._take_new_key()
                    self._insert(data, columns, now)
                return
        raise UpdateError

    def _needs_key(self, row: Row, columns: Mapping[str, Any]) -> bool:
        """
        Say whether a write has to change the key, too.

        A sign-in always ends with a key that nobody else holds. So does a request whose
        own new key was rolled back with the view's transaction.
        """
        if self._key_is_fresh and self._is_current(row):
            return False
        return bool(columns) or (self._key_is_fresh and not self.is_superseded)

    def _write(
        self, row: Row, data: dict[str, Any], columns: Mapping[str, Any], now: datetime
    ) -> bool:
        """Write once; return False where the row has moved on or ended."""
        user_id = user_id_in(data)
        payload = payloads.encode(data)
        changes = {
            **user_columns(row, user_id, now),
            **self._accepted_client(row, user_id, columns),
            **columns,
        }
        passive = not self._counts(row) and not columns
        active_at = row.last_activity if passive else now
        changes |= data_columns(data, payload, {**row.facts(), **changes}, active_at)
        changes["version"] = next_version(row)
        if not session_row.update(row.public_id, changes, version=row.version):
            return False
        self._note_uncommitted(row.payload)
        row.take(changes)
        row.payload = payload
        self._remember_written(row)
        return True

    def _note_uncommitted(self, payload: bytes | None) -> None:
        """Keep what was stored before a write that may yet be rolled back."""
        if self._uncommitted is None and session_row.in_transaction():
            self._uncommitted = Uncommitted(payload)

    def _was_undone(self) -> bool:
        """Say whether our own last write was rolled back with the view's transaction."""
        return self._uncommitted is not None and self._uncommitted.was_rolled_back()

    def _accepted_client(
        self, row: Row, user_id: object, columns: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Return the columns of who is calling. Whoever proves who they are is believed."""
        if row.user_id == user_id and "reauthenticated_at" not in columns:
            return self._news_of_client(row)
        return {"must_reauthenticate": False, **client_columns(self.client, row, user_id)}

    def _merge_with_newer(self, row: Row, data: dict[str, Any]) -> dict[str, Any]:
        """
        Return our changes on top of what was stored meanwhile, and take on the newer row.

        Where our own last write was rolled back, what it changed counts as a change again.

        Raises:
            UpdateError: it ended meanwhile.
            Superseded: somebody signed in to it, or out of it, with another key.
        """
        newer = session_row.fetch(row.public_id)
        if newer is None or newer.revoked_at is not None or not self._open(newer):
            raise UpdateError
        base = row.payload
        was_undone, undone = self._was_undone(), self._uncommitted
        if was_undone and undone is not None:
            base, self._uncommitted = undone.payload, None
        if not was_undone and not same(newer.key_hash, row.key_hash):
            self.is_superseded = True
            if newer.user_id != row.user_id:
                raise Superseded
        merged = merge(
            payloads.decode(base),
            payloads.decode(payloads.encode(data)),
            payloads.decode(newer.payload),
        )
        self.row = newer
        data.clear()  # the view may hold this very dictionary
        data.update(merged)
        self._session_cache = data
        return data

    def _take_new_key(self) -> None:
        """Become a session that is not stored yet."""
        self.row = None
        self.is_superseded = False
        self._session_key = new_token(new_public_id())
        self._has_new_key = self._key_is_fresh = True

    def _make_new_key(self, row: Row, now: datetime) -> dict[str, Any]:
        """Take a new key for a stored session; return the columns to write."""
        self._session_key = new_token(row.public_id)
        self._has_new_key = self._key_is_fresh = True
        self.is_superseded = False
        return new_key_columns(row, self._key, now)
