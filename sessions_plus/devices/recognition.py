"""Which device a person signs in on, and what a sign-in leaves behind."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.db import IntegrityError, connections, models, transaction

from sessions_plus.backends import rows
from sessions_plus.backends.base import SessionStore
from sessions_plus.backends.columns import agent_columns
from sessions_plus.backends.keys import new_public_id, new_token, read_token
from sessions_plus.backends.rows import Row
from sessions_plus.backends.table import Table
from sessions_plus.crypto import Purpose, digest
from sessions_plus.events import record
from sessions_plus.exceptions import SessionLimitReached
from sessions_plus.lifecycle.limits import hold_to_limit
from sessions_plus.lifecycle.revocation import revoke, revoke_selected
from sessions_plus.models import Device, Event, Reason, Session
from sessions_plus.models.session import Kind
from sessions_plus.signals import device_first_seen, session_started

if TYPE_CHECKING:
    from uuid import UUID

    from sessions_plus.client_info import ClientInfo

DEVICES = Table(Device)

FIRST_DEVICE = "first_device"
"""The reason of a ``device.first_seen`` that is no news: it is the account's first."""

NO_REQUEST = "no_request"
"""The reason of one that a program made, such as a test's ``force_login()``."""


class SignIn:
    """
    What a sign-in adds to its session (a ``backends.base.Binding``).

    Made for every ``login()``, whoever calls it; everything that costs anything
    happens with the save.
    """

    def __init__(self, user: models.Model, methods: tuple[str, ...]) -> None:
        self.user = user
        self.methods = methods
        self.found: Recognition | None = None

    @property
    def device(self) -> Device | None:
        """The device that was recognised; None before the session's write."""
        return self.found.device if self.found is not None else None

    def columns(self, store: SessionStore, now: datetime) -> dict[str, Any]:
        token = usable_token(store.device_token)
        self.found = recognise(self.user, token, client=store.client, now=now)
        store.issued_device_token = token
        return {
            "device_id": self.found.device.pk,
            "authenticated_at": now,
            "reauthenticated_at": now,
            "auth_methods": " ".join(self.methods),
            "reauth_methods": " ".join(self.methods),
        }

    def written(self, store: SessionStore, now: datetime) -> None:
        found = self.found
        if found is None or store.row is None:
            return
        device = found.device
        if not found.is_new and not mark_seen(device, store.client, now):
            self._end_with_device(store, store.row, now)
            return
        if store.kind == Kind.BROWSER and not found.is_new:
            self._replace_older(store.row, store.client, device, now)
        self._hold_to_limit(store, store.row, now)
        facts: dict[str, Any] = {
            "user": self.user,
            "session_public_id": store.row.public_id,
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
            sender=Session, session=store.row, user=self.user, client=store.client
        )

    def _end_with_device(self, store: SessionStore, row: Row, now: datetime) -> None:
        """The device was removed while this sign-in recognised it: removing wins."""
        session = Session.objects.using(rows.database()).get(public_id=row.public_id)
        revoke(session, reason=Reason.DEVICE_REVOKED, client=store.client, now=now)
        store.flush()

    def _hold_to_limit(self, store: SessionStore, row: Row, now: datetime) -> None:
        try:
            hold_to_limit(
                self.user, newest=row.public_id, kind=row.kind, client=store.client, now=now
            )
        except SessionLimitReached:
            store.flush()
            raise

    def _replace_older(
        self, row: Row, client: ClientInfo | None, device: Device, now: datetime
    ) -> None:
        """One browser holds one session: whoever signs in again has left the older one."""
        live = rows.SESSIONS.find_instances(
            rows.database(), {"device_id": device.pk, "kind": Kind.BROWSER, "revoked_at": None}
        )
        # Of two that sign in at once, one stays.
        older = [session for session in live if _order(session) < _order(row)]
        for session in older:
            session.device = device
        revoke_selected(older, reason=Reason.REPLACED, client=client, now=now)


def _order(session: Session | Row) -> tuple[datetime, UUID]:
    """What sessions are compared by to tell which was signed in to later."""
    return session.authenticated_at or session.created_at, session.public_id


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
    known = {"user_id": user.pk, "token_hash": digest(token)}
    found = DEVICES.find_instances(rows.database(), known)
    if not found:
        is_first = not Device.objects.using(rows.database()).for_user(user).exists()
        made = _make(known, client, now)
        if made is not None:
            return Recognition(made, is_new=True, is_first=is_first)
        found = DEVICES.find_instances(rows.database(), known)
    return Recognition(found[0], is_new=False)


def mark_seen(device: Device, client: ClientInfo | None, now: datetime) -> bool:
    """Write down that a device signed in. False where it was removed meanwhile."""
    news = _news(client, now)
    for name, value in news.items():
        setattr(device, name, value)
    return bool(DEVICES.update(rows.database(), news, {"id": device.pk, "revoked_at": None}))


def _news(client: ClientInfo | None, now: datetime) -> dict[str, Any]:
    return {"last_seen_at": now} | (agent_columns(client) if client is not None else {})


def _make(known: Mapping[str, Any], client: ClientInfo | None, now: datetime) -> Device | None:
    """Store a new device; None where another request was first."""
    device = Device(**known, first_seen_at=now, **_news(client, now))
    alias = rows.database()
    # A savepoint keeps a refused INSERT from spoiling the view's transaction, if there is one.
    guard = transaction.atomic(alias) if connections[alias].in_atomic_block else nullcontext()
    try:
        with guard:
            device.save(using=alias, force_insert=True)
    except IntegrityError:
        return None
    return device
