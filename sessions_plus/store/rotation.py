"""
Replacing a session's key: for one in use, so that nobody is signed out; or for good.

Which of the two it is decides what the old key still finds: see ``presented_key``.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

from django.contrib.auth import HASH_SESSION_KEY
from django.contrib.sessions.backends.base import UpdateError
from django.contrib.sessions.exceptions import SessionInterrupted

from sessions_plus.conf import conf
from sessions_plus.keys import new_token
from sessions_plus.rows import session_row
from sessions_plus.rows.columns import new_key_columns
from sessions_plus.rows.lock_wait import LockWait
from sessions_plus.rows.session_row import Row
from sessions_plus.rows.user_state import is_hash_of_older_secret
from sessions_plus.store.presentation import Caller, KeyState
from sessions_plus.store.presented_key import ANY_DEVICE, open_successor, seal_successor
from sessions_plus.store.unwritable import doing_without, telling_of_refusal
from sessions_plus.store.writing import (
    SAVE_ATTEMPTS,
    Draft,
    Superseded,
    merged_with_newer,
    note_uncommitted,
    superseded,
    update_version,
    with_new_key,
)


class Rotated(NamedTuple):
    """Under which key a request goes on; ``is_written``: its own, which ``row`` has now."""

    caller: Caller
    is_written: bool


def is_due(row: Row, now: datetime) -> bool:
    """Say whether a session in use should get a new key (``ROTATION_INTERVAL``)."""
    interval = conf.ROTATION_INTERVAL
    if row.user_id is None or interval is None:
        return False
    return now - (row.rotated_at or row.started_at) >= interval


def is_recent(row: Row, now: datetime) -> bool:
    """
    Say whether the key is so new that requests may be under way with the one before.

    Replaced once more, it would make theirs the one before that, which accuses.
    """
    return row.rotated_at is not None and now - row.rotated_at <= conf.ROTATION_GRACE_PERIOD


def is_without_privilege(row: Row, data: Mapping[str, object]) -> bool:
    """
    Say whether a key that is to be replaced gives no more than it did, so that nobody is
    to be kept out.

    So it is where Django's ``get_user()`` finds a session that names its user as ever, by a
    hash that was made with a ``SECRET_KEY`` of before. Everything else that replaces a key
    may have raised what it opens.
    """
    return is_hash_of_older_secret(row.user_id, str(data.get(HASH_SESSION_KEY, "")))


def rotate(row: Row, caller: Caller, now: datetime) -> Rotated:
    """
    Replace the key of a session in use, so that parallel requests go on.

    The old key still finds the new one, sealed under it: whoever loses the race
    to rotate, or the response that brought the new key, gets the same. It can be done at the
    next request as well, so where the row is locked or cannot be written the key stays.
    """
    key, changes = _successor(row, caller, now)
    is_written = None
    with doing_without():
        no_wait = LockWait.NONE
        is_written = session_row.update(row.public_id, changes, wait=no_wait, version=row.version)
    if is_written is None:
        return Rotated(caller, is_written=False)
    return _rotated(row, caller, key, changes, is_written=is_written)


def rotate_as_asked(row: Row, caller: Caller, now: datetime) -> Rotated:
    """
    Replace the key for who came for a new one, so waits for a locked row. See rotate().

    Raises:
        SessionNotStored: the row stays locked, or cannot be written. The key is good as before.
    """
    key, changes = _successor(row, caller, now)
    with telling_of_refusal():
        is_written = update_version(row, changes)
    return _rotated(row, caller, key, changes, is_written=is_written)


def _successor(row: Row, caller: Caller, now: datetime) -> tuple[str, dict[str, object]]:
    """Return a new key and the columns that hold it, sealed under the caller's."""
    key = new_token(row.public_id)
    sealed = seal_successor(
        key,
        under=caller.key,
        public_id=row.public_id,
        device_token=_device_of(caller),
    )
    changes = new_key_columns(row, key, now)
    return key, changes | {"successor_seen": False, "sealed_successor": sealed}


def _rotated(
    row: Row, caller: Caller, key: str, changes: dict[str, object], *, is_written: bool
) -> Rotated:
    if not is_written:
        return Rotated(_follow(row, caller), is_written=False)
    row.take(changes)
    return Rotated(caller._replace(key=key, key_state=KeyState.ROTATED), is_written=True)


def _device_of(caller: Caller) -> str | None:
    if caller.client is None and caller.device_token is None:
        return ANY_DEVICE
    return caller.device_token


def _follow(row: Row, caller: Caller) -> Caller:
    """
    Another request wrote first: take on the key that it made, where it made one.

    However long this request took, its key was good when it began: no grace period
    is asked for, and nobody is accused.
    """
    newer = session_row.fetch(row.public_id)
    if newer is None or newer.revoked_at is not None:
        return superseded(caller)
    if caller.presentation.is_current(newer, caller.key):
        return caller
    successor = open_successor(newer, under=caller.key, device_token=caller.device_token)
    if successor is None:
        return superseded(caller)
    return caller._replace(key=successor, key_state=KeyState.TOLD)


def confirm(row: Row, caller: Caller) -> tuple[Row | None, Caller]:
    """
    Ask once more whether the key that a request was told still is the newest.

    The view may have taken long, and the browser have a newer one by now: then the
    response must not put this one in its place. No row is left where the session was adopted
    in the view's transaction, and that was undone: the old key adopts it again.
    """
    newest = session_row.fetch(row.public_id)
    if newest is None:
        return None, superseded(caller)
    is_newest = newest.revoked_at is None and caller.presentation.is_current(newest, caller.key)
    return row, caller if is_newest else superseded(caller)


def replace_key(draft: Draft, now: datetime) -> Draft | None:
    """
    Give a stored session a new key, by one UPDATE. The old one is dead at once.

    None where there is no row to go on with: an anonymous one that ended meanwhile, or that
    somebody else signed in to.

    Raises:
        SessionInterrupted: somebody was signed in to it, and it ended meanwhile.
    """
    for _ in range(SAVE_ATTEMPTS):
        row = draft.row
        caller = with_new_key(draft.caller, row)
        changes = new_key_columns(row, caller.key, now)
        if update_version(row, changes):
            uncommitted = note_uncommitted(draft)
            row.take(changes)
            return Draft(row, draft.data, caller, uncommitted)
        try:
            draft = merged_with_newer(draft)
        except Superseded:
            return None
        except UpdateError:
            if row.user_id is not None:
                raise SessionInterrupted("The session ended during the request.") from None
            return None
    return None
