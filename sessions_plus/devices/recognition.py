"""Which device a person signs in on, and what a sign-in leaves behind."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.contrib.sessions.exceptions import SessionInterrupted
from django.db import IntegrityError, connections, models, transaction

from sessions_plus.crypto import Purpose, digest
from sessions_plus.events import record
from sessions_plus.exceptions import SessionLimitReached
from sessions_plus.keys import new_public_id, new_token, read_token
from sessions_plus.lifecycle.limits import hold_to_limit
from sessions_plus.lifecycle.revocation import revoke, revoke_selected
from sessions_plus.models import Device, Event, Reason, Session
from sessions_plus.models.device_key import UNBOUND
from sessions_plus.models.session import Kind
from sessions_plus.rows import session_row
from sessions_plus.rows.columns import agent_columns
from sessions_plus.rows.session_row import Row
from sessions_plus.rows.table import Table
from sessions_plus.signals import device_first_seen, session_started
from sessions_plus.store.session_store import SessionStore

if TYPE_CHECKING:
    from sessions_plus.client_info import ClientInfo

DEVICES = Table(Device)

# Each but the first means that somebody else made or removed the device in between.
RECOGNITION_ATTEMPTS = 3

FIRST_DEVICE = "first_device"
"""The reason of a ``device.first_seen`` that is no news: it is the account's first."""

NO_REQUEST = "no_request"
"""The reason of one that a program made, such as a test's ``force_login()``."""


class SignIn:
    """
    What a sign-in adds to its session (a ``store.writing.Binding``).

    Made for every ``login()``, whoever calls it; everything that costs anything
    happens with the save. ``device`` is one that was recognised before.
    """

    def __init__(
        self, user: models.Model, methods: tuple[str, ...], *, device: Device | None = None
    ) -> None:
        self.user = user
        self.methods = methods
        self.found = Recognition(device, is_new=False) if device is not None else None

    @property
    def device(self) -> Device | None:
        """The device that was recognised; None before the session's write."""
        return self.found.device if self.found is not None else None

    def columns(self, store: SessionStore, now: datetime) -> dict[str, Any]:
        token = usable_token(store.device_token)
        if self.found is None:
            self.found = recognise(self.user, token, client=store.client, now=now)
        store.issued_device_token = token
        return {
            "device_id": self.found.device.pk,
            "authenticated_at": now,
            "reauthenticated_at": now,
            "auth_methods": " ".join(self.methods),
            "reauth_methods": " ".join(self.methods),
            **UNBOUND,  # the browser binds it anew, with the key that goes with this sign-in
        }

    def written(self, store: SessionStore, now: datetime) -> None:
        found, row = self.found, store.row
        if found is None or row is None:
            return
        device = found.device
        if not found.is_new:
            live = _live_sessions(device, row.kind)
            if row.public_id not in live:
                self._end_with_device(store, row, now)
                return
            if row.kind == Kind.BROWSER and len(live) > 1:
                _end_older(device, live, row, store.client, now)
        self._hold_to_limit(store, row, now)
        self.tell(store, row, found)

    def tell(self, store: SessionStore, row: Row, found: Recognition) -> None:
        """Record the sign-in, and a device that is new."""
        device = found.device
        facts: dict[str, Any] = {
            "user": self.user,
            "session_public_id": row.public_id,
            "device": device,
            "client": store.client,
        }
        record(Event.SESSION_STARTED, reason=" ".join(self.methods), **facts)
        if found.is_new:
            reason = FIRST_DEVICE if found.is_first else NO_REQUEST if store.client is None else ""
            record(Event.DEVICE_FIRST_SEEN, reason=reason, **facts)
            device_first_seen.send_robust(
                sender=Device, device=device, user=self.user, client=store.client
            )
        session_started.send_robust(
            sender=Session, session=row, user=self.user, client=store.client
        )

    def _end_with_device(self, store: SessionStore, row: Row, now: datetime) -> None:
        """The device was removed while this sign-in recognised it: removing wins."""
        session = Session.objects.using(session_row.database()).get(public_id=row.public_id)
        revoke(session, reason=Reason.DEVICE_REVOKED, client=store.client, now=now)
        store.flush()

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


Moment = tuple[datetime, UUID]
"""What sessions are compared by to tell which was signed in to later."""


