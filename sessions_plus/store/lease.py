"""
What a store knows of its session while it serves a request, and the lease that it renews.

Invariant for whoever edits this: activity is written by a statement that also proves that
the row still lives; where it does not, nothing was written.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from functools import cached_property
from typing import Any
from uuid import UUID

from asgiref.sync import sync_to_async
from django.contrib.sessions.backends.base import SessionBase

from sessions_plus.cache.entries import Copy
from sessions_plus.client_info import ClientInfo
from sessions_plus.conf import conf
from sessions_plus.cookies import device_token_in
from sessions_plus.policy import expires_at, is_passive
from sessions_plus.rows import payload as payloads
from sessions_plus.rows import session_row
from sessions_plus.rows.columns import client_columns, next_version
from sessions_plus.rows.lifetime import limits_of_row
from sessions_plus.rows.session_row import Row
from sessions_plus.rows.user_state import why_gone
from sessions_plus.signals import client_changed
from sessions_plus.store.client_change import ClientChange, Reaction, differences


class ActiveStore(SessionBase):
    """The part of the store that knows who uses the session, and records that they do."""

    # Class attributes: most requests change none, and each assignment costs every request.
    cookies: Mapping[str, str] | None = None
    path: str | None = None
    client: ClientInfo | None = None
    is_touched: bool = False
    has_postponed_activity: bool = False
    was_told_key: bool = False
    is_superseded: bool = False
    has_ended: bool = False
    _row: Row | None = None
    _copy: Copy | None = (
        None  # served on the fast path: the row is rebuilt when somebody asks for it
    )
    _has_new_key: bool = False  # a key that this request made or was told
    _key_is_fresh: bool = False  # this request made it: nobody else ever held it

    def __init__(self, session_key: str | None = None) -> None:
        """
        Do what Django's does, which imports the serializer anew for every request.

        That takes it longer than all the rest; tests/store/test_session_store.py sees to it that
        nothing else is left out.
        """
        self._session_key = session_key
        self.accessed = False
        self.modified = False
        self.serializer = payloads.serializer_class()

    @cached_property
    def device_token(self) -> str | None:
        """The device cookie that came with the request, or None."""
        return device_token_in(self.cookies) if self.cookies is not None else None

    @cached_property
    def is_passive(self) -> bool:
        """Whether this request is no activity: it uses the session without prolonging it."""
        return self.path is not None and is_passive(self.path, conf.PASSIVE_PATHS)

    @property
    def row(self) -> Row | None:
        """The stored facts as this store last knew them; None before it was loaded."""
        copy = self._copy
        if copy is not None:
            self._row, self._copy = copy.row(), None
        return self._row

    @row.setter
    def row(self, row: Row | None) -> None:
        self._row, self._copy = row, None

    @property
    def public_id(self) -> UUID | None:
        """The harmless name of the session, or None where it isn't stored."""
        return self.row.public_id if self.row is not None else None

    @property
    def has_new_key(self) -> bool:
        """Whether the browser has yet to be told of the key."""
        return self._has_new_key and self.row is not None

    @property
    def is_at_rest(self) -> bool:
        """Whether the fast path was enough, and the request has changed nothing."""
        return self._copy is not None and not self.modified

    # Copies: the cache tier overrides these

    def _remember_read(self, row: Row) -> None:
        """Keep a copy of a row that was just read."""

    def _remember_written(self, row: Row) -> None:
        """Keep a copy of a row that this request changed, in place of any older one."""

    def _forget(self, row: Row) -> None:
        """Drop the copy of a row that ended, for good."""

    def _prove(self, row: Row, now: datetime) -> bool:
        """
        Say whether a row that was just read lives, where that has to be asked again.

        A request that is no activity asks without writing: it renews no lease. Nor does
        one inside a view's transaction, which would keep the row locked as long as the
        view takes; the middleware writes it afterwards (``has_postponed_activity``).
        """
        if session_row.in_transaction():
            self.has_postponed_activity = self._counts(row) or self._proves_successor(row)
        elif self._counts(row) or self._proves_successor(row):
            return self._touch(row, now)
        return row.user_id is None or why_gone(row.user_id) is None

    def record_postponed_activity(self, now: datetime) -> None:
        """Record the activity that was postponed to after the view's transaction."""
        self.has_postponed_activity = False
        if self.row is not None:
            self._touch(self.row, now)

    async def arecord_postponed_activity(self, now: datetime) -> None:
        """See record_postponed_activity()."""
        await sync_to_async(self.record_postponed_activity)(now)

    def _proves_successor(self, row: Row) -> bool:
        """Whether the current key of a rotated session came for the first time."""
        return not row.successor_seen and not self._has_new_key

    def _was_told_late(self, row: Row, now: datetime) -> bool:
        """
        Whether the grace period begins anew, as the successor is only now given out.

        A browser that lost the response and opens again asks with several tabs at once.
        """
        if not self.was_told_key or row.successor_seen or row.rotated_at is None:
            return False
        return now - row.rotated_at > conf.ROTATION_GRACE_PERIOD

    def _touch(self, row: Row, now: datetime, **guards: Any) -> bool:
        """
        Record activity, which proves that the row still lives: the lease.

        Return False where it does not: revoked, rotated, gone, or its user is. A copy
        also has to be of the row's ``version``, else a touch would keep an outdated one
        for good.
        """
        changes = self._activity(row, now) if self._counts(row) else {}
        if self._proves_successor(row):
            changes["successor_seen"] = True
        if self._was_told_late(row, now):
            changes["successor_told_at"] = now
        if not session_row.touch(row, changes, **guards):
            return False
        row.take(changes)
        self.is_touched = self._counts(row)
        self._remember_read(row)
        return True

    def _counts(self, row: Row) -> bool:
        """
        Say whether this request is activity.

        Polling is not, nor is anything done with a session that has to be proved
        again: a thief who is refused keeps nothing alive.
        """
        return not self.is_passive and not row.must_reauthenticate

    def _note_change(self, row: Row, change: ClientChange, now: datetime) -> bool:
        """
        Write down that another client uses the session. False where the row moved on.

        The version moves, so that no copy of before goes on serving.
        """
        is_accepted = change.reaction is Reaction.RECORD
        changes = self._activity(row, now) if is_accepted and not self.is_passive else {}
        if is_accepted:
            changes |= client_columns(self.client, row, row.user_id)
        if self._proves_successor(row):
            changes["successor_seen"] = True
        changes |= {**change.columns(now), "version": next_version(row)}
        if not session_row.touch(row, changes, version=row.version):
            return False
        row.take(changes)
        self.is_touched = is_accepted and not self.is_passive
        self._remember_written(row)
        client_changed.send_robust(sender=type(self), row=row, change=change, client=self.client)
        return True

    def _activity(self, row: Row, now: datetime) -> dict[str, Any]:
        ends = expires_at(started_at=row.started_at, last_activity=now, limits=limits_of_row(row))
        return {"last_activity": now, "expire_date": ends, **self._news_of_client(row)}

    def _news_of_client(self, row: Row) -> dict[str, Any]:
        """
        Return the columns of who is calling, as far as they differ from the row's.

        None where it is another client: `_note_change` decides what becomes of that.
        """
        if differences(row, self.client):
            return {}
        return client_columns(self.client, row, row.user_id)
