"""
Opening a session by its public id: for tasks and sockets, which hold no key.

Invariant for whoever edits this: a name grants nothing. Whoever passes one on has found it
in a session's own request, or was told it by code that may see every session.
"""

from __future__ import annotations

from functools import partial
from uuid import UUID

from asgiref.sync import sync_to_async
from django.contrib.auth import SESSION_KEY
from django.db import transaction
from django.utils import timezone

from sessions_plus.rows import session_row
from sessions_plus.store.engine import site_engine
from sessions_plus.store.session_store import SessionStore


def open_session(public_id: UUID, *, is_passive: bool = True) -> SessionStore | None:
    """
    Return the session of that name as it is now; None where it has ended, or never was.

        public_id = request.session.public_id  # in a view

        session = open_session(public_id)  # in a task, on any server
        if session is not None:
            session["report"] = "ready"
            session.save()

    Mostly one cache read. What is saved is merged with what requests changed meanwhile, and
    whoever replaces the session's key changes nothing for who holds this. It has no key, and
    nobody can sign in to it.

    ``is_passive`` None of it keeps the session alive. False, where its person has just done
    something (sent a message to a socket): then it counts as a request does.

    Raises:
        ImproperlyConfigured: the site's engine is none of ours.
    """
    store = site_engine().for_public_id(public_id, is_passive=is_passive)
    store.get(SESSION_KEY)
    record_after_commit(store)
    return store if store.row is not None else None


async def aopen_session(public_id: UUID, *, is_passive: bool = True) -> SessionStore | None:
    """See open_session()."""
    store = site_engine().for_public_id(public_id, is_passive=is_passive)
    await store.aget(SESSION_KEY)
    await arecord_after_commit(store)
    return store if store.row is not None else None


def record_after_commit(store: SessionStore) -> None:
    """
    Record what activity a store postponed to after the transaction, where no request does.

    Inside, it would keep the row locked as long as the transaction takes.
    """
    if store.has_postponed_activity:
        _record_on_commit(store)


async def arecord_after_commit(store: SessionStore) -> None:
    """See record_after_commit()."""
    if store.has_postponed_activity:
        await sync_to_async(_record_on_commit)(store)


def _record_on_commit(store: SessionStore) -> None:
    record = partial(store.record_postponed_activity, timezone.now())
    transaction.on_commit(record, using=session_row.database(), robust=True)
