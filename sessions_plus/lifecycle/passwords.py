"""
What a new password does to its user's other sessions: they end, or go on where that was chosen.

Invariant for whoever edits this: going on is a choice made inside a session of the user's
own. A password that is set from outside (a reset, a shell, an administrator) ends them all.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from types import MappingProxyType
from typing import TYPE_CHECKING
from uuid import UUID

from django.contrib.auth import HASH_SESSION_KEY
from django.contrib.auth.base_user import AbstractBaseUser
from django.db import models

from sessions_plus.crypto import Purpose, same, seal
from sessions_plus.exceptions import SealBroken
from sessions_plus.lifecycle.adoption_bars import note_new_hash
from sessions_plus.lifecycle.revocation import revoke_others, revoke_selected
from sessions_plus.models import Reason, Session
from sessions_plus.models.session import data_context, unseal_data
from sessions_plus.named_types import SessionData, UserId
from sessions_plus.rows import payload as payloads
from sessions_plus.rows import session_row
from sessions_plus.rows.columns import next_version
from sessions_plus.rows.session_row import Row
from sessions_plus.store.engine import site_copies
from sessions_plus.store.unwritable import telling_of_refusal
from sessions_plus.store.writing import SAVE_ATTEMPTS, update_version

if TYPE_CHECKING:
    from sessions_plus.client_info import ClientInfo

OTHERS_KEPT = "others_kept"
"""The reason of the event ``password.changed`` where the other sessions go on."""

# By user: what Django would have let their sessions in with, as the block began.
_kept: ContextVar[Mapping[UserId, tuple[str, ...]]] = ContextVar(
    "sessions_plus_kept", default=MappingProxyType({})
)


@contextmanager
def keep_other_sessions(user: AbstractBaseUser) -> Iterator[None]:
    """
    Let the other sessions of ``user`` go on when a new password is saved in this block.

        with keep_other_sessions(request.user):
            request.user.set_password(new)
            request.user.save()
        update_session_auth_hash(request, request.user)

    Enter it before the password is set: only what the password of before still let in goes
    on. It is the choice of somebody who is signed in (OWASP ASVS 7.4.3), so it counts only in
    a request of a session of theirs. Elsewhere, as in a reset, every session ends all the
    same, and so does trust in devices, always. Around asynchronous code it works as it is.

    Django compares each session with its user's password. A request of another session that
    is under way while both change may still find them apart; then that session ends.
    """
    hashes = _hashes_of(user)
    token = _kept.set({**_kept.get(), user.pk: hashes})
    try:
        yield
    finally:
        _kept.reset(token)


@contextmanager
def keep_sessions_if_rehashed(user: AbstractBaseUser) -> Iterator[None]:
    """
    Let all sessions of ``user`` go on if this block only hashes their password anew.

    ``check_password()`` does where the site's hasher has changed, as with a new Django; and
    Django's session hash is made of the password's.
    """
    hashes = _hashes_of(user)
    yield
    if user.get_session_auth_hash() == hashes[0]:
        return
    note_new_hash(user)
    live = Session.objects.using(session_row.database()).for_user(user).filter(revoked_at=None)
    for public_id in live.values_list("public_id", flat=True):
        _goes_on(public_id, user, hashes)


def _hashes_of(user: AbstractBaseUser) -> tuple[str, ...]:
    """What Django lets sessions of the user in with."""
    return (user.get_session_auth_hash(), *user.get_session_auth_fallback_hash())


def is_new_password(
    user: AbstractBaseUser, *, created: bool, raw: bool, update_fields: frozenset[str] | None
) -> bool:
    """
    Say whether what was just saved is a new password of somebody who had one.

    One that is only hashed anew (Django does it at sign-in) is none.
    """
    is_saved = update_fields is None or "password" in update_fields
    is_set = getattr(user, "_password", None) is not None
    return is_saved and is_set and not created and not raw


def end_or_keep_others(
    user: AbstractBaseUser,
    *,
    own: UUID | None,
    actor: models.Model | None = None,
    client: ClientInfo | None = None,
) -> str:
    """
    End every session of ``user`` but the one whose public id is ``own``, or let them go on.

    Return the reason for the event: ``others_kept``, or empty where they ended. Called with
    the new password in ``user``.
    """
    note_new_hash(user)
    hashes = _kept.get().get(user.pk)
    if hashes is None or own is None:
        revoke_others(user, keep=own, reason=Reason.PASSWORD_CHANGED, actor=actor, client=client)
        return ""
    live = Session.objects.using(session_row.database()).for_user(user).filter(revoked_at=None)
    others = live.exclude(public_id=own).select_related("device").order_by("pk")
    lost = [other for other in others if not _goes_on(other.public_id, user, hashes)]
    revoke_selected(lost, reason=Reason.PASSWORD_CHANGED, actor=actor, client=client)
    return OTHERS_KEPT


def _goes_on(public_id: UUID, user: AbstractBaseUser, hashes: tuple[str, ...]) -> bool:
    """
    Take a session along to the new password. False where it has to end.

    Whoever writes to it at the same time loses nothing, and takes our change along.
    """
    for _ in range(SAVE_ATTEMPTS):
        row = session_row.fetch(public_id)
        if row is None or row.revoked_at is not None or row.user_id != user.pk:
            return True  # it is nobody's to end any more
        data = _open(row)
        stored = str(data.get(HASH_SESSION_KEY, ""))
        if same(stored, user.get_session_auth_hash()):
            return True
        if not any(same(stored, valid) for valid in hashes):
            return False  # it had ended already: by a password that was changed unnoticed
        data[HASH_SESSION_KEY] = user.get_session_auth_hash()
        if _write(row, data):
            return True
    return False


def _open(row: Row) -> SessionData:
    """Return the session's dictionary, empty where it does not open."""
    try:
        return payloads.decode(unseal_data(row.data, row.public_id, row.user_id))
    except (SealBroken, payloads.Undecodable):
        return {}


def _write(row: Row, data: SessionData) -> bool:
    """Store the dictionary if nobody else wrote meanwhile. It is no activity."""
    changes = {
        "data": seal(
            payloads.encode(data),
            purpose=Purpose.SESSION_DATA,
            bound_to=data_context(row.public_id, row.user_id),
        ),
        "version": next_version(row),
    }
    with telling_of_refusal():
        is_written = update_version(row, changes)
    if not is_written:
        return False
    site_copies().outdate(row.public_id)
    return True
