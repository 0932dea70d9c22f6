"""Which device a person signs in on, and what a sign-in leaves behind."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from django.db import models

from sessions_plus.crypto import Purpose, digest
from sessions_plus.devices.session_rows import DEVICES, RowWithDevice
from sessions_plus.events import draft
from sessions_plus.exceptions import SessionLimitReached
from sessions_plus.keys import new_public_id, new_token, read_token
from sessions_plus.lifecycle.limits import hold_to_limit, may_refuse
from sessions_plus.lifecycle.revocation import revoke_selected
from sessions_plus.models import Device, Event, Reason, Session, SessionEvent
from sessions_plus.models.device import DeviceQuerySet
from sessions_plus.models.device_key import UNBOUND
from sessions_plus.models.session import Kind
from sessions_plus.named_types import Arguments, Columns
from sessions_plus.rows import session_row
from sessions_plus.rows.columns import agent_columns
from sessions_plus.rows.session_row import SESSIONS, Row
from sessions_plus.signals import device_first_seen, session_started
from sessions_plus.store.session_store import SessionStore
from sessions_plus.store.writing import Beside

if TYPE_CHECKING:
    from sessions_plus.client_info import ClientInfo

FIRST_DEVICE = "first_device"
"""The reason of a ``device.first_seen`` that is no news: it is the account's first."""

NO_REQUEST = "no_request"
"""The reason of one that a program made, such as a test's ``force_login()``."""


class SignIn:
    """
    What a sign-in adds to its session (a ``store.writing.Binding``).

    Made for every ``login()``, whoever calls it; everything that costs anything happens with
    the save. ``device`` is one that was found before. ``is_first`` says that none was, and
    whether it will be its user's first. Without either, it is looked for.
    """

    def __init__(
        self,
        user: models.Model,
        methods: tuple[str, ...],
        *,
        device: Device | None = None,
        is_first: bool | None = None,
    ) -> None:
        self.user = user
        self.methods = methods
        self.found: Recognition | None = None
        self._device = device
        self._is_first = is_first
        self._rows: RowWithDevice | None = None

    def columns(self, store: SessionStore, now: datetime) -> Columns:
        store.issued_device_token = usable_token(store.device_token)
        return {
            "authenticated_at": now,
            "reauthenticated_at": now,
            "auth_methods": " ".join(self.methods),
            "reauth_methods": " ".join(self.methods),
            **UNBOUND,  # the browser binds it anew, with the key that goes with this sign-in
        }

    def beside(self, store: SessionStore, now: datetime) -> Beside:
        found = self._recognise(store, now)

        def drafting(public_id: UUID) -> list[SessionEvent]:
            return self.events(store, public_id, found)

        # Of a sign-in that may yet be refused nothing says that it happened.
        stores_events = not may_refuse(store.presentation.kind or "")
        self.found = found
        self._rows = RowWithDevice(found, drafting, stores_events=stores_events)
        return self._rows

    def _recognise(self, store: SessionStore, now: datetime) -> Recognition:
        token = store.issued_device_token or ""
        is_certainly_new = token != store.device_token
        found = Recognition(self.user, token, store.client, now, is_certainly_new)
        if self._device is not None:
            found.device, found.is_new = self._device, False
        elif self._is_first is not None:
            found.make(is_first=self._is_first)
        else:
            found.look()
        return found

    def events(
        self, store: SessionStore, public_id: UUID, found: Recognition
    ) -> list[SessionEvent]:
        """Return what happened: the sign-in, and a device that is new."""
        facts: Arguments = {
            "user": self.user,
            "session_public_id": public_id,
            "device": found.device,
            "client": store.client,
        }
        happened = [draft(Event.SESSION_STARTED, reason=" ".join(self.methods), **facts)]
        if found.is_new:
            reason = FIRST_DEVICE if found.is_first else NO_REQUEST if store.client is None else ""
            happened.append(draft(Event.DEVICE_FIRST_SEEN, reason=reason, **facts))
        return happened

    def written(self, store: SessionStore, now: datetime) -> None:
        found, row = self.found, store.row
        if found is None or row is None or self._rows is None:
            return
        if not found.is_new and row.kind == Kind.BROWSER:
            _end_older(found.device, row, store.client, now)
        self._hold_to_limit(store, row, now)
        self._rows.tell()
        self.tell(store, row, found)

    def tell(self, store: SessionStore, row: Row, found: Recognition) -> None:
        """Say that somebody signed in, and that a device is new."""
        facts: dict[str, object] = {"user": self.user, "client": store.client}
        if found.is_new:
            device_first_seen.send_robust(sender=Device, device=found.device, **facts)
        session_started.send_robust(sender=Session, session=row, **facts)

    def _hold_to_limit(self, store: SessionStore, row: Row, now: datetime) -> None:
        def refused_later(refusal: SessionLimitReached) -> None:
            store.flush()
            store.refusal = refusal

        try:
            hold_to_limit(
                self.user,
                newest=row.public_id,
                kind=row.kind,
                client=store.client,
                now=now,
                refused_later=refused_later,
            )
        except SessionLimitReached:
            store.flush()
            raise


