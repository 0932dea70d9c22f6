"""Which columns a write changes, and to what: values from values, no I/O."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import NamedTuple
from uuid import UUID

from django.contrib.auth import get_user_model
from django.core.exceptions import ValidationError

from sessions_plus.client_info import ClientInfo
from sessions_plus.conf import conf
from sessions_plus.crypto import Purpose, digest, seal
from sessions_plus.models.device_key import UNBOUND
from sessions_plus.models.session import data_context
from sessions_plus.named_types import Columns, UserId, Values
from sessions_plus.policy import Limits, expires_at
from sessions_plus.rows.lifetime import limits_of
from sessions_plus.rows.session_row import Row

# A row can be written a million million times before its version outgrows what every
# cache counts exactly (2 to the 53rd).
LONGEST_STEP = 4096

AUTH_USER_KEY = "_auth_user_id"  # where Django's login() keeps it

# The columns that have no default in the database. ``public_id``, ``kind``, ``key_hash``,
# the data and the moments are always given.
EMPTY_ROW: Mapping[str, object] = MappingProxyType(
    {
        "user_id": None,
        "actor_id": None,
        "device_id": None,
        "previous_key_hash": "",
        "rotated_at": None,
        "sealed_successor": None,
        "successor_seen": True,
        "successor_told_at": None,
        "version": 1,
        "authenticated_at": None,
        "reauthenticated_at": None,
        "auth_methods": "",
        "reauth_methods": "",
        "client_changed_at": None,
        "must_reauthenticate": False,
        **UNBOUND,
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
)

SIGNED_OUT: Mapping[str, object] = MappingProxyType(
    {
        "user_id": None,
        "actor_id": None,
        "device_id": None,
        "authenticated_at": None,
        "reauthenticated_at": None,
        "auth_methods": "",
        "reauth_methods": "",
        "client_changed_at": None,
        "must_reauthenticate": False,
        **UNBOUND,
    }
)


def user_id_in(data: Mapping[str, object]) -> UserId:
    """Return the primary key of the user whom the dictionary names, or None."""
    value = data.get(AUTH_USER_KEY)
    if value is None:
        return None
    field = get_user_model()._meta.pk
    try:
        user_id = field.to_python(value)
        field.run_validators(user_id)
    except ValidationError:
        return None
    return user_id


def user_columns(row: Row | None, user_id: object, now: datetime) -> Columns:
    """Return what changes where the dictionary names another user than the row."""
    if row is not None and row.user_id == user_id:
        return {}
    if user_id is None:
        return dict(SIGNED_OUT)
    return {**SIGNED_OUT, "user_id": user_id, "authenticated_at": now}


def client_columns(client: ClientInfo | None, row: Row | None, user_id: object) -> Columns:
    """
    Return the columns of who is calling, as far as they differ from the row's.

    None at all without a request: what is stored is never blanked by a program.
    """
    if client is None or (user_id is None and not conf.TRACK_ANONYMOUS):
        return {}
    columns: Columns = {}
    if row is None or client.stored_ip_address != row.ip_address:
        columns["ip_address"] = client.stored_ip_address
        columns["location"] = client.location
    if row is None or client.user_agent != row.user_agent:
        columns |= agent_columns(client)
    return columns


def agent_columns(client: ClientInfo) -> Columns:
    """Return the columns of a session or device that tell of the caller's user agent."""
    agent = client.agent
    return {
        "user_agent": client.user_agent,
        "browser": agent.browser,
        "browser_version": agent.browser_version,
        "system": agent.system,
        "agent_kind": agent.kind,
    }


class WriteFacts(NamedTuple):
    """What of a row decides about how its data is written."""

    public_id: UUID
    kind: str
    user_id: UserId
    created_at: datetime
    authenticated_at: datetime | None
    auth_methods: str

    @classmethod
    def of(cls, row: Row, changes: Values) -> WriteFacts:
        """Return those of a row that is about to be changed."""
        return cls(*[changes.get(name, getattr(row, name)) for name in cls._fields])

    def limits(self, data: Mapping[str, object]) -> Limits:
        """Return the limits of a session that is written with that dictionary."""
        return limits_of(
            user_id=self.user_id, data=data, kind=self.kind, auth_methods=self.auth_methods
        )


def data_columns(payload: bytes, facts: WriteFacts, limits: Limits, active_at: datetime) -> Columns:
    """
    Return the sealed data, and the activity that a write is.

    ``active_at`` is the last activity: now, except where the request is passive.
    """
    return {
        "data": seal(
            payload,
            purpose=Purpose.SESSION_DATA,
            bound_to=data_context(facts.public_id, facts.user_id),
        ),
        "last_activity": active_at,
        "expire_date": expires_at(
            started_at=facts.authenticated_at or facts.created_at,
            last_activity=active_at,
            limits=limits,
        ),
    }


def new_key_columns(row: Row, key: str, now: datetime) -> Columns:
    """Return what a new key changes. The old one is dead: it has no sealed successor."""
    return {
        "key_hash": digest(key),
        "previous_key_hash": row.key_hash,
        "sealed_successor": None,
        "successor_seen": True,
        "successor_told_at": None,
        "rotated_at": now,
        "version": next_version(row),
    }


def bound_columns(row: Row, device_key_id: UUID, now: datetime) -> Columns:
    """Return what binds a session to a device key. No proof of it was shown yet."""
    return {
        "device_key_id": device_key_id,
        "device_key_at": now,
        "device_key_seen": False,
        "version": next_version(row),
    }


def next_version(row: Row) -> int:
    """
    Return a version after the row's, by a random step.

    A write that was rolled back leaves this process with a version that the row
    never had. Were versions counted one by one, another request's write would soon
    have the same, and be taken for our own.
    """
    return row.version + 1 + secrets.randbelow(LONGEST_STEP)
