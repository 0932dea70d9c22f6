"""
Reading a session: from a copy where one serves, else from its row, which decides.

Invariant for whoever edits this: a request is authorised only by a copy younger than
the activity interval, or by the row itself; and no database error becomes "no session".
"""

from __future__ import annotations

import time
from datetime import datetime
from functools import cached_property
from typing import Any
from uuid import UUID

from asgiref.sync import sync_to_async
from django.contrib.sessions.backends.base import SessionBase
from django.http import HttpRequest
from django.utils import timezone

from sessions_plus.backends import payload as payloads
from sessions_plus.backends import rows
from sessions_plus.backends.client_change import (
    ClientChange,
    Reaction,
    change_to_act_on,
    differences,
)
from sessions_plus.backends.columns import client_columns, next_version
from sessions_plus.backends.entries import Copy
from sessions_plus.backends.keys import read_token
from sessions_plus.backends.lifetime import EXPIRY_KEY, limits_of_row
from sessions_plus.backends.presented_key import Match, match, open_successor
from sessions_plus.backends.rows import Row
from sessions_plus.backends.user_state import why_gone
from sessions_plus.client_info import ClientInfo
from sessions_plus.conf import conf
from sessions_plus.cookies import device_token_of
from sessions_plus.crypto import digest, same
from sessions_plus.exceptions import SealBroken
from sessions_plus.models.session import Kind, unseal_data
from sessions_plus.policy import Limits, Verdict, expires_at, is_passive, judge, touch_is_due
from sessions_plus.signals import (
    client_changed,
    data_unreadable,
    key_reused,
    session_expired,
    user_gone,
)

# A row that changes between reading and touching it is read again. Only a rotation is
# followed by one that lives, and no two of them are this close.
SETTLE_ATTEMPTS = 3


