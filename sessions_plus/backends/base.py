"""
The session store: Django's interface over a row that decides.

Invariant for whoever edits this: a write changes the row only if it still is what
was read and has not ended, in one statement; and nothing here turns a database
error into "no session".
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from asgiref.sync import sync_to_async
from django.conf import settings
from django.contrib.sessions.backends.base import CreateError, SessionBase, UpdateError
from django.db import IntegrityError
from django.utils import timezone

from sessions_plus.backends import payload as payloads
from sessions_plus.backends import rows
from sessions_plus.backends.columns import (
    AUTH_USER_KEY,
    EMPTY_ROW,
    client_columns,
    data_columns,
    new_key_columns,
    user_columns,
    user_id_in,
)
from sessions_plus.backends.keys import new_public_id, new_token, read_token
from sessions_plus.backends.lifetime import EXPIRY_KEY, limits_of
from sessions_plus.backends.merge import merge
from sessions_plus.backends.presented_key import Match, match, open_successor, seal_successor
from sessions_plus.backends.rows import Row
from sessions_plus.client_info import ClientInfo
from sessions_plus.conf import conf
from sessions_plus.crypto import digest, same
from sessions_plus.exceptions import SealBroken
from sessions_plus.models.session import Kind, Reason, Session, unseal_data
from sessions_plus.policy import Limits, Verdict, expires_at, judge, touch_is_due
from sessions_plus.signals import data_unreadable, key_reused, session_expired

# A save that meets a newer row merges and tries again; each round means that somebody
# else's save went through, so this many are only reached when something is badly wrong.
SAVE_ATTEMPTS = 50

# A row that changes between reading and touching it is read again. Only a rotation is
# followed by one that lives, and no two of them are this close.
SETTLE_ATTEMPTS = 3

EXPIRY_MARK = EXPIRY_KEY.encode()


class Binding(Protocol):
    """What a sign-in adds to the session's next write: its device, methods and events."""

    def columns(self, store: SessionStore, now: datetime) -> dict[str, Any]:
        """Return the columns to write with the session. May read and write other rows."""

    def written(self, store: SessionStore, now: datetime) -> None:
        """Act on a session that is now stored."""


