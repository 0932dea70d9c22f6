"""
The session store: Django's interface over a row that decides.

It holds what is known of one session in one request, and nothing else: what may be read,
how it is written and which key follows are functions of values, in the modules beside it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import cached_property
from typing import Any, ClassVar, Self
from uuid import UUID

from asgiref.sync import sync_to_async
from django.conf import settings
from django.contrib.sessions.backends.base import CreateError, SessionBase, UpdateError
from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError
from django.http.response import HttpResponseBase
from django.utils import timezone

from sessions_plus.after_view import after_view
from sessions_plus.cache.copies import NOTHING, Recalled
from sessions_plus.cache.entries import Copy
from sessions_plus.cache.fast_path import UNBOUND
from sessions_plus.client_info import ClientInfo
from sessions_plus.conf import conf
from sessions_plus.cookies import device_token_in
from sessions_plus.current import current_request
from sessions_plus.device_proof.proof_cookie import proves
from sessions_plus.exceptions import OpenedByName, SessionLimitReached, SessionNotStored
from sessions_plus.keys import new_public_id, new_token, read_token
from sessions_plus.maintenance.cleanup import cleanup
from sessions_plus.models.session import Reason, Session
from sessions_plus.named_types import SessionData
from sessions_plus.policy import is_passive
from sessions_plus.rows import payload as payloads
from sessions_plus.rows import session_row
from sessions_plus.rows.async_reads import read_in_thread
from sessions_plus.rows.columns import AUTH_USER_KEY, bound_columns
from sessions_plus.rows.device_binding import may_be_bound
from sessions_plus.rows.lifetime import EXPIRY_KEY
from sessions_plus.rows.session_row import Row
from sessions_plus.store import (
    admission,
    adoption,
    ahead,
    ending,
    expiry,
    lease,
    leaving,
    reading,
    rotation,
    writing,
)
from sessions_plus.store.adoption import Adopter, Arrival
from sessions_plus.store.ahead import Touch
from sessions_plus.store.copies import NO_COPIES, Copies
from sessions_plus.store.expiry import Cookie, CookieNews
from sessions_plus.store.lease import Written
from sessions_plus.store.pending_sign_in import NOTHING_KNOWN, PendingSignIn
from sessions_plus.store.presentation import (
    ACCESS_TOKEN,
    PUBLIC_ID,
    REFRESH_TOKEN,
    SESSION_KEY,
    SOCKET,
    Caller,
    KeyState,
    Presentation,
    holds,
)
from sessions_plus.store.reading import Found
from sessions_plus.store.unwritable import not_stored, telling_of_refusal
from sessions_plus.store.writing import Beside, Binding, Draft, Uncommitted

__all__ = ["Binding", "SessionStore"]


class SessionStore(SessionBase):
    """
    A tracked session.

    Attributes that the middleware and the features use:

    ``cookies``, ``path``, ``client``
        of the request that it serves, and who is calling; None where it was built without one.
    ``key_state``
        where the key comes from that the request goes on under.
    ``is_touched``
        this request recorded activity, so the cookie's age may be renewed.
    ``has_postponed_activity``
        activity is to be recorded once the view's transaction is over.
    ``has_ended``
        the key was of somebody's session that has ended, by this request or before it:
        the browser should forget what it kept for them.
    ``ending_reason``
        the reason that ``delete`` and ``flush`` give.
    ``pending``
        what is known of the next sign-in.
    ``issued_device_token``, ``issued_trust_token``
        the device and the trust cookie that the response has to set, or None.
    ``begun_challenge``
        whether this request ended a ``login()`` in a challenge.
    ``may_be_bound``
        whether this request signed in, or proved something, and the browser may bind the
        session to a key of its device.
    ``has_shown_key``
        whether it came with the first proof of a device key.
    ``unproved``
        the device key that the session is bound to, where no proof of it came along.
    ``refusal``
        why what this request had to store is not stored, or its sign-in is over again, where
        nobody could be told by an exception: it was saved in a transaction, and refused after it.
    ``touched_ahead_at``
        the Unix time of the activity that is to be recorded after the response, or None.
    """

    copies: Copies = NO_COPIES
    """Where copies of rows stand in front of the database: the engine's difference."""

    settler: ClassVar[Callable[[SessionStore], None] | None] = None
    """
    Decides about a save that names a user whom no sign-in was bound for (see ``bind``).

    It binds one, or takes the user out of the dictionary again. ``apps.ready()`` sets it, so
    that nothing here imports upwards.
    """

    adopter: ClassVar[Adopter | None] = None
    """Decides about a session of another engine. ``apps.ready()`` sets it, for the same reason."""

    # Class attributes: most requests change none, and each assignment costs every request.
    presentation: Presentation = SESSION_KEY
    key_state: KeyState = KeyState.PRESENTED
    cookies: Mapping[str, str] | None = None
    path: str | None = None
    client: ClientInfo | None = None
    is_touched: bool = False
    has_postponed_activity: bool = False
    has_ended: bool = False
    ending_reason: str = Reason.FLUSHED
    pending: PendingSignIn = NOTHING_KNOWN
    issued_device_token: str | None = None
    issued_trust_token: str | None = None
    begun_challenge: bool = False
    may_be_bound: bool = False
    has_shown_key: bool = False
    unproved: UUID | None = None
    refusal: SessionLimitReached | SessionNotStored | None = None
    touched_ahead_at: float | None = None
    _session_cache: SessionData  # Django's: the dictionary, once it was asked for
    _row: Row | None = None
    _copy: Copy | None = None  # of the fast path: the row is rebuilt when somebody asks for it
    _recalled: Recalled = NOTHING
    _known_expiry: object = None  # what set_expiry() was told before this request
    _named: UUID | None = None  # the session, where it was opened by its name and not by its key
    _owes_rotation: bool = False
    _binding: Binding | None = None
    _uncommitted: Uncommitted | None = None

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

    @classmethod
    def for_refresh_token(
        cls, token: str | None, *, client: ClientInfo | None, device_token: str | None
    ) -> Self:
        """Return the API session that a refresh token opens; a new one for None."""
        store = cls(token)
        store.presentation = REFRESH_TOKEN
        store.client, store.device_token = client, device_token
        return store

    @classmethod
    def for_access_token(cls, public_id: UUID, *, client: ClientInfo | None) -> Self:
        """Return the API session of that name. Only for who has verified an access token."""
        store = cls._by_name(public_id, ACCESS_TOKEN)
        store.client = client
        return store

    @classmethod
    def for_public_id(cls, public_id: UUID, *, is_passive: bool) -> Self:
        """Return the session of that name, for code of the site's own (see ``lifecycle``)."""
        store = cls._by_name(public_id, PUBLIC_ID)
        store.is_passive = is_passive
        return store

    @classmethod
    def _by_name(cls, public_id: UUID, presentation: Presentation) -> Self:
        store = cls(str(public_id))
        store.presentation, store._named = presentation, public_id
        return store

    def go_on_by_name(self) -> None:
        """
        Use the session without its key from now on: a socket that a request opened outlives it.

        What replaces the key afterwards changes nothing for it, and it keeps nothing alive. One
        that is not stored stays as it is.
        """
        row = self.row
        if row is not None:
            self.presentation, self._named = SOCKET, row.public_id
            self._session_key, self.key_state = str(row.public_id), KeyState.PRESENTED
            self.is_passive = True
            self._owes_rotation = False

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.public_id or 'not stored'}>"

    @classmethod
    def get_model_class(cls) -> type[Session]:
        return Session

    # What it is, and for whom

    @cached_property
    def device_token(self) -> str | None:
        """The device cookie that came with the request, or None."""
        if self.cookies is None:
            self._meet_request()
        return device_token_in(self.cookies) if self.cookies is not None else None

    def _meet_request(self) -> None:
        """
        Learn what the middleware tells its own session, where a view has put this one in its place.

        mozilla-django-oidc does so, to read anew what is stored. It would sign people in on a
        new device each time.
        """
        request: Any = current_request()  # with what our middleware put there
        if getattr(request, "session", None) is self:
            self.cookies, self.path = request.COOKIES, request.path
            self.client = self.client or request.client_info

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
        return self.key_state.is_new and self.row is not None

    @property
    def is_at_rest(self) -> bool:
        """Whether the fast path was enough, so that nobody asked for the row."""
        return self._copy is not None

    def _caller(self) -> Caller:
        device_token = self.device_token  # first of all: it may find out who is calling
        return Caller(
            self.presentation,
            self._session_key or "",
            self.key_state,
            self.client,
            device_token,
            self.is_passive,
            self.cookies,
        )

    def _go_on_as(self, caller: Caller) -> None:
        """Take on the key that something was done with."""
        self.key_state = caller.key_state
        if caller.key != self._session_key:
            self._session_key = caller.key

    # Reading

    def load(self) -> SessionData:
        public_id = read_token(self._session_key) or self._named
        if public_id is None or self._is_unstored:
            return self._take_unknown()
        self._recalled = recalled = self.copies.recall(public_id)
        copy = recalled.copy
        if copy is not None and self._is_enough(copy):
            return self._take_copy(copy)
        now = timezone.now()
        if conf.ADOPT_KEEP_OLD and (arrival := self._leave(public_id, now)):
            return self._take_arrival(arrival)
        known = copy.row() if copy is not None else None
        if known is not None and self._is_served_by(known, now):
            if admission.is_touched_ahead(known, now):
                self._touch_ahead(public_id, now.timestamp())
            return self._take_row(known, payloads.decode(known.payload))
        found = reading.settle(public_id, known, self._caller(), now, recalled, self.copies)
        return self._take(found)

    async def aload(self) -> SessionData:
        """See load(). Hops to a thread only where the database has to be asked."""
        public_id = read_token(self._session_key) or self._named
        if public_id is None or self._is_unstored:
            return await self._atake_unknown()
        self._recalled = recalled = await self.copies.arecall(public_id)
        copy = recalled.copy
        if copy is not None and self._is_enough(copy):
            return self._take_copy(copy)
        now = timezone.now()
        if conf.ADOPT_KEEP_OLD and (arrival := await sync_to_async(self._leave)(public_id, now)):
            return self._take_arrival(arrival)
        known = copy.row() if copy is not None else None
        if known is not None and self._is_served_by(known, now):
            if admission.is_touched_ahead(known, now):
                self._touch_ahead(public_id, now.timestamp())
            return self._take_row(known, payloads.decode(known.payload))
        found = await read_in_thread(reading.settle)(
            public_id, known, self._caller(), now, recalled, self.copies
        )
        return self._take(found)

    @property
    def _is_unstored(self) -> bool:
        """Whether there is no row: the key was made here, and not saved yet."""
        return self.key_state is KeyState.FRESH and self.row is None

    def _is_enough(self, copy: Copy) -> bool:
        """Say whether the fast path serves: there is nothing to do but to go on."""
        now, shown = time.time(), copy.fast_path
        return shown.suffices(
            self._session_key or "",
            self.client,
            is_browser=self.presentation is SESSION_KEY,
            now=now,
        ) and (
            shown.device_key == UNBOUND
            or proves(self.cookies, copy.public_id.bytes, shown.device_key, now)
        )

    def _is_served_by(self, copy: Row, now: datetime) -> bool:
        key = self._session_key or ""
        presentation, cookies = self.presentation, self.cookies
        return admission.serves(copy, presentation, key, self.client, now, cookies=cookies)

    def _take_unknown(self) -> SessionData:
        """
        Begin anew: the key is none of ours, or names nothing yet. No key of ours ends here.

        Without any I/O, unless keys of another engine are taken over.
        """
        arrival = None
        if conf.ADOPT_FROM is not None and self._may_be_adopted:
            arrival = self._arrive(self._session_key or "", self._caller(), timezone.now())
        return self._take_arrival(arrival)

    async def _atake_unknown(self) -> SessionData:
        """See _take_unknown()."""
        arrival = None
        if conf.ADOPT_FROM is not None and self._may_be_adopted:
            arrival = await sync_to_async(self._arrive)(
                self._session_key or "", self._caller(), timezone.now()
            )
        return self._take_arrival(arrival)

    @property
    def _may_be_adopted(self) -> bool:
        """
        Whether the key came as a browser's cookie, to which a new one can be told.

        Only a browser gives a session away, and only a request can set its cookie.
        """
        return (
            bool(self._session_key)
            and self.presentation is SESSION_KEY
            and self.cookies is not None
            and not self._is_unstored
        )

    def _arrive(self, key: str, caller: Caller, now: datetime) -> Arrival | None:
        adopter = type(self).adopter
        return adoption.arrive(key, caller, now, self.copies, adopter) if adopter else None

    def _leave(self, public_id: UUID, now: datetime) -> Arrival | None:
        adopter = type(self).adopter
        if adopter is None or not self._may_be_adopted:
            return None
        return leaving.leave(public_id, self._caller(), now, self.copies, adopter)

    def _take_arrival(self, arrival: Arrival | None) -> SessionData:
        if arrival is not None:
            self.issued_device_token = arrival.device_token
            return self._take(arrival.found)
        if not self._is_unstored:
            self._session_key = self.row = None
        return {}

    def _take_copy(self, copy: Copy) -> SessionData:
        self._copy = copy
        now = time.time()
        if copy.fast_path.near <= now < copy.fast_path.until:
            self._touch_ahead(copy.public_id, now)
        data = payloads.decode(copy.payload)
        self._known_expiry = data.get(EXPIRY_KEY)
        return data

    def _take_row(self, row: Row, data: SessionData) -> SessionData:
        self.row = row
        self._known_expiry = data.get(EXPIRY_KEY)
        return data

    def _take(self, found: Found) -> SessionData:
        """Take on what was read."""
        self._note(found)
        if found.row is None:
            self._session_key = self.row = None
            return {}
        return self._take_row(found.row, found.data)

    def _note(self, found: Found) -> None:
        self._go_on_as(found.caller)
        self.is_touched = self.is_touched or found.is_touched
        self.has_postponed_activity = self.has_postponed_activity or found.owes_activity
        self.has_ended = self.has_ended or found.has_ended
        self.has_shown_key = self.has_shown_key or found.has_shown_key
        self.unproved = found.unproved

    def _dictionary(self, *, no_load: bool = False) -> SessionData:
        found: SessionData = self._get_session(no_load)  # type: ignore[attr-defined]  # private
        return found

    # Activity

    def renew(self, now: datetime) -> bool:
        """
        Record activity now, however recent the last is.

        Return False where the session has ended or is not stored.
        """
        self._dictionary()
        row = self.row
        if row is None:
            return False
        if lease.is_activity(row, self._caller()) and self._renew(row, now):
            return True
        found = reading.settle(row.public_id, None, self._caller(), now, NOTHING, self.copies)
        self._note(found)
        return found.row is not None

    def record_postponed_activity(self, now: datetime) -> None:
        """Record the activity that was postponed to after the view's transaction."""
        self.has_postponed_activity = False
        row = self.row
        if row is not None:
            self._renew(row, now)

    async def arecord_postponed_activity(self, now: datetime) -> None:
        """See record_postponed_activity()."""
        await sync_to_async(self.record_postponed_activity)(now)

    def _touch_ahead(self, public_id: UUID, moment: float) -> None:
        """Let activity be recorded after the response, as it will soon be due."""
        if self.is_passive or ahead.waiting.has(public_id):
            return
        self.touched_ahead_at = moment
        if self.cookies is None:
            after_view(self._make_touch)  # opened within a request that has another one

    def hand_over_touch(self, response: HttpResponseBase) -> None:
        """Have that activity recorded, unless this request has written to the row, or ended it."""
        touch = self._planned_touch()
        if touch is not None:
            ahead.hand_over(touch, response)

    async def ahand_over_touch(self, response: HttpResponseBase) -> None:
        """See hand_over_touch()."""
        touch = self._planned_touch()
        if touch is not None:
            await ahead.ahand_over(touch, response)

    def _make_touch(self, response: HttpResponseBase | None) -> None:
        touch = self._planned_touch()
        # Without a response it is a program's: that is recorded when it is due.
        if touch is not None and response is not None and not ahead.leave_to_thread(touch):
            ahead.make_calmly([touch])

    def _planned_touch(self) -> Touch | None:
        moment, copy = self.touched_ahead_at, self._recalled.copy
        self.touched_ahead_at = None
        if moment is None or copy is None or not self._is_as(copy):
            return None
        client = None if self.client is None else self.client.apart_from_request()
        return Touch(copy, client, moment, self._recalled)

    def _is_as(self, copy: Copy) -> bool:
        """Say whether this request has neither written to the row, nor ended it."""
        row = self._row
        return self._copy is not None or (
            row is not None and row.public_id == copy.public_id and row.version == copy.version
        )

    def _renew(self, row: Row, now: datetime) -> bool:
        caller = self._caller()
        if lease.renew(row, caller, now) is not Written.YES:
            return False
        self.is_touched = lease.is_activity(row, caller)
        self.copies.keep(row, self._recalled)
        return True

    # Writing

    def create(self) -> None:
        self._begin_anew()
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
            SessionNotStored: the database takes no writes, or somebody holds the row.
            OpenedByName: it names another user, who could not be told a key.
        """
        if self.session_key is None:
            return self.create()
        knew_row = self.row is not None
        data = self._dictionary(no_load=must_create)
        if self.row is None and not self._is_unstored:
            self.load()  # clear() empties the dictionary without having read the row
        if self.session_key is None and not knew_row:
            return self.create() if data else None  # a dead key, and nothing to store
        if self._binding is None and writing.names_another_user(self.row, data):
            # Whatever is to become of somebody whom no sign-in was bound for is decided here,
            # before anything of it is written.
            data = self._settled(data)
        with telling_of_refusal():
            self._store(data, must_create=must_create)
        return None

    def _settled(self, data: SessionData) -> SessionData:
        self._must_be_told_keys()
        settler = type(self).settler
        if settler is None:
            raise ImproperlyConfigured(
                "A session was to be saved that names a user, and nothing decides what they have "
                "to prove. Add 'sessions_plus' to INSTALLED_APPS, and call django.setup() first."
            )
        settler(self)
        return self._dictionary()

    def _store(self, data: SessionData, *, must_create: bool) -> None:
        now, binding = timezone.now(), self._binding
        columns, beside = {}, None
        if binding is not None:
            columns, beside = binding.columns(self, now), binding.beside(self, now)
        row = self.row
        if row is None or must_create:
            self._insert(data, columns, now, beside)
        else:
            self._update(row, data, columns, now, beside)
        self._binding = None
        if binding is not None:
            binding.written(self, now)
            self.may_be_bound = self.row is not None and may_be_bound(self.row.user_id)

    async def asave(self, must_create: bool = False) -> None:
        """See save()."""
        await sync_to_async(self.save)(must_create)

    def bind(self, binding: Binding) -> None:
        """
        Let ``binding`` add to the next save, which also changes the key.

        Called at every sign-in, also where Django kept the key (same user again).

        Raises:
            OpenedByName: nobody could be told that key.
        """
        self._must_be_told_keys()
        self._binding = binding
        self.modified = True
        if self.key_state.is_anothers:
            # Whoever signs in gets a cookie, whatever key they came with.
            self.key_state = KeyState.PRESENTED

    def _insert(
        self,
        data: SessionData,
        columns: Mapping[str, object],
        now: datetime,
        beside: Beside | None,
    ) -> None:
        if self.row is not None:
            raise CreateError
        self.row = writing.insert(data, columns, self._caller(), now, beside=beside)
        self.copies.written(self.row)

    def _update(
        self,
        row: Row,
        data: SessionData,
        columns: Mapping[str, object],
        now: datetime,
        beside: Beside | None,
    ) -> None:
        stored = writing.update(self._draft(row, data), columns, now, beside=beside)
        if stored is not None:
            self._take_stored(stored)
        elif self._named is not None:
            raise UpdateError  # it is another person's by now
        else:
            self.key_state = KeyState.SUPERSEDED

    def _draft(self, row: Row, data: SessionData) -> Draft:
        return Draft(row, data, self._caller(), self._uncommitted)

    def _take_stored(self, stored: Draft) -> None:
        """Take on what was written."""
        self.row, self._uncommitted = stored.row, stored.uncommitted
        self._go_on_as(stored.caller)
        data = self._session_cache
        if stored.data is not data:
            data.clear()  # the view may hold this very dictionary
            data.update(stored.data)
        self.copies.written(stored.row)

    # The key

    def cycle_key(self) -> None:
        """
        Give the session a new key. The old one is dead at once; the row goes on.

        A session that is not stored yet gets its key without any I/O, and its row
        with the next save. An anonymous one that ended meanwhile, or that somebody else
        signed in to, goes on as a new one with what this request had.

        Where privilege does not change, as only ``SECRET_KEY`` did, the key is rotated: the
        old one finds the new, and a request gets it with its response.

        Raises:
            SessionInterrupted: somebody was signed in to it, and it ended meanwhile.
            SessionNotStored: the database takes no writes, or somebody holds the row.
            OpenedByName: nobody could be told the new key.
        """
        self._must_be_told_keys()
        data, row = self._dictionary(), self.row
        stored = None
        if row is not None:
            if rotation.is_without_privilege(row, data):
                self._rotate_without_privilege(row)
                return
            with telling_of_refusal():
                stored = rotation.replace_key(self._draft(row, data), timezone.now())
        if stored is not None:
            self._take_stored(stored)
            return
        self._begin_anew()
        self.modified = True

    def as_refusal(self, error: DatabaseError) -> DatabaseError:
        """Return what a database's error is to somebody who is signing in, else the error."""
        data = getattr(self, "_session_cache", {})
        is_signing_in = self._binding is not None or writing.names_another_user(self.row, data)
        return not_stored(error) if is_signing_in else error

    async def acycle_key(self) -> None:
        """See cycle_key()."""
        await sync_to_async(self.cycle_key)()

    def _rotate_without_privilege(self, row: Row) -> None:
        """Rotate the key now, or with the response; one that is new or was told serves as well."""
        now = timezone.now()
        if self.key_state is not KeyState.PRESENTED:
            return
        if self.cookies is None:
            self.rotate(now)  # a program's: no response follows
        else:
            self._owes_rotation = not rotation.is_recent(row, now)

    def _must_be_told_keys(self) -> None:
        if not self.presentation.can_be_told_key:
            raise OpenedByName

    def _begin_anew(self) -> None:
        """Become a session that is not stored yet."""
        self._must_be_told_keys()
        self.row = self._uncommitted = None
        self._session_key = new_token(new_public_id())
        self.key_state = KeyState.FRESH

    def rotation_is_due(self, now: datetime) -> bool:
        """Say whether this request should end with a new key, so that parallel ones go on."""
        if self._copy is not None:
            return False  # it was served on the fast path
        if self.key_state is not KeyState.PRESENTED or self._binding is not None:
            return False  # the save that follows a sign-in makes a key, and lets the old one die
        return self.row is not None and (self._owes_rotation or rotation.is_due(self.row, now))

    def rotate(self, now: datetime, *, is_optional: bool = True) -> None:
        """
        Replace the key of a session in use, so that parallel requests go on.

        ``is_optional``: the next request can do it as well, so nobody waits or is told.

        Raises:
            SessionNotStored: it is not, and the database takes no write.
        """
        row, self._owes_rotation = self.row, False
        if row is None or self._session_key is None or self._named is not None:
            return
        rotate = rotation.rotate if is_optional else rotation.rotate_as_asked
        rotated = rotate(row, self._caller(), now)
        self._go_on_as(rotated.caller)
        if rotated.is_written:
            self.copies.written(row)

    async def arotate(self, now: datetime, *, is_optional: bool = True) -> None:
        """See rotate()."""
        await sync_to_async(self.rotate)(now, is_optional=is_optional)

    @property
    def must_confirm_key(self) -> bool:
        """Whether the browser is about to be told a key that is not this request's own."""
        return self.key_state is KeyState.TOLD and self._binding is None

    def confirm_key(self) -> None:
        """Ask once more whether the key that we were told still is the newest."""
        row = self.row
        if row is not None:
            self.row, caller = rotation.confirm(row, self._caller())
            self._go_on_as(caller)

    async def aconfirm_key(self) -> None:
        """See confirm_key()."""
        await sync_to_async(self.confirm_key)()

    # The device key

    def bind_to_device(self, device_key_id: UUID, now: datetime) -> bool:
        """
        Bind a signed-in session to a key of its browser's device, for good.

        Return False where it is bound, or has ended or changed meanwhile.
        """
        row = self.row
        if row is None or row.device_key_id is not None:
            return False
        columns = bound_columns(row, device_key_id, now)
        if not session_row.update(row.public_id, columns, device_key_id=None):
            return False
        row.take(columns)
        self.copies.written(row)
        return True

    # Its end, and its cookie's

    @property
    def ends_at(self) -> datetime | None:
        """When it ends unless it is used again; None where it is not stored."""
        data, row = self._dictionary(), self.row
        if row is None:
            return None
        return expiry.ends_at(row, data, last_activity=row.last_activity)

    @property
    def absolute_ends_at(self) -> datetime | None:
        """When it ends however active it is; None: never, or it is not stored."""
        data, row = self._dictionary(), self.row
        return None if row is None else expiry.absolute_ends_at(row, data)

    def get_session_cookie_age(self) -> int:
        """The idle timeout in force, in seconds."""
        signed_in = AUTH_USER_KEY in getattr(self, "_session_cache", {})
        idle = conf.IDLE_TIMEOUT if signed_in else conf.ANONYMOUS_LIFETIME
        return int(idle.total_seconds()) if idle is not None else settings.SESSION_COOKIE_AGE

    def get_expiry_age(self, **kwargs: object) -> int:
        age: int = super().get_expiry_age(**kwargs)
        return self._within_limits(age)

    async def aget_expiry_age(self, **kwargs: object) -> int:
        """See get_expiry_age()."""
        age: int = await super().aget_expiry_age(**kwargs)
        return self._within_limits(age)

    def _within_limits(self, age: int) -> int:
        row = self.row
        if row is None or row.user_id is None:
            return age
        return expiry.age_within_limits(age, row, self._dictionary(), timezone.now())

    def get_expire_at_browser_close(self) -> bool:
        return not conf.PERSISTENT_COOKIE or super().get_expire_at_browser_close()

    async def aget_expire_at_browser_close(self) -> bool:
        """See get_expire_at_browser_close()."""
        return not conf.PERSISTENT_COOKIE or await super().aget_expire_at_browser_close()

    def get_cookie_age(self) -> int | None:
        """
        Return how many seconds the browser keeps the cookie; None: until it closes.

        Where activity cannot move the end, that end: see ``expiry.has_news``.
        """
        if self.get_expire_at_browser_close():
            return None
        end = expiry.immovable_end(self.row, self._dictionary())
        return self.get_expiry_age() if end is None else expiry.seconds(end - timezone.now())

    def cookie_news(self, *, was_saved: bool, has_failed: bool, has_cookie: bool) -> CookieNews:
        """
        Return what the response has to tell the browser of the session.

        ``was_saved`` by this request; ``has_failed``: it is answered with an error of the
        server; ``has_cookie``: it came with a session's. A request whose key was rotated away
        by another one leaves the cookie alone: the other's response has the new one, and may
        arrive first.
        """
        is_over = self.has_ended and (self.row is None or self.row.user_id is None)
        is_anothers = self.key_state.is_anothers
        if self.is_empty():
            is_to_go = has_cookie and not is_anothers
            return CookieNews(Cookie.DELETE if is_to_go else Cookie.LEAVE, is_over=is_over)
        if has_failed or is_anothers:
            return CookieNews(is_over=is_over)
        is_set = self._has_news(was_saved=was_saved)
        return CookieNews(
            Cookie.SET if is_set else Cookie.LEAVE,
            self._session_key or "",
            self.get_cookie_age() if is_set else None,
            self.issued_device_token,
            self.issued_trust_token,
            is_over,
        )

    def _has_news(self, *, was_saved: bool) -> bool:
        return self.has_new_key or expiry.has_news(
            self.row,
            self._dictionary(),
            was_saved=was_saved,
            is_touched=self.is_touched,
            known_expiry=self._known_expiry,
            goes_with_browser=self.get_expire_at_browser_close,
        )

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

        Raises:
            SessionNotStored: the database takes no writes, or somebody holds the row.
        """
        is_own = session_key is None or session_key == self.session_key
        if is_own and self.row is None:
            self.load()  # the key may have been replaced a moment ago
        row = self.row if is_own else self._fetch_by_key(session_key or "")
        if row is None:
            return
        now, client = timezone.now(), self.client
        with telling_of_refusal():
            ending.end(row, self.ending_reason, client=client, now=now, copies=self.copies)
        self.has_ended = self.has_ended or (is_own and row.user_id is not None)

    async def adelete(self, session_key: str | None = None) -> None:
        """See delete()."""
        await sync_to_async(self.delete)(session_key)

    def _fetch_by_key(self, session_key: str) -> Row | None:
        public_id = read_token(session_key)
        row = session_row.fetch(public_id) if public_id is not None else None
        return row if row is not None and holds(row, session_key) else None

    def flush(self) -> None:
        super().flush()
        self._reset()

    async def aflush(self) -> None:
        """See flush()."""
        await super().aflush()
        self._reset()

    def _reset(self) -> None:
        self.row = self._binding = self._uncommitted = None
        if not self.key_state.is_anothers:
            self.key_state = KeyState.PRESENTED

    @classmethod
    def clear_expired(cls) -> None:
        """Remove what has expired or is past its retention: sessions, events, devices."""
        cleanup(timezone.now())

    @classmethod
    async def aclear_expired(cls) -> None:
        """See clear_expired()."""
        await sync_to_async(cls.clear_expired)()