class ReadingStore(SessionBase):
    """
    The part of the store that finds out which session, if any, a key opens.

    Only one of its own ``kind``: a refresh token is no cookie, and no cookie refreshes.
    """

    kind: str = Kind.BROWSER

    # Class attributes: most requests change none, and each assignment costs every request.
    request: HttpRequest | None = None
    client: ClientInfo | None = None
    is_touched: bool = False
    owes_touch: bool = False
    was_told_key: bool = False
    is_superseded: bool = False
    has_ended: bool = False
    _row: Row | None = None
    _copy: Copy | None = None  # served at a glance: the row is rebuilt when somebody asks for it
    _known_expiry: Any = None  # what set_expiry() was told before this request
    _has_new_key: bool = False  # a key that this request made or was told
    _key_is_fresh: bool = False  # this request made it: nobody else ever held it

    def __init__(self, session_key: str | None = None) -> None:
        """
        Do what Django's does, which imports the serializer anew for every request.

        That takes it longer than all the rest; tests/backends/test_store.py sees to it that
        nothing else is left out.
        """
        self._session_key = session_key
        self.accessed = False
        self.modified = False
        self.serializer = payloads.serializer_class()

    @cached_property
    def device_token(self) -> str | None:
        """The device cookie that came with the request, or None."""
        return device_token_of(self.request) if self.request is not None else None

    @cached_property
    def is_passive(self) -> bool:
        """Whether this request is no activity: it uses the session without prolonging it."""
        return self.request is not None and is_passive(self.request.path, conf.PASSIVE_PATHS)

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

    # Copies: the cache tier overrides these

    def _recall(self, public_id: UUID) -> Copy | None:
        """Return a copy of the row, or None."""
        return None

    async def _arecall(self, public_id: UUID) -> Copy | None:
        """See _recall()."""
        return None

    def _remember_read(self, row: Row) -> None:
        """Keep a copy of a row that was just read."""

    def _remember_written(self, row: Row) -> None:
        """Keep a copy of a row that this request changed, in place of any older one."""

    def _forget(self, row: Row) -> None:
        """Drop the copy of a row that ended, for good."""

    def load(self) -> dict[str, Any]:
        public_id = self._stored_public_id()
        if public_id is None:
            return self._begin(None)
        copy = self._recall(public_id)
        if copy is not None and self._suffices(copy):
            return self._begin_at_a_glance(copy)
        now = timezone.now()
        row = copy.row() if copy is not None else None
        return self._begin(row if self._serves(row, now) else self._settle(public_id, row, now))

    async def aload(self) -> dict[str, Any]:
        """See load(). Hops to a thread only where the database has to be asked."""
        public_id = self._stored_public_id()
        if public_id is None:
            return self._begin(None)
        copy = await self._arecall(public_id)
        if copy is not None and self._suffices(copy):
            return self._begin_at_a_glance(copy)
        now = timezone.now()
        row = copy.row() if copy is not None else None
        if self._serves(row, now):
            return self._begin(row)
        return self._begin(await sync_to_async(self._settle)(public_id, row, now))

    @property
    def _key(self) -> str:
        return self._session_key or ""

    @property
    def _is_stored(self) -> bool:
        """Whether there may be a row: not for a key that was made here and not saved yet."""
        return self.row is not None or not self._key_is_fresh

    def _stored_public_id(self) -> UUID | None:
        """Return which row to look for; None, without any I/O, for a key that we never issued."""
        return read_token(self._session_key) if self._is_stored else None

    def _begin(self, row: Row | None) -> dict[str, Any]:
        """Take on what was read: the row, and its dictionary."""
        if row is None:
            if self._is_stored:
                self._session_key = self.row = None
                self._has_new_key = self.was_told_key = False
            return {}
        self.row = row
        data = payloads.decode(row.payload)
        self._known_expiry = data.get(EXPIRY_KEY)
        return data

    def _begin_at_a_glance(self, copy: Copy) -> dict[str, Any]:
        self._copy = copy
        data = payloads.decode(copy.payload)
        self._known_expiry = data.get(EXPIRY_KEY)
        return data

    def _suffices(self, copy: Copy) -> bool:
        """Say whether a glance at a copy shows that there is nothing to do."""
        return copy.glance.suffices(
            self._session_key or "",
            self.client,
            is_browser=self.kind == Kind.BROWSER,
            now=time.time(),
        )

    @property
    def is_at_rest(self) -> bool:
        """Whether a glance was enough, and the request has changed nothing."""
        return self._copy is not None and not self.modified

    def _serves(self, copy: Row | None, now: datetime) -> bool:
        """Say whether a copy serves as it is, without asking the database."""
        if copy is None or not self._is_current(copy) or self._proves_successor(copy):
            return False
        if change_to_act_on(copy, self.client, now) is not None:
            return False
        limits = limits_of_row(copy)
        return not _touch_due(copy, limits, now) and _verdict(copy, limits, now) == Verdict.ALIVE

    def _settle(self, public_id: UUID, copy: Row | None, now: datetime) -> Row | None:
        """
        Find out with the database whether the session lives, and renew its lease.

        A copy saves reading the row where one UPDATE can prove that it lives.
        """
        if copy is not None and self._renews(copy, now):
            return copy
        for _ in range(SETTLE_ATTEMPTS):
            row = rows.fetch(public_id)
            if row is None:
                return None
            if not self._admits(row, now):
                self.has_ended = row.user_id is not None and not self.is_superseded
                return None
            if self._goes_on(row, now):
                return row
            if self._ends_with_its_user(row):
                self.has_ended = True
                return None
        self.is_superseded = True  # it changes all the time, so it lives: take no cookie away
        return None

    def _renews(self, copy: Row, now: datetime) -> bool:
        """Renew the lease of a row that is known from its copy. False where it has to be read."""
        return (
            self._counts(copy)
            and not rows.in_transaction()
            and self._is_current(copy)
            and change_to_act_on(copy, self.client, now) is None
            and _verdict(copy, limits_of_row(copy), now) == Verdict.ALIVE
            and self._touch(copy, now, version=copy.version)
        )

    def _admits(self, row: Row, now: datetime) -> bool:
        """Say whether the key opens the row for this client, now; act on what tells otherwise."""
        if row.revoked_at is not None or row.kind != self.kind:
            return False
        if not self._accept_key(row, now) or not self._open(row):
            return False
        verdict = _verdict(row, limits_of_row(row), now)
        if verdict != Verdict.ALIVE:
            self._expire(row, verdict, now)
            return False
        change = change_to_act_on(row, self.client, now)
        if change is not None and change.reaction is Reaction.REVOKE:
            client_changed.send_robust(
                sender=type(self), row=row, change=change, client=self.client
            )
            return False
        return True

    def _goes_on(self, row: Row, now: datetime) -> bool:
        """Renew the lease of an admitted row where that is due. False where the row moved on."""
        change = change_to_act_on(row, self.client, now)
        if change is not None:
            return self._note_change(row, change, now)
        has_news = self._proves_successor(row) or self._was_told_late(row, now)
        if not has_news and not _touch_due(row, limits_of_row(row), now):
            self._remember_read(row)
            return True
        return self._prove(row, now)

    def _is_current(self, row: Row) -> bool:
        """Say whether the presented key is the row's current one."""
        return row.kind == self.kind and same(row.key_hash, digest(self._key))

    def _accept_key(self, row: Row, now: datetime) -> bool:
        """Say whether the presented key may use this row; act on one that tells of a theft."""
        found = match(row, digest(self._key), now=now, grace_period=conf.ROTATION_GRACE_PERIOD)
        if found is Match.CURRENT:
            return True
        if found is Match.PREDECESSOR:
            if self._take_successor(row):
                return True
            # A program that only has the key cannot tell which device it is on.
            found = Match.REUSED if self.client is not None else Match.SUPERSEDED
        # Requests that were under way with a superseded key are strangers, but must not
        # take the new cookie away from the browser.
        self.is_superseded = found is Match.SUPERSEDED
        if found is Match.REUSED:
            key_reused.send_robust(sender=type(self), row=row, client=self.client)
        return False

    def _take_successor(self, row: Row) -> bool:
        """Go on under the key that followed ours. Return False where we may not know it."""
        successor = open_successor(row, under=self._key, device_token=self.device_token)
        if successor is None:
            return False
        self._session_key = successor
        self._has_new_key = self.was_told_key = True
        return True

    def _open(self, row: Row) -> bool:
        """Fill in ``payload``. Return False, and say so, where the data does not open."""
        try:
            row.payload = unseal_data(row.data, row.public_id, row.user_id)
            payloads.decode(row.payload)
        except (SealBroken, payloads.Undecodable):
            data_unreadable.send_robust(sender=type(self), row=row, client=self.client)
            return False
        return True

    def _expire(self, row: Row, verdict: Verdict, now: datetime) -> None:
        """End it, unless another request renewed it since it was read."""
        since = {"last_activity": row.last_activity}
        if row.user_id is None:
            ended = rows.remove(row.public_id, **since)
        else:
            ended = rows.end(row.public_id, reason=verdict.value, now=now, **since)
        if not ended:
            self.is_superseded = True
            return
        self._forget(row)
        if row.user_id is not None:
            session_expired.send_robust(
                sender=type(self), row=row, verdict=verdict, client=self.client
            )

    # Activity

    def _prove(self, row: Row, now: datetime) -> bool:
        """
        Say whether a row that was just read lives, where that has to be asked again.

        A request that is no activity asks without writing: it renews no lease. Nor does
        one inside a view's transaction, which would keep the row locked as long as the
        view takes; the middleware writes it afterwards (``owes_touch``).
        """
        if rows.in_transaction():
            self.owes_touch = self._counts(row) or self._proves_successor(row)
        elif self._counts(row) or self._proves_successor(row):
            return self._touch(row, now)
        return row.user_id is None or why_gone(row.user_id) is None

    def pay_touch(self, now: datetime) -> None:
        """Record the activity that was postponed to after the view's transaction."""
        self.owes_touch = False
        if self.row is not None:
            self._touch(self.row, now)

    async def apay_touch(self, now: datetime) -> None:
        """See pay_touch()."""
        await sync_to_async(self.pay_touch)(now)

    def _ends_with_its_user(self, row: Row) -> bool:
        """End the sessions of a user who was disabled or deleted unnoticed."""
        reason = why_gone(row.user_id) if row.user_id is not None else None
        if reason is None:
            return False
        user_gone.send_robust(sender=type(self), row=row, reason=reason, client=self.client)
        return True

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
        if not rows.touch(row, changes, **guards):
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
        if not rows.touch(row, changes, version=row.version):
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


def _verdict(row: Row, limits: Limits, now: datetime) -> Verdict:
    return judge(started_at=row.started_at, last_activity=row.last_activity, now=now, limits=limits)


def _touch_due(row: Row, limits: Limits, now: datetime) -> bool:
    return touch_is_due(
        last_activity=row.last_activity,
        now=now,
        interval=conf.ACTIVITY_INTERVAL,
        limits=limits,
    )