def _live_sessions(device: Device, kind: str) -> dict[UUID, Moment]:
    """Return the live sessions of that kind on a device; none where the device was removed."""
    alias = session_row.database()
    connection = connections[alias]
    devices, sessions = DEVICES.name(connection), session_row.SESSIONS.name(connection)
    own = f"{sessions}.{session_row.SESSIONS.column(connection, 'device_id')}"
    is_kept = (
        f"EXISTS (SELECT 1 FROM {devices} WHERE {devices}.{DEVICES.column(connection, 'id')} = "  # noqa: S608 - names, no values
        f"{own} AND {devices}.{DEVICES.column(connection, 'revoked_at')} IS NULL)"
    )
    found = session_row.SESSIONS.find(
        alias,
        ("public_id", "authenticated_at", "created_at"),
        {"device_id": device.pk, "kind": kind, "revoked_at": None},
        condition=is_kept,
    )
    return {name: (signed_in_at or made_at, name) for name, signed_in_at, made_at in found}


def _end_older(
    device: Device,
    live: dict[UUID, Moment],
    row: Row,
    client: ClientInfo | None,
    now: datetime,
) -> None:
    """
    End what was signed in to earlier: whoever signs in again in a browser has left it.

    Of two that sign in at once, one stays.
    """
    own = live[row.public_id]
    older: list[Session] = []
    for public_id, moment in live.items():
        if moment < own:
            known = {"public_id": public_id}
            older += session_row.SESSIONS.find_instances(session_row.database(), known)
    for session in older:
        session.device = device
    revoke_selected(older, reason=Reason.REPLACED, client=client, now=now)


def usable_token(token: str | None) -> str:
    """Return the token that a browser presented if we issued it, else a new one."""
    if token is not None and read_token(token, purpose=Purpose.DEVICE_TOKEN) is not None:
        return token
    return new_token(new_public_id(), purpose=Purpose.DEVICE_TOKEN)


@dataclass(frozen=True, slots=True)
class Recognition:
    """Which device it is, whether it is new, and whether it is the first of its user's."""

    device: Device
    is_new: bool
    is_first: bool = False


def recognise(
    user: models.Model, token: str, *, client: ClientInfo | None, now: datetime
) -> Recognition:
    """
    Return the device of ``user`` that holds ``token``; it is made where there is none.

    Two parallel first sign-ins make one.
    """
    for _ in range(RECOGNITION_ATTEMPTS):
        device = mark_seen(user, token, client=client, now=now)
        if device is not None:
            return Recognition(device, is_new=False)
        devices = Device.objects.using(session_row.database()).for_user(user)
        is_first = not devices.exists()
        made = _make(user, token, client, now)
        if made is not None:
            return Recognition(made, is_new=True, is_first=is_first)
        # Another request made it first; or it was ended by hand, and kept its token.
        devices.filter(token_hash=digest(token)).exclude(revoked_at=None).update(token_hash=None)
    raise SessionInterrupted("The device was removed during the sign-in.")


def mark_seen(
    user: models.Model,
    token: str,
    *,
    client: ClientInfo | None,
    now: datetime,
    condition: str | None = None,
) -> Device | None:
    """
    Return the device of ``user`` that holds ``token``, and write down that it was seen.

    None where there is none, or the SQL ``condition`` does not hold for it.
    """
    known = {"user_id": user.pk, "token_hash": digest(token), "revoked_at": None}
    seen = DEVICES.update_instances(
        session_row.database(), _news(client, now), known, condition=condition
    )
    return seen[0] if seen else None


def _news(client: ClientInfo | None, now: datetime) -> dict[str, Any]:
    return {"last_seen_at": now} | (agent_columns(client) if client is not None else {})


def _make(
    user: models.Model, token: str, client: ClientInfo | None, now: datetime
) -> Device | None:
    """Store a new device; None where there is one with that token already."""
    device = Device(
        user_id=user.pk, token_hash=digest(token), first_seen_at=now, **_news(client, now)
    )
    alias = session_row.database()
    # A savepoint keeps a refused INSERT from spoiling the view's transaction, if there is one.
    guard = transaction.atomic(alias) if connections[alias].in_atomic_block else nullcontext()
    try:
        with guard:
            device.save(using=alias, force_insert=True)
    except IntegrityError:
        return None
    return device
