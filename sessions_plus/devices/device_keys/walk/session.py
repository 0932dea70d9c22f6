"""
The session that is bound for a walk, and ended after it.

It is a row like any other, so that registration and refresh are the real ones. But Django reads
nobody from it, as it names no backend that the site has: its key opens no page.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from django.contrib.auth import BACKEND_SESSION_KEY, SESSION_KEY
from django.db import models

from sessions_plus.events import record
from sessions_plus.lifecycle.revocation import revoke
from sessions_plus.models import Event, Session
from sessions_plus.models.device_key import UNBOUND
from sessions_plus.named_types import AnyField, Columns
from sessions_plus.store.engine import site_engine
from sessions_plus.store.session_store import SessionStore

NO_BACKEND = "sessions_plus.sessionsdoctor"
"""What the session says it was signed in to with, and its event's reason."""


@contextmanager
def session_of_walk(user: models.Model) -> Iterator[SessionStore]:
    """
    Make a session of ``user`` that can be bound, and end it.

    Raises:
        ImproperlyConfigured: the site's engine is none of ours.
    """
    store = site_engine()()
    pk: AnyField = user._meta.pk
    store.update({SESSION_KEY: pk.value_to_string(user), BACKEND_SESSION_KEY: NO_BACKEND})
    store.bind(_OfDoctor(user))
    store.save()
    try:
        yield store
    finally:
        end(store)


def end(store: SessionStore) -> None:
    """End it as any session is ended; nothing, where it has ended."""
    session = Session.objects.named(store.public_id)
    if session is not None:
        revoke(session)


class _OfDoctor:
    """A sign-in without a device, a mail, or a part in the user's limit of sessions."""

    def __init__(self, user: models.Model) -> None:
        self.user = user

    def columns(self, store: SessionStore, now: datetime) -> Columns:
        return {"authenticated_at": now, "reauthenticated_at": now, **UNBOUND}

    def beside(self, store: SessionStore, now: datetime) -> None:
        """Nothing stands or falls with it."""

    def written(self, store: SessionStore, now: datetime) -> None:
        public_id = store.public_id
        record(
            Event.SESSION_STARTED,
            user_id=self.user.pk,
            session_public_id=public_id,
            reason=NO_BACKEND,
        )
