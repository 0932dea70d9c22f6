"""
Acting as somebody else, by a ``login()`` as them: help desks do, with packages or code of theirs.

Invariant for whoever edits this: such a session proves nothing of the person, and does
nothing that is theirs alone to do. Whoever acts has proved what the site asks of both.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from uuid import UUID

from django.contrib.auth.base_user import AbstractBaseUser
from django.db import models
from django.http import HttpRequest
from django.utils import timezone

from sessions_plus.authority import Authority, authority_of, proof_of
from sessions_plus.devices.recognition import SignIn
from sessions_plus.devices.session_rows import RowWithEvents
from sessions_plus.events import draft
from sessions_plus.exceptions import ActingForAnother, MfaRequired
from sessions_plus.mfa.methods import IMPERSONATED
from sessions_plus.mfa.policy import is_enough
from sessions_plus.models import Event, Reason, Session, SessionEvent
from sessions_plus.named_types import Columns, UserId
from sessions_plus.signals import session_started
from sessions_plus.store.of_request import current_store
from sessions_plus.store.pending_sign_in import NOTHING_KNOWN, PendingSignIn
from sessions_plus.store.session_store import SessionStore
from sessions_plus.store.writing import Beside

ACTOR_KEY = "_sessions_plus_actor"
"""Where the session's data keeps how the actor had proved themselves, for the way back."""


@contextmanager
def acting_as(request: HttpRequest, user: models.Model | None = None) -> Iterator[None]:
    """
    Let whoever is signed in act as another, whom the block signs in.

        with acting_as(request, customer):
            login(request, customer, backend="django.contrib.auth.backends.ModelBackend")

    The new session is the customer's, by the method ``imp``, with ``Session.actor``: it has no
    device, sends no mail, counts for no limit, is asked for no second factor, and counts as
    having proved nothing. It never opens the admin, nor what is the customer's alone: their
    password, factors, devices, sessions and tokens. Each event in it names the actor.

    ``user`` may be left out; whom the block signs in is asked for then, when the actor's own
    session is gone already.

    Raises:
        ActingForAnother: they act for somebody already, or are not who is signed in.
        MfaRequired: the site asks the actor, or the other, for a second factor that the
            actor's session has not proved.
    """
    authority = check_may_act(request, user)
    store = current_store(request)
    since = authority.row.started_at if authority.row is not None else timezone.now()
    store.pending = PendingSignIn(
        user_id=user.pk if user is not None else None,
        actor_id=authority.user_id,
        actor_methods=authority.methods,
        since=since,
    )
    store.ending_reason = Reason.ACTED
    try:
        yield
    finally:
        store.pending = NOTHING_KNOWN


@contextmanager
def returning(request: HttpRequest) -> Iterator[None]:
    """
    Let whoever acted as another sign in as themselves again, as they were before.

        with returning(request):
            login(request, actor, backend=…)

    By the methods of before and as old as that sign-in, so that nothing is asked anew and
    nothing counts as proved lately. Anybody else whom the block signs in is asked as ever.
    """
    store, authority = current_store(request), authority_of(request)
    kept = store.get(ACTOR_KEY)
    if kept is not None and authority is not None and authority.actor_id is not None:
        store.pending = PendingSignIn(
            user_id=authority.actor_id,
            methods=tuple(kept["methods"]),
            since=datetime.fromisoformat(kept["since"]),
        )
    try:
        yield
    finally:
        store.pending = NOTHING_KNOWN


def lacks_factor(store: SessionStore, user: AbstractBaseUser) -> bool:
    """Say whether the site asks ``user`` for a second factor that the actor has not proved."""
    return not is_enough(store.pending.actor_methods, user)


def begin(store: SessionStore, user: AbstractBaseUser) -> None:
    """Let the session, which was just signed in to, be one of acting as ``user``."""
    pending = store.pending
    store[ACTOR_KEY] = {
        "methods": list(pending.actor_methods),
        "since": (pending.since or timezone.now()).isoformat(),
    }
    store.bind(Impersonation(user, actor_id=pending.actor_id))


def check_may_act(request: HttpRequest, user: models.Model | None) -> Authority:
    """
    Return on whose strength somebody may act as ``user``; None: it is not known yet as whom.

    Raises:
        ActingForAnother, MfaRequired: see ``acting_as()``.
    """
    authority = proof_of(request)
    if authority is None:
        raise ActingForAnother
    people = [person for person in (request.user, user) if person is not None]
    if not all(is_enough(authority.methods, person) for person in people):
        raise MfaRequired
    return authority


class Impersonation:
    """What acting as somebody adds to its session (a ``store.writing.Binding``)."""

    def __init__(self, user: AbstractBaseUser, *, actor_id: UserId) -> None:
        self.user = user
        self.actor_id = actor_id
        self._rows: RowWithEvents | None = None

    def columns(self, store: SessionStore, now: datetime) -> Columns:
        return {
            "actor_id": self.actor_id,
            "device_id": None,
            "authenticated_at": now,
            "reauthenticated_at": None,
            "auth_methods": IMPERSONATED,
            "reauth_methods": "",
        }

    def beside(self, store: SessionStore, now: datetime) -> Beside:
        def drafting(public_id: UUID) -> list[SessionEvent]:
            happened = draft(
                Event.SESSION_STARTED,
                user=self.user,
                session_public_id=public_id,
                reason=IMPERSONATED,
                actor_id=self.actor_id,
                client=store.client,
            )
            return [happened]

        self._rows = RowWithEvents(drafting)
        return self._rows

    def written(self, store: SessionStore, now: datetime) -> None:
        row = store.row
        if row is None or self._rows is None:
            return
        self._rows.tell()
        session_started.send_robust(
            sender=Session, session=row, user=self.user, client=store.client
        )


class Return(SignIn):
    """A sign-in that goes on with a session of before, as old as it was, and proves nothing."""

    def __init__(self, user: models.Model, methods: tuple[str, ...], *, since: datetime) -> None:
        super().__init__(user, methods)
        self.since = since

    def columns(self, store: SessionStore, now: datetime) -> Columns:
        return super().columns(store, now) | {
            "authenticated_at": self.since,
            "reauthenticated_at": None,
            "reauth_methods": "",
        }
