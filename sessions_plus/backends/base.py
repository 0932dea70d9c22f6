"""
The session store: Django's interface over a row that decides.

Invariant for whoever edits this: a write changes the row only if it still is what
was read and has not ended, in one statement; and nothing here turns a database
error into "no session".
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol

from asgiref.sync import sync_to_async
from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.sessions.backends.base import CreateError, SessionBase, UpdateError
from django.core.exceptions import ValidationError
from django.db import IntegrityError
from django.utils import timezone

from sessions_plus.backends import rows
from sessions_plus.backends.keys import new_public_id, new_token, read_token
from sessions_plus.backends.lifetime import EXPIRY_KEY, limits_of
from sessions_plus.backends.merge import merge
from sessions_plus.backends.rows import Row
from sessions_plus.conf import conf
from sessions_plus.crypto import (
    Purpose,
    context,
    digest,
    same,
    seal,
    seal_under,
    unseal_under,
)
from sessions_plus.exceptions import NotSerialisable, SealBroken
from sessions_plus.models.session import Kind, Reason, Session, data_context, unseal_data
from sessions_plus.policy import Limits, Verdict, expires_at, judge, touch_is_due
from sessions_plus.signals import data_unreadable, key_reused, session_expired

if TYPE_CHECKING:
    from sessions_plus.client_info import ClientInfo

AUTH_USER_KEY = "_auth_user_id"  # where Django's login() keeps it

# A save that meets a newer row merges and tries again. Each round means that
# somebody else's save went through, so this is only reached by a broken clock of writes.
SAVE_ATTEMPTS = 50


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
        the key was rotated away a moment ago by another request: this one must
        neither set nor delete the cookie, which is the other's to set.
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
        self._has_new_key = False  # a key that was made in this request

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.public_id or 'not stored'}>"

    @classmethod
    def get_model_class(cls) -> type[Session]:
        return Session

    @property
    def has_new_key(self) -> bool:
        """Whether the browser has yet to be told of the key."""
        return self._has_new_key and self.row is not None

    @property
    def public_id(self) -> Any:
        """The harmless name of the session, or None where it isn't stored."""
        return self.row.public_id if self.row is not None else None

    # Copies: the cache tier overrides these

    def _recall(self, key: str) -> Row | None:
        """Return a copy of the row that ``key`` names, or None."""
        return None

    async def _arecall(self, key: str) -> Row | None:
        """See _recall()."""
        return None

    def _remember(self, row: Row) -> None:
        """Keep a copy of a row that was just read or written."""

    def _forget(self, row: Row) -> None:
        """Drop the copy of a row that ended, for good."""

    # Reading

    def load(self) -> dict[str, Any]:
        now = timezone.now()
        copy = self._recall(self._session_key) if self._is_stored else None
        return self._begin(copy if self._is_good_now(copy, now) else self._settle(copy, now))

    async def aload(self) -> dict[str, Any]:
        """See load()."""
        now = timezone.now()
        copy = await self._arecall(self._session_key) if self._is_stored else None
        if self._is_good_now(copy, now):
            return self._begin(copy)
        if not self._is_stored or read_token(self._session_key) is None:
            return self._begin(None)
        return self._begin(await sync_to_async(self._settle)(copy, now))

    @property
    def _is_stored(self) -> bool:
        """Whether there may be a row: not for a key that was made here and not saved yet."""
        return self.row is not None or not self._has_new_key

    def _begin(self, row: Row | None) -> dict[str, Any]:
        """Take on what was read: the row, and its dictionary."""
        if row is None or row.payload is None:
            if self._is_stored:
                self._session_key = None
                self.row = None
            return {}
        self.row = row
        return self._decode_payload(row.payload)

    def _is_good_now(self, row: Row | None, now: datetime) -> bool:
        """Say whether a copy serves as it is, without asking the database."""
        if row is None or row.payload is None or not row.successor_seen:
            return False
        if not same(row.key_hash, digest(self._session_key)):
            return False
        limits = self._limits(row)
        return not self._touch_due(row, limits, now) and _verdict(row, limits, now) == Verdict.ALIVE

    def _settle(self, copy: Row | None, now: datetime) -> Row | None:
        """
        Find out with the database whether the session lives, and renew its lease.

        A copy saves reading the row where one UPDATE can prove that it lives.
        """
        public_id = read_token(self._session_key) if self._is_stored else None
        if public_id is None:
            return None
        key_hash = digest(self._session_key)
        if copy is not None and same(copy.key_hash, key_hash) and self._renew(copy, now):
            return copy
        row = rows.fetch(public_id)
        if row is None or row.revoked_at is not None or not self._accept_key(row, key_hash, now):
            return None
        return self._judge_and_keep(row, now)

    def _judge_and_keep(self, row: Row, now: datetime) -> Row | None:
        if not self._open(row):
            return None
        limits = self._limits(row)
        verdict = _verdict(row, limits, now)
        if verdict != Verdict.ALIVE:
            self._expire(row, verdict, now)
            return None
        if self._touch_due(row, limits, now) or self._proves_successor(row):
            return row if self._renew(row, now) else None
        self._remember(row)
        return row

    def _accept_key(self, row: Row, key_hash: str, now: datetime) -> bool:
        """Say whether a key that names this row may use it; act on one that tells of a theft."""
        if same(row.key_hash, key_hash):
            return True
        if not same(row.previous_key_hash, key_hash):
            key_reused.send(sender=type(self), row=row, client=self.client)
            return False
        in_grace = row.rotated_at is not None and (
            now <= row.rotated_at + conf.ROTATION_GRACE_PERIOD
        )
        if row.sealed_successor is None:
            # Privilege changed: the old key is dead. Requests that were under way with
            # it are strangers, but must not take the new cookie away from the browser.
            self.is_superseded = in_grace
            return False
        successor = self._open_successor(row)
        if successor is None or not (in_grace or not row.successor_seen):
            key_reused.send(sender=type(self), row=row, client=self.client)
            return False
        self._session_key = successor
        self._has_new_key = True
        return True

    def _open_successor(self, row: Row) -> str | None:
        """Return the key that followed the one presented; None from another device."""
        try:
            return unseal_under(
                self._session_key,
                bytes(row.sealed_successor or b""),
                purpose=Purpose.SUCCESSOR,
                bound_to=self._successor_context(row),
            ).decode()
        except SealBroken:
            return None

    def _successor_context(self, row: Row) -> bytes:
        return context("sessions_plus_session", "successor", row.public_id, self.device_token)

    def _open(self, row: Row) -> bool:
        """Fill in ``payload``. Return False, and say so once, where the data does not open."""
        if row.payload is not None:
            return True
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
            session_expired.send(
                sender=type(self), row=row, verdict=verdict, client=self.client, now=now
            )
        self._forget(row)

    # Activity

    def _limits(self, row: Row) -> Limits:
        data = (
            self._decode_payload(row.payload or b"") if EXPIRY_MARK in (row.payload or b"") else {}
        )
        return limits_of(user_id=row.user_id, data=data)

    def _proves_successor(self, row: Row) -> bool:
        """Whether the current key of a rotated session came for the first time."""
        return not row.successor_seen and not self._has_new_key

    def _touch_due(self, row: Row, limits: Limits, now: datetime) -> bool:
        return touch_is_due(
            last_activity=row.last_activity,
            now=now,
            interval=conf.ACTIVITY_INTERVAL,
            limits=limits,
        )

    def _renew(self, row: Row, now: datetime) -> bool:
        """
        Record activity, which proves that the row still lives: the lease.

        Return False where it does not: revoked, rotated or gone.
        """
        limits = self._limits(row)
        if _verdict(row, limits, now) != Verdict.ALIVE:
            return False
        changes: dict[str, Any] = {
            "last_activity": now,
            "expire_date": expires_at(started_at=row.started_at, last_activity=now, limits=limits),
            **self._client_columns(row, row.user_id),
        }
        if self._proves_successor(row):
            changes["successor_seen"] = True
        if not rows.update(row.public_id, changes, key_hash=row.key_hash):
            return False
        _take(row, changes)
        self.is_touched = True
        self._remember(row)
        return True

    def _client_columns(self, row: Row | None, user_id: object) -> dict[str, Any]:
        """Return the columns of who is calling that differ from the row's."""
        client = self.client
        if client is None or (user_id is None and not conf.TRACK_ANONYMOUS):
            return {}
        columns: dict[str, Any] = {}
        if row is None or client.stored_ip_address != row.ip_address:
            columns["ip_address"] = client.stored_ip_address
            columns["location"] = client.location
        if row is None or client.user_agent != row.user_agent:
            columns |= agent_columns(client)
        return columns

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
        data = self._get_session(no_load=must_create)
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

    def _take_new_key(self) -> None:
        self.row = None
        self._session_key = new_token(new_public_id())
        self._has_new_key = True

    def _insert(self, data: dict[str, Any], columns: Mapping[str, Any], now: datetime) -> None:
        public_id = read_token(self._session_key)
        if self.row is not None or public_id is None:
            raise CreateError
        user_id = _user_id(data)
        values = {
            **EMPTY_ROW,
            "public_id": public_id,
            "kind": self.kind,
            "key_hash": digest(self._session_key),
            "created_at": now,
            **self._authentication_columns(None, user_id, now),
            **self._client_columns(None, user_id),
            **columns,
        }
        values |= self._data_columns(data, values, now)
        payload = values.pop("payload")
        try:
            rows.insert(values)
        except IntegrityError:
            if rows.fetch(public_id) is None:
                raise
            raise CreateError from None
        self.row = Row(**{name: values[name] for name in rows.ATTRIBUTES}, payload=payload)
        self._remember(self.row)

    def _update(self, data: dict[str, Any], columns: Mapping[str, Any], now: datetime) -> None:
        for _ in range(SAVE_ATTEMPTS):
            row = self.row
            if row is None:
                break
            if self._write(row, data, columns, now):
                return
            data = self._merged_with_newer(row, data)
        raise UpdateError

    def _write(
        self, row: Row, data: dict[str, Any], columns: Mapping[str, Any], now: datetime
    ) -> bool:
        """Write once; return False where the row has moved on or ended."""
        user_id = _user_id(data)
        changes = {
            **self._authentication_columns(row, user_id, now),
            **self._client_columns(row, user_id),
            **columns,
        }
        if "authenticated_at" in columns and not self._has_new_key:
            changes |= self._new_key_columns(row, now)
        changes |= self._data_columns(data, {**_facts(row), **changes}, now)
        payload = changes.pop("payload")
        changes["version"] = row.version + 1
        if not rows.update(row.public_id, changes, version=row.version):
            return False
        _take(row, changes)
        row.payload = payload
        self._remember(row)
        return True

    def _merged_with_newer(self, row: Row, data: dict[str, Any]) -> dict[str, Any]:
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
            self._decode_payload(row.payload or b"{}"),
            self._decode_payload(self._encode_payload(data)),
            self._decode_payload(newer.payload or b"{}"),
        )
        self.row = newer
        self._session_cache = merged
        return merged

    def _data_columns(
        self, data: dict[str, Any], facts: Mapping[str, Any], now: datetime
    ) -> dict[str, Any]:
        user_id = facts["user_id"]
        payload = self._encode_payload(data)
        started_at = facts["authenticated_at"] or facts["created_at"]
        return {
            "payload": payload,
            "data": seal(
                payload,
                purpose=Purpose.SESSION_DATA,
                bound_to=data_context(facts["public_id"], user_id),
            ),
            "last_activity": now,
            "expire_date": expires_at(
                started_at=started_at,
                last_activity=now,
                limits=limits_of(user_id=user_id, data=data),
            ),
        }

    def _authentication_columns(
        self, row: Row | None, user_id: object, now: datetime
    ) -> dict[str, Any]:
        """Return what changes where the dictionary names another user than the row."""
        if row is not None and row.user_id == user_id:
            return {}
        if user_id is None:
            return {
                "user_id": None,
                "device_id": None,
                "authenticated_at": None,
                "reauthenticated_at": None,
                "auth_methods": "",
            }
        return {"user_id": user_id, "authenticated_at": now}

    # The key

    def cycle_key(self) -> None:
        """
        Give the session a new key. The old one is dead at once; the row goes on.

        A session that is not stored yet gets its key without any I/O, and its row
        with the next save.
        """
        data = self._get_session()
        row = self.row
        if row is not None:
            changes = self._new_key_columns(row, timezone.now())
            if rows.update(row.public_id, changes, version=row.version):
                _take(row, changes)
                self._remember(row)
                return None
            self._take_on_if_alive(row, data)
            if self.row is not None:
                return self.cycle_key()
        self._take_new_key()
        self._session_cache = data
        self.modified = True

    def _take_on_if_alive(self, row: Row, data: dict[str, Any]) -> None:
        try:
            self._merged_with_newer(row, data)
        except UpdateError:
            self.row = None

    async def acycle_key(self) -> None:
        """See cycle_key()."""
        await sync_to_async(self.cycle_key)()

    def _new_key_columns(self, row: Row, now: datetime) -> dict[str, Any]:
        key = new_token(row.public_id)
        self._session_key = key
        self._has_new_key = True
        return {
            "key_hash": digest(key),
            "previous_key_hash": row.key_hash,
            "sealed_successor": None,
            "successor_seen": True,
            "rotated_at": now,
            "version": row.version + 1,
        }

    def rotation_is_due(self, now: datetime) -> bool:
        """Say whether this request should end with a new key (``ROTATION_INTERVAL``)."""
        row = self.row
        if (
            row is None
            or row.user_id is None
            or self._has_new_key
            or conf.ROTATION_INTERVAL is None
        ):
            return False
        return now - (row.rotated_at or row.started_at) >= conf.ROTATION_INTERVAL

    def rotate(self, now: datetime) -> None:
        """
        Replace the key of a session in use, so that parallel requests go on.

        The old key still finds the new one, sealed under it: whoever loses the race
        to rotate, or the response that brought the new key, gets the same.
        """
        row = self.row
        if row is None or self._session_key is None:
            return
        old_key, old_hash = self._session_key, row.key_hash
        changes = self._new_key_columns(row, now)
        changes |= {
            "successor_seen": False,
            "sealed_successor": seal_under(
                old_key,
                self._session_key.encode(),
                purpose=Purpose.SUCCESSOR,
                bound_to=self._successor_context(row),
            ),
        }
        if rows.update(row.public_id, changes, version=row.version, key_hash=old_hash):
            _take(row, changes)
            self._remember(row)
            return
        self._session_key = old_key
        self._has_new_key = False
        self._follow_rotation(row.public_id, old_hash, now)

    async def arotate(self, now: datetime) -> None:
        """See rotate()."""
        await sync_to_async(self.rotate)(now)

    def _follow_rotation(self, public_id: Any, key_hash: str, now: datetime) -> None:
        """Another request was first: take on the key that it made, where it made one."""
        newer = rows.fetch(public_id)
        if newer is None or newer.revoked_at is not None:
            self.is_superseded = True
        elif self._accept_key(newer, key_hash, now) and self._open(newer):
            self.row = newer

    # Ending

    def exists(self, session_key: str) -> bool:
        """Say whether this is the current key of a session that has not ended."""
        public_id = read_token(session_key)
        row = rows.fetch(public_id) if public_id is not None else None
        return (
            row is not None and row.revoked_at is None and same(row.key_hash, digest(session_key))
        )

    async def aexists(self, session_key: str) -> bool:
        """See exists()."""
        return await sync_to_async(self.exists)(session_key)

    def delete(self, session_key: str | None = None) -> None:
        """
        End a session: its data is wiped, its row stays with the reason.

        One that nobody is signed in to is removed.
        """
        own = session_key is None or session_key == self.session_key
        row = self.row if own else None
        if row is None:
            row = self._fetch_by_key(session_key or self.session_key)
        if row is None:
            return
        if (row.user_id is None and rows.remove(row.public_id)) or rows.end(row.public_id, reason=self.ending_reason, now=timezone.now()):
            self._forget(row)

    async def adelete(self, session_key: str | None = None) -> None:
        """See delete()."""
        await sync_to_async(self.delete)(session_key)

    def _fetch_by_key(self, session_key: str | None) -> Row | None:
        public_id = read_token(session_key)
        row = rows.fetch(public_id) if public_id is not None else None
        if row is None or not same(row.key_hash, digest(session_key or "")):
            return None
        return row

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

    # The dictionary as bytes

    def _encode_payload(self, data: dict[str, Any]) -> bytes:
        try:
            encoded: bytes = self.serializer().dumps(data)
        except (TypeError, ValueError) as error:
            raise NotSerialisable(_unserialisable_message(self, data, error)) from error
        return encoded

    def _decode_payload(self, payload: bytes) -> dict[str, Any]:
        decoded: dict[str, Any] = self.serializer().loads(payload) if payload else {}
        return decoded

    def get_session_cookie_age(self) -> int:
        """The idle timeout in force, in seconds."""
        signed_in = AUTH_USER_KEY in getattr(self, "_session_cache", {})
        idle = conf.IDLE_TIMEOUT if signed_in else conf.ANONYMOUS_LIFETIME
        return int(idle.total_seconds()) if idle is not None else settings.SESSION_COOKIE_AGE


