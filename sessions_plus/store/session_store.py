"""
The session store: Django's interface over a row that decides.

Reading, writing and expiry stand in their own modules; here are the key and the end.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from asgiref.sync import sync_to_async
from django.contrib.sessions.backends.base import UpdateError
from django.contrib.sessions.exceptions import SessionInterrupted
from django.utils import timezone

from sessions_plus.conf import conf
from sessions_plus.crypto import digest, same
from sessions_plus.keys import read_token
from sessions_plus.maintenance.cleanup import cleanup
from sessions_plus.models.session import Reason, Session
from sessions_plus.rows import session_row
from sessions_plus.rows.session_row import Row
from sessions_plus.signals import session_ended
from sessions_plus.store.expiry import ExpiringStore
from sessions_plus.store.presented_key import seal_successor
from sessions_plus.store.writing import SAVE_ATTEMPTS, Binding, Superseded

__all__ = ["Binding", "SessionStore"]


class SessionStore(ExpiringStore):
    """
    A tracked session.

    Attributes that the middleware and the features use:

    ``cookies``, ``path``, ``client``
        of the request that it serves, and who is calling; None where it was built without one.
    ``is_touched``
        this request recorded activity, so the cookie's age may be renewed.
    ``has_postponed_activity``
        activity is to be recorded once the view's transaction is over.
    ``was_told_key``
        the key presented was the one before; this request goes on under its successor.
    ``is_superseded``
        the key was replaced a moment ago by another request: this one must neither
        set nor delete the cookie, which is the other's to set.
    ``has_ended``
        the key was of somebody's session that has ended, by this request or before it:
        the browser should forget what it kept for them.
    ``ending_reason``
        the reason that ``delete`` and ``flush`` give.
    ``auth_methods``
        how the person who is about to sign in proved themselves; None: to be told
        from the authentication backend.
    ``issued_device_token``, ``issued_trust_token``
        the device and the trust cookie that the response has to set, or None.
    ``wants_trust``
        the person who is about to sign in said that this device is theirs.
    ``begun_challenge``
        whether this request ended a ``login()`` in a challenge.
    """

    ending_reason: str = Reason.FLUSHED
    auth_methods: tuple[str, ...] | None = None
    issued_device_token: str | None = None
    issued_trust_token: str | None = None
    wants_trust: bool = False
    begun_challenge: bool = False

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.public_id or 'not stored'}>"

    @classmethod
    def get_model_class(cls) -> type[Session]:
        return Session

    def cycle_key(self) -> None:
        """
        Give the session a new key. The old one is dead at once; the row goes on.

        A session that is not stored yet gets its key without any I/O, and its row
        with the next save. An anonymous one that ended meanwhile, or that somebody else
        signed in to, goes on as a new one with what this request had.

        Raises:
            SessionInterrupted: somebody was signed in to it, and it ended meanwhile.
        """
        data = self._dictionary()
        for _ in range(SAVE_ATTEMPTS):
            row = self.row
            if row is None:
                break
            if self._change_key(row):
                return
            self._merge_before_new_key(row, data)
        self._take_new_key()
        self.is_superseded = False
        self._session_cache = data
        self.modified = True

    def _change_key(self, row: Row) -> bool:
        """Change the key in one UPDATE; return False where the row has moved on."""
        old_key, was_fresh = self._session_key, self._key_is_fresh
        changes = self._make_new_key(row, timezone.now())
        if session_row.update(row.public_id, changes, version=row.version):
            self._note_uncommitted(row.payload)
            row.take(changes)
            self._remember_written(row)
            return True
        self._session_key, self._key_is_fresh = old_key, was_fresh
        return False

    def _merge_before_new_key(self, row: Row, data: dict[str, Any]) -> None:
        try:
            self._merge_with_newer(row, data)
        except Superseded:
            self.row = None
        except UpdateError:
            if row.user_id is not None:
                raise SessionInterrupted("The session ended during the request.") from None
            self.row = None

    async def acycle_key(self) -> None:
        """See cycle_key()."""
        await sync_to_async(self.cycle_key)()

    def rotation_is_due(self, now: datetime) -> bool:
        """Say whether this request should end with a new key (``ROTATION_INTERVAL``)."""
        if self._copy is not None:
            return False  # it was served on the fast path
        row, interval = self.row, conf.ROTATION_INTERVAL
        if row is None or row.user_id is None or interval is None or self._has_new_key:
            return False
        if self._binding is not None:
            return False  # the save that follows makes a key, and lets the old one die
        return now - (row.rotated_at or row.started_at) >= interval

    def rotate(self, now: datetime) -> None:
        """
        Replace the key of a session in use, so that parallel requests go on.

        The old key still finds the new one, sealed under it: whoever loses the race
        to rotate, or the response that brought the new key, gets the same.
        """
        row, old_key = self.row, self._session_key
        if row is None or old_key is None:
            return
        changes = self._make_new_key(row, now)
        changes["successor_seen"] = False
        changes["sealed_successor"] = seal_successor(
            self._key, under=old_key, public_id=row.public_id, device_token=self.device_token
        )
        self._key_is_fresh = False
        if session_row.update(row.public_id, changes, version=row.version):
            row.take(changes)
            self._remember_written(row)
            return
        self._session_key = old_key
        self._has_new_key = False
        self._follow_rotation(row)

    async def arotate(self, now: datetime) -> None:
        """See rotate()."""
        await sync_to_async(self.rotate)(now)

    def _follow_rotation(self, row: Row) -> None:
        """
        Another request wrote first: take on the key that it made, where it made one.

        However long this request took, its key was good when it began: no grace period
        is asked for, and nobody is accused.
        """
        newer = session_row.fetch(row.public_id)
        if newer is None or newer.revoked_at is not None:
            self.is_superseded = True
        elif not self._is_current(newer):
            self.is_superseded = not self._take_successor(newer)

    def confirm_key(self) -> None:
        """
        Ask once more whether the key that we were told still is the newest.

        The view may have taken long, and the browser have a newer one by now: then the
        response must not put this one in its place.
        """
        newest = session_row.fetch(self.row.public_id) if self.row is not None else None
        if newest is None or newest.revoked_at is not None or not self._is_current(newest):
            self.is_superseded = True

    async def aconfirm_key(self) -> None:
        """See confirm_key()."""
        await sync_to_async(self.confirm_key)()

    # Ending

    def exists(self, session_key: str) -> bool:
        """Say whether this is the current key of a session that has not ended."""
        row = self._fetch_by_key(session_key)
        return row is not None and row.revoked_at is None

    async def aexists(self, session_key: str) -> bool:
        """See exists()."""
        return await sync_to_async(self.exists)(session_key)

    def delete(self, session_key: str | None = None) -> None:
        """
        End a session: its data is wiped, its row stays with the reason.

        One that nobody is signed in to is removed.
        """
        is_own = session_key is None or session_key == self.session_key
        if is_own and self.row is None:
            self.load()  # the key may have been replaced a moment ago
        row = self.row if is_own else self._fetch_by_key(session_key or "")
        if row is None:
            return
        self.has_ended = self.has_ended or (is_own and row.user_id is not None)
        if row.user_id is None:
            session_row.remove(row.public_id)
        elif session_row.end(row.public_id, reason=self.ending_reason, now=timezone.now()):
            session_ended.send_robust(
                sender=type(self), row=row, reason=self.ending_reason, client=self.client
            )
        self._forget(row)

    async def adelete(self, session_key: str | None = None) -> None:
        """See delete()."""
        await sync_to_async(self.delete)(session_key)

    def _fetch_by_key(self, session_key: str) -> Row | None:
        public_id = read_token(session_key)
        row = session_row.fetch(public_id) if public_id is not None else None
        return row if row is not None and same(row.key_hash, digest(session_key)) else None

    def flush(self) -> None:
        super().flush()
        self._reset()

    async def aflush(self) -> None:
        """See flush()."""
        await super().aflush()
        self._reset()

    @classmethod
    def clear_expired(cls) -> None:
        """Remove what has expired or is past its retention: sessions, events, devices."""
        cleanup(timezone.now())

    @classmethod
    async def aclear_expired(cls) -> None:
        """See clear_expired()."""
        await sync_to_async(cls.clear_expired)()

    def _reset(self) -> None:
        self.row = None
        self._binding = None
        self._has_new_key = self._key_is_fresh = self.was_told_key = False
