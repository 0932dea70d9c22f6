"""
The sessions behind tokens: opened by a refresh token, or named by an access token.

They are sessions like any other, of the engine that the site chose.
"""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

from asgiref.sync import sync_to_async
from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, load_backend
from django.contrib.auth.base_user import AbstractBaseUser
from django.utils.crypto import constant_time_compare

from sessions_plus.client_info import ClientInfo
from sessions_plus.lifecycle.opening import arecord_after_commit, record_after_commit
from sessions_plus.lifecycle.revocation import revoke
from sessions_plus.models import Reason, Session
from sessions_plus.rows import payload as payloads
from sessions_plus.rows.columns import user_id_in
from sessions_plus.rows.session_row import Row
from sessions_plus.store.engine import site_engine
from sessions_plus.store.session_store import SessionStore


def api_session(
    refresh_token: str | None, *, client: ClientInfo | None, device_token: str | None
) -> SessionStore:
    """Return the session that a refresh token opens; a new one for None."""
    return site_engine().for_refresh_token(refresh_token, client=client, device_token=device_token)


def browser_session(session_key: str, *, client: ClientInfo | None) -> SessionStore:
    """Return the browser's session that a key opens, presented otherwise than in its cookie."""
    store = site_engine()(session_key)
    store.client = client
    return store


def named_session(public_id: UUID, *, client: ClientInfo | None) -> SessionStore:
    """Return the API session of that name. Only for who has verified an access token."""
    return site_engine().for_access_token(public_id, client=client)


def find_live(public_id: UUID, *, client: ClientInfo | None) -> Row | None:
    """
    Return the API session of that name if it goes on, and record its activity.

    Mostly one cache read. Once per activity interval the database is asked, also for
    whether the user may still sign in.
    """
    store = named_session(public_id, client=client)
    store.load()
    record_after_commit(store)
    return None if store.is_touched and user_of(store) is None else store.row


async def afind_live(public_id: UUID, *, client: ClientInfo | None) -> Row | None:
    """See find_live()."""
    store = named_session(public_id, client=client)
    await store.aload()
    await arecord_after_commit(store)
    return None if store.is_touched and await sync_to_async(user_of)(store) is None else store.row


def user_of(store: SessionStore) -> AbstractBaseUser | None:
    """
    Return who is signed in to a loaded session.

    One whose user is gone, disabled or has another password ends here, for good.
    """
    row = store.row
    if row is None:
        return None
    user = _find_user(payloads.decode(row.payload))
    session = Session.objects.named(row.public_id) if user is None else None
    if session is not None:
        revoke(session, reason=Reason.USER_INACTIVE, client=store.client)
    return user


def keep_up_hash(store: SessionStore, user: AbstractBaseUser) -> None:
    """
    Let a session of ``user_of`` outlast the ``SECRET_KEY`` that its hash was made with.

    Raises:
        UpdateError: it ended meanwhile.
    """
    if not hasattr(user, "get_session_auth_hash"):
        return
    row, current = store.row, user.get_session_auth_hash()
    if row is not None and payloads.decode(row.payload).get(HASH_SESSION_KEY) != current:
        store[HASH_SESSION_KEY] = current
        store.save()


def _find_user(data: Mapping[str, object]) -> AbstractBaseUser | None:
    path = str(data.get(BACKEND_SESSION_KEY))
    if path not in settings.AUTHENTICATION_BACKENDS:
        return None
    user = load_backend(path).get_user(user_id_in(data))
    return user if user is not None and _same_password(user, data) else None


def _same_password(user: AbstractBaseUser, data: Mapping[str, object]) -> bool:
    if not hasattr(user, "get_session_auth_hash"):
        return True
    stored = str(data.get(HASH_SESSION_KEY, ""))
    return any(
        constant_time_compare(stored, valid)
        for valid in (user.get_session_auth_hash(), *user.get_session_auth_fallback_hash())
    )