EXPIRY_MARK = EXPIRY_KEY.encode()  # decoding a dictionary only to find no expiry would be waste

EMPTY_ROW: Mapping[str, Any] = {
    "user_id": None,
    "device_id": None,
    "previous_key_hash": "",
    "rotated_at": None,
    "sealed_successor": None,
    "successor_seen": True,
    "version": 1,
    "authenticated_at": None,
    "reauthenticated_at": None,
    "auth_methods": "",
    "ip_address": None,
    "location": "",
    "user_agent": "",
    "browser": "",
    "browser_version": "",
    "system": "",
    "agent_kind": "unknown",
    "revoked_at": None,
    "revoked_reason": "",
}


def agent_columns(client: ClientInfo) -> dict[str, Any]:
    """Return the columns of a session or device that tell of the caller's user agent."""
    agent = client.agent
    return {
        "user_agent": client.user_agent,
        "browser": agent.browser[:64],
        "browser_version": agent.browser_version[:16],
        "system": agent.system[:64],
        "agent_kind": agent.kind,
    }


def _verdict(row: Row, limits: Limits, now: datetime) -> Verdict:
    return judge(started_at=row.started_at, last_activity=row.last_activity, now=now, limits=limits)


def _facts(row: Row) -> dict[str, Any]:
    return {name: getattr(row, name) for name in rows.ATTRIBUTES}


def _take(row: Row, changes: Mapping[str, Any]) -> None:
    """Write to our copy of the row what was written to the row."""
    for name in changes.keys() & _KNOWN:
        setattr(row, name, changes[name])


_KNOWN = frozenset(rows.ATTRIBUTES)


def _user_id(data: Mapping[str, Any]) -> Any:
    """Return the primary key of the user whom the dictionary names, or None."""
    value = data.get(AUTH_USER_KEY)
    if value is None:
        return None
    try:
        return get_user_model()._meta.pk.to_python(value)
    except ValidationError:
        return None


def _unserialisable_message(store: SessionStore, data: dict[str, Any], error: Exception) -> str:
    for key, value in data.items():
        try:
            store.serializer().dumps({key: value})
        except (TypeError, ValueError):
            return (
                f"The session's value for {key!r} ({type(value).__name__}) cannot be stored by "
                f"{settings.SESSION_SERIALIZER}. Store a str, number, bool, None, list or dict."
            )
    return str(error)
