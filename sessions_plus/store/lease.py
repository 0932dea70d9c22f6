"""
The lease: activity, written by a statement that also proves that the row still lives.

Invariant for whoever edits this: where the statement changed no row, nothing was written
and nothing was proved. Nothing here waits for a row that somebody has locked.
"""

from __future__ import annotations

from datetime import datetime
from enum import Enum, auto

from sessions_plus.client_info import ClientInfo
from sessions_plus.conf import conf
from sessions_plus.named_types import Columns
from sessions_plus.policy import expires_at
from sessions_plus.rows import session_row
from sessions_plus.rows.columns import client_columns, next_version
from sessions_plus.rows.lifetime import limits_of_row
from sessions_plus.rows.session_row import Row
from sessions_plus.store.client_change import ClientChange, Reaction, differences
from sessions_plus.store.presentation import Caller, KeyState
from sessions_plus.store.proof import shows_device_key
from sessions_plus.store.unwritable import doing_without


class Written(Enum):
    """What became of a statement that also proves its row."""

    YES = auto()
    NO = auto()
    """
    The row does not live, or is not as it was, or somebody has locked it.

    It has ended, was rotated, is gone, or its user is. Reading it again tells.
    """
    REFUSED = auto()
    """The database takes no writes. Nothing was proved."""


def is_activity(row: Row, caller: Caller) -> bool:
    """
    Say whether this request prolongs the session.

    Polling does not, nor does anything done with a session that has to be proved
    again: a thief who is refused keeps nothing alive.
    """
    return not caller.is_passive and not row.must_reauthenticate


def proves_successor(row: Row, caller: Caller) -> bool:
    """Say whether the current key of a rotated session came for the first time."""
    return (
        not row.successor_seen
        and caller.key_state is KeyState.PRESENTED
        and caller.presentation.proves_successor
    )


def was_told_late(row: Row, caller: Caller, now: datetime) -> bool:
    """
    Say whether the grace period begins anew, as the successor is only now given out.

    A browser that lost the response and opens again asks with several tabs at once.
    """
    if caller.key_state is not KeyState.TOLD or row.successor_seen or row.rotated_at is None:
        return False
    return now - row.rotated_at > conf.ROTATION_GRACE_PERIOD


def has_news_of_key(row: Row, caller: Caller, now: datetime) -> bool:
    """Say whether the row has to learn something of its key, however recent the last activity."""
    return (
        proves_successor(row, caller)
        or was_told_late(row, caller, now)
        or shows_device_key(row, caller.cookies, now)
    )


def touch_columns(row: Row, caller: Caller, now: datetime) -> Columns:
    """Return what a request writes that only uses the session."""
    columns = activity(row, caller.client, now) if is_activity(row, caller) else {}
    if proves_successor(row, caller):
        columns["successor_seen"] = True
    if was_told_late(row, caller, now):
        columns["successor_told_at"] = now
    if shows_device_key(row, caller.cookies, now):
        columns["device_key_seen"] = True
    return columns


def activity(row: Row, client: ClientInfo | None, now: datetime) -> Columns:
    ends = expires_at(started_at=row.started_at, last_activity=now, limits=limits_of_row(row))
    return {"last_activity": now, "expire_date": ends, **news_of_client(row, client)}


def news_of_client(row: Row, client: ClientInfo | None) -> Columns:
    """
    Return the columns of who is calling, as far as they differ from the row's.

    None where it is another client: `record_client_change` is for that.
    """
    return {} if differences(row, client) else client_columns(client, row, row.user_id)


def renew(row: Row, caller: Caller, now: datetime, **guards: object) -> Written:
    """
    Record activity; ``row`` then has it, too.

    A copy also has to be of the row's ``version``, else a touch would keep an outdated one
    for good.
    """
    return _touch(row, touch_columns(row, caller, now), **guards)


def _touch(row: Row, columns: Columns, **guards: object) -> Written:
    is_written = None
    with doing_without():
        is_written = session_row.touch(row, columns, **guards)
    if is_written is None:
        return Written.REFUSED
    if not is_written:
        return Written.NO
    row.take(columns)
    return Written.YES


def record_client_change(row: Row, change: ClientChange, caller: Caller, now: datetime) -> Written:
    """
    Write down that another client uses the session.

    The version moves, so that no copy of before goes on serving.
    """
    is_accepted = change.reaction is Reaction.RECORD
    columns: Columns = {}
    if is_accepted:
        if not caller.is_passive:
            columns |= activity(row, caller.client, now)
        columns |= client_columns(caller.client, row, row.user_id)
    if proves_successor(row, caller):
        columns["successor_seen"] = True
    columns |= {**change.columns(now), "version": next_version(row)}
    return _touch(row, columns, version=row.version)