def _end_older(device: Device, row: Row, client: ClientInfo | None, now: datetime) -> None:
    """
    End what was signed in to earlier: whoever signs in again in a browser has left it.

    Of two that sign in at once, one stays: each is stored while it holds the device's row, so
    whoever is the second finds the first.
    """
    others = SESSIONS.find_instances(
        session_row.database(),
        {"device_id": device.pk, "kind": row.kind, "revoked_at": None},
        other_than={"public_id": row.public_id},
    )
    own = _moment(row)
    older = [one for one in others if _moment(one) < own]
    for session in older:
        session.device = device
    if older:
        revoke_selected(older, reason=Reason.REPLACED, client=client, now=now)


def _moment(session: Row | Session) -> tuple[datetime, UUID]:
    """Return what tells which was signed in to later."""
    return session.authenticated_at or session.created_at, session.public_id


def usable_token(token: str | None) -> str:
    """Return the token that a browser presented if we issued it, else a new one."""
    if token is not None and read_token(token, purpose=Purpose.DEVICE_TOKEN) is not None:
        return token
    return new_token(new_public_id(), purpose=Purpose.DEVICE_TOKEN)


@dataclass(slots=True)
class Recognition:
    """
    Which device a sign-in is on: one that is known, or a new one that is not stored yet.

    ``is_first``: it is the first of its user's. ``is_certainly_new``: its token was made in this
    request, so that no other can come with it.
    """

    user: models.Model
    token: str
    client: ClientInfo | None
    now: datetime
    is_certainly_new: bool
    device: Device = field(init=False)
    is_new: bool = True
    is_first: bool = False

    @property
    def news(self) -> dict[str, object]:
        """What is written of a device that is known: that it was seen, and by which browser."""
        columns = agent_columns(self.client) if self.client is not None else {}
        return {"last_seen_at": self.now} | columns

    def look(self) -> None:
        """Take the one that is there, if any. One statement, and one more where none is."""
        known = None if self.is_certainly_new else find_device(self.user, self.token)
        if known is not None:
            self.device, self.is_new = known, False
            return
        self.make(is_first=not _of(self.user).exists())

    def recognise_again(self) -> None:
        """Look once more: another request stored one of that token first."""
        # One that was ended by hand may have kept its token, which the new one is to have.
        ended = _of(self.user).filter(token_hash=digest(self.token)).exclude(revoked_at=None)
        ended.update(token_hash=None)
        self.is_certainly_new = False
        self.look()

    def make(self, *, is_first: bool) -> None:
        """Take a new one, which is stored with the session."""
        self.is_new, self.is_first = True, is_first
        self.device = Device(
            user_id=self.user.pk,
            token_hash=digest(self.token),
            first_seen_at=self.now,
            **self.news,
        )


def _of(user: models.Model) -> DeviceQuerySet:
    return Device.objects.using(session_row.database()).for_user(user)


def find_device(user: models.Model, token: str, *, condition: str | None = None) -> Device | None:
    """
    Return the device of ``user`` that holds ``token``. One statement.

    None where there is none, or the SQL ``condition`` does not hold for it.
    """
    known = {"user_id": user.pk, "token_hash": digest(token), "revoked_at": None}
    found = DEVICES.find_instances(session_row.database(), known, condition=condition)
    return found[0] if found else None