class SessionStore(SessionBase):
    """
    A tracked session.

    Attributes that the middleware and the features use:

    ``client``
        who is calling; None where the store was built without a request.
    ``device_token``
        the device cookie that came with the request, or None.
    ``row``
        the stored facts as this store last knew them; None before it was loaded.
    ``is_touched``
        this request recorded activity, so the cookie's age may be renewed.
    ``is_superseded``
        the key was replaced a moment ago by another request: this one must neither
        set nor delete the cookie, which is the other's to set.
    ``ending_reason``
        the reason that ``delete`` and ``flush`` give.
    ``auth_methods``
        how the person who is about to sign in proved themselves; None: to be told
        from the authentication backend.
    ``issued_device_token``
        the device cookie that the response has to set, or None.
    """

    kind: str = Kind.BROWSER

    def __init__(self, session_key: str | None = None) -> None:
        super().__init__(session_key)
        self.client: ClientInfo | None = None
        self.device_token: str | None = None
        self.row: Row | None = None
        self.is_touched = False
        self.is_superseded = False
        self.ending_reason: str = Reason.FLUSHED
        self.auth_methods: tuple[str, ...] | None = None
        self.issued_device_token: str | None = None
        self._binding: Binding | None = None
        self._has_new_key = False  # a key that this request made or was told

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.public_id or 'not stored'}>"

    @classmethod
    def get_model_class(cls) -> type[Session]:
        return Session

    @property
    def public_id(self) -> UUID | None:
        """The harmless name of the session, or None where it isn't stored."""
        return self.row.public_id if self.row is not None else None

    @property
    def has_new_key(self) -> bool:
        """Whether the browser has yet to be told of the key."""
        return self._has_new_key and self.row is not None

    # Copies: the cache tier overrides these

    def _recall(self, public_id: UUID) -> Row | None:
        """Return a copy of the row, or None."""
        return None

    async def _arecall(self, public_id: UUID) -> Row | None:
        """See _recall()."""
        return None

    def _remember_read(self, row: Row) -> None:
        """Keep a copy of a row that was just read."""

    def _remember_written(self, row: Row) -> None:
        """Keep a copy of a row that this request changed, in place of any older one."""

    def _forget(self, row: Row) -> None:
        """Drop the copy of a row that ended, for good."""

    # Reading

    def load(self) -> dict[str, Any]:
        now = timezone.now()
        public_id = self._stored_public_id()
        if public_id is None:
            return self._begin(None)
        copy = self._recall(public_id)
        return self._begin(copy if self._serves(copy, now) else self._settle(public_id, copy, now))

    async def aload(self) -> dict[str, Any]:
        """See load(). Hops to a thread only where the database has to be asked."""
        now = timezone.now()
        public_id = self._stored_public_id()
        if public_id is None:
            return self._begin(None)
        copy = await self._arecall(public_id)
        if self._serves(copy, now):
            return self._begin(copy)
        return self._begin(await sync_to_async(self._settle)(public_id, copy, now))

    @property
    def _key(self) -> str:
        return self._session_key or ""

    @property
    def _is_stored(self) -> bool:
        """Whether there may be a row: not for a key that was made here and not saved yet."""
        return self.row is not None or not self._has_new_key

    def _stored_public_id(self) -> UUID | None:
        """Return which row to look for; None, without any I/O, for a key that we never issued."""
        return read_token(self._session_key) if self._is_stored else None

    def _begin(self, row: Row | None) -> dict[str, Any]:
        """Take on what was read: the row, and its dictionary."""
        if row is None:
            if self._is_stored:
                self._session_key = None
                self.row = None
            return {}
        self.row = row
        return payloads.decode(row.payload)

    def _serves(self, copy: Row | None, now: datetime) -> bool:
        """Say whether a copy serves as it is, without asking the database."""
        if copy is None or not copy.successor_seen or not same(copy.key_hash, digest(self._key)):
            return False
        limits = _limits(copy)
        return not _touch_due(copy, limits, now) and _verdict(copy, limits, now) == Verdict.ALIVE

    def _settle(self, public_id: UUID, copy: Row | None, now: datetime) -> Row | None:
        """
        Find out with the database whether the session lives, and renew its lease.

        A copy saves reading the row where one UPDATE can prove that it lives.
        """
        if (
            copy is not None
            and same(copy.key_hash, digest(self._key))
            and _verdict(copy, _limits(copy), now) == Verdict.ALIVE
            and self._touch(copy, now)
        ):
            return copy
        for _ in range(SETTLE_ATTEMPTS):
            row = rows.fetch(public_id)
            if row is None or row.revoked_at is not None:
                return None
            if not self._accept_key(row, now) or not self._open(row):
                return None
            limits = _limits(row)
            verdict = _verdict(row, limits, now)
            if verdict != Verdict.ALIVE:
                self._expire(row, verdict, now)
                return None
            if not _touch_due(row, limits, now) and not self._proves_successor(row):
                self._remember_read(row)
                return row
            if self._touch(row, now):
                return row
        return None

    def _accept_key(self, row: Row, now: datetime) -> bool:
        """Say whether the presented key may use this row; act on one that tells of a theft."""
        found = match(row, digest(self._key), now=now, grace_period=conf.ROTATION_GRACE_PERIOD)
        if found is Match.CURRENT:
            return True
        if found is Match.PREDECESSOR:
            successor = open_successor(row, under=self._key, device_token=self.device_token)
            if successor is not None:
                self._session_key = successor
                self._has_new_key = True
                return True
            found = Match.REUSED
        # Requests that were under way with a superseded key are strangers, but must not
        # take the new cookie away from the browser.
        self.is_superseded = found is Match.SUPERSEDED
        if found is Match.REUSED:
            key_reused.send(sender=type(self), row=row, client=self.client)
        return False

    def _open(self, row: Row) -> bool:
        """Fill in ``payload``. Return False, and say so, where the data does not open."""
        try:
            row.payload = unseal_data(row.data, row.public_id, row.user_id)
        except SealBroken:
            data_unreadable.send(sender=type(self), row=row, client=self.client)
            return False
        return True

    def _expire(self, row: Row, verdict: Verdict, now: datetime) -> None:
        if row.user_id is None:
            rows.remove(row.public_id)
        elif rows.end(row.public_id, reason=verdict.value, now=now):
            session_expired.send(sender=type(self), row=row, verdict=verdict, client=self.client)
        self._forget(row)

    # Activity

    def _proves_successor(self, row: Row) -> bool:
        """Whether the current key of a rotated session came for the first time."""
        return not row.successor_seen and not self._has_new_key

    def _touch(self, row: Row, now: datetime) -> bool:
        """
        Record activity, which proves that the row still lives: the lease.

        Return False where it does not: revoked, rotated or gone.
        """
        changes = {
            "last_activity": now,
            "expire_date": expires_at(
                started_at=row.started_at, last_activity=now, limits=_limits(row)
            ),
            **client_columns(self.client, row, row.user_id),
        }
        if self._proves_successor(row):
            changes["successor_seen"] = True
        if not rows.update(row.public_id, changes, key_hash=row.key_hash):
            return False
        row.take(changes)
        self.is_touched = True
        self._remember_written(row)
        return True

    # Writing

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
        data = self._dictionary(no_load=must_create)
        if self.row is None and self._is_stored:
            self.load()  # clear() empties the dictionary without having read the row
        now = timezone.now()
        binding, self._binding = self._binding, None
        columns = binding.columns(self, now) if binding is not None else {}
        if must_create or not self._is_stored:
            self._insert(data, columns, now)
        else:
            self._update(data, columns, now)
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
            rows.insert(values)
        except IntegrityError:
            if rows.fetch(public_id) is None:
                raise
            raise CreateError from None
        self.row = Row.of(values, payload=payload)
        self._remember_written(self.row)

    def _update(self, data: dict[str, Any], columns: Mapping[str, Any], now: datetime) -> None:
        for _ in range(SAVE_ATTEMPTS):
            row = self.row
            if row is None:
                break
            if self._write(row, data, columns, now):
                return
            data = self._merge_with_newer(row, data)
        raise UpdateError

    def _write(
        self, row: Row, data: dict[str, Any], columns: Mapping[str, Any], now: datetime
    ) -> bool:
        """Write once; return False where the row has moved on or ended."""
        user_id = user_id_in(data)
        payload = payloads.encode(data)
        changes = {
            **user_columns(row, user_id, now),
            **client_columns(self.client, row, user_id),
            **columns,
        }
        if columns and not self._has_new_key:
            changes |= self._make_new_key(row, now)
        changes |= data_columns(data, payload, {**row.facts(), **changes}, now)
        changes["version"] = row.version + 1
        if not rows.update(row.public_id, changes, version=row.version):
            return False
        row.take(changes)
        row.payload = payload
        self._remember_written(row)
        return True

    def _merge_with_newer(self, row: Row, data: dict[str, Any]) -> dict[str, Any]:
        """
        Return our changes on top of what was stored meanwhile, and take on the newer row.

        Raises:
            UpdateError: it ended meanwhile.
        """
        newer = rows.fetch(row.public_id)
        if newer is None or newer.revoked_at is not None or not self._open(newer):
            raise UpdateError
        if not same(newer.key_hash, row.key_hash):
            self.is_superseded = True
        merged = merge(
            payloads.decode(row.payload),
            payloads.decode(payloads.encode(data)),
            payloads.decode(newer.payload),
        )
        self.row = newer
        self._session_cache = merged
        return merged

    # The key

    def cycle_key(self) -> None:
        """
        Give the session a new key. The old one is dead at once; the row goes on.

        A session that is not stored yet gets its key without any I/O, and its row
        with the next save. One that ended meanwhile goes on as a new one.
        """
        data = self._dictionary()
        while (row := self.row) is not None:
            old_key = self._session_key
            changes = self._make_new_key(row, timezone.now())
            if rows.update(row.public_id, changes, version=row.version):
                row.take(changes)
                self._remember_written(row)
                return
            self._session_key = old_key
            try:
                data = self._merge_with_newer(row, data)
            except UpdateError:
                self.row = None
        self._take_new_key()
        self._session_cache = data
        self.modified = True

    async def acycle_key(self) -> None:
        """See cycle_key()."""
        await sync_to_async(self.cycle_key)()

    def _take_new_key(self) -> None:
        """Become a session that is not stored yet."""
        self.row = None
        self._session_key = new_token(new_public_id())
        self._has_new_key = True

    def _make_new_key(self, row: Row, now: datetime) -> dict[str, Any]:
        """Take a new key for a stored session; return the columns to write."""
        self._session_key = new_token(row.public_id)
        self._has_new_key = True
        self.is_superseded = False
        return new_key_columns(row, self._key, now)

    def rotation_is_due(self, now: datetime) -> bool:
        """Say whether this request should end with a new key (``ROTATION_INTERVAL``)."""
        row, interval = self.row, conf.ROTATION_INTERVAL
        if row is None or row.user_id is None or interval is None or self._has_new_key:
            return False
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
        if rows.update(row.public_id, changes, version=row.version):
            row.take(changes)
            self._remember_written(row)
            return
        self._session_key = old_key
        self._has_new_key = False
        self._follow_rotation(row, now)

    async def arotate(self, now: datetime) -> None:
        """See rotate()."""
        await sync_to_async(self.rotate)(now)

    def _follow_rotation(self, row: Row, now: datetime) -> None:
        """Another request wrote first: take on the key that it made, where it made one."""
        newer = rows.fetch(row.public_id)
        if newer is None or newer.revoked_at is not None or not self._accept_key(newer, now):
            self.is_superseded = True

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
        row = self.row if is_own else None
        row = row or self._fetch_by_key(session_key or self._key)
        if row is None:
            return
        if row.user_id is not None or not rows.remove(row.public_id):
            rows.end(row.public_id, reason=self.ending_reason, now=timezone.now())
        self._forget(row)

    async def adelete(self, session_key: str | None = None) -> None:
        """See delete()."""
        await sync_to_async(self.delete)(session_key)

    def _fetch_by_key(self, session_key: str) -> Row | None:
        public_id = read_token(session_key)
        row = rows.fetch(public_id) if public_id is not None else None
        return row if row is not None and same(row.key_hash, digest(session_key)) else None

    def flush(self) -> None:
        super().flush()
        self._reset()

    async def aflush(self) -> None:
        """See flush()."""
        await super().aflush()
        self._reset()

    def _reset(self) -> None:
        self.row = None
        self._binding = None
        self._has_new_key = False

    def get_session_cookie_age(self) -> int:
        """The idle timeout in force, in seconds."""
        signed_in = AUTH_USER_KEY in getattr(self, "_session_cache", {})
        idle = conf.IDLE_TIMEOUT if signed_in else conf.ANONYMOUS_LIFETIME
        return int(idle.total_seconds()) if idle is not None else settings.SESSION_COOKIE_AGE


def _limits(row: Row) -> Limits:
    # The whole dictionary is decoded only where the site called set_expiry().
    has_expiry = EXPIRY_MARK in (row.payload or b"")
    return limits_of(user_id=row.user_id, data=payloads.decode(row.payload) if has_expiry else {})


def _verdict(row: Row, limits: Limits, now: datetime) -> Verdict:
    return judge(started_at=row.started_at, last_activity=row.last_activity, now=now, limits=limits)


def _touch_due(row: Row, limits: Limits, now: datetime) -> bool:
    return touch_is_due(
        last_activity=row.last_activity,
        now=now,
        interval=conf.ACTIVITY_INTERVAL,
        limits=limits,
    )
