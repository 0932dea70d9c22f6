"""
Reading a session: from a copy where one serves, else from its row, which decides.

Invariant for whoever edits this: a request is authorised only by a copy younger than
the activity interval, or by the row itself; and no database error becomes "no session".
"""

from __future__ import annotations

import time
from datetime import datetime
from typing import Any
from uuid import UUID

from asgiref.sync import sync_to_async
from django.utils import timezone

from sessions_plus.cache.entries import Copy
from sessions_plus.conf import conf
from sessions_plus.crypto import digest, same
from sessions_plus.exceptions import SealBroken
from sessions_plus.keys import read_token
from sessions_plus.models.session import Kind, unseal_data
from sessions_plus.policy import Limits, Verdict, judge, touch_is_due
from sessions_plus.rows import payload as payloads
from sessions_plus.rows import session_row
from sessions_plus.rows.lifetime import EXPIRY_KEY, limits_of_row
from sessions_plus.rows.session_row import Row
from sessions_plus.rows.user_state import why_gone
from sessions_plus.signals import (
    client_changed,
    data_unreadable,
    key_reused,
    session_expired,
    user_gone,
)
from sessions_plus.store.client_change import (
    Reaction,
    change_to_act_on,
)
from sessions_plus.store.lease import ActiveStore
from sessions_plus.store.presented_key import Match, match, open_successor

# A row that changes between reading and touching it is read again. Only a rotation is
# followed by one that lives, and no two of them are this close.
SETTLE_ATTEMPTS = 3


class ReadingStore(ActiveStore):
    """
    The part of the store that finds out which session, if any, a key opens.

    Only one of its own ``kind``: a refresh token is no cookie, and no cookie refreshes.
    """

    kind: str = Kind.BROWSER
    _known_expiry: Any = None  # what set_expiry() was told before this request

    def _recall(self, public_id: UUID) -> Copy | None:
        """Return a copy of the row, or None."""
        return None

    async def _arecall(self, public_id: UUID) -> Copy | None:
        """See _recall()."""
        return None

    def load(self) -> dict[str, Any]:
        public_id = self._stored_public_id()
        if public_id is None:
            return self._begin(None)
        copy = self._recall(public_id)
        if copy is not None and self._suffices(copy):
            return self._begin_on_fast_path(copy)
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
            return self._begin_on_fast_path(copy)
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

    def _begin_on_fast_path(self, copy: Copy) -> dict[str, Any]:
        self._copy = copy
        data = payloads.decode(copy.payload)
        self._known_expiry = data.get(EXPIRY_KEY)
        return data

    def _suffices(self, copy: Copy) -> bool:
        """Say whether the fast path serves: there is nothing to do but to go on."""
        return copy.fast_path.suffices(
            self._session_key or "",
            self.client,
            is_browser=self.kind == Kind.BROWSER,
            now=time.time(),
        )

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
            row = session_row.fetch(public_id)
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
            and not session_row.in_transaction()
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
            ended = session_row.remove(row.public_id, **since)
        else:
            ended = session_row.end(row.public_id, reason=verdict.value, now=now, **since)
        if not ended:
            self.is_superseded = True
            return
        self._forget(row)
        if row.user_id is not None:
            session_expired.send_robust(
                sender=type(self), row=row, verdict=verdict, client=self.client
            )

    def _ends_with_its_user(self, row: Row) -> bool:
        """End the sessions of a user who was disabled or deleted unnoticed."""
        reason = why_gone(row.user_id) if row.user_id is not None else None
        if reason is None:
            return False
        user_gone.send_robust(sender=type(self), row=row, reason=reason, client=self.client)
        return True


def _verdict(row: Row, limits: Limits, now: datetime) -> Verdict:
    return judge(started_at=row.started_at, last_activity=row.last_activity, now=now, limits=limits)


def _touch_due(row: Row, limits: Limits, now: datetime) -> bool:
    return touch_is_due(
        last_activity=row.last_activity,
        now=now,
        interval=conf.ACTIVITY_INTERVAL,
        limits=limits,
    )
