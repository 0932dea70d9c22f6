"""What an old session becomes when its cookie comes: signed in, waiting, nobody's, or nothing."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.apps import apps
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY
from django.contrib.auth.base_user import AbstractBaseUser
from django.db import IntegrityError, transaction

from sessions_plus.client_info import ClientInfo
from sessions_plus.conf import conf
from sessions_plus.devices.recognition import Recognition, SignIn, usable_token
from sessions_plus.events import draft
from sessions_plus.keys import new_public_id, new_token, read_token
from sessions_plus.lifecycle.adoption_bars import is_barred
from sessions_plus.lifecycle.alone import alone_for
from sessions_plus.mfa import challenge
from sessions_plus.mfa.sign_in import CHALLENGE_KEY, hold_back
from sessions_plus.models import Device, Event, SessionEvent
from sessions_plus.moving.claims import Claim, Refusal, claim_of, factors_of, signed_in_at, whose
from sessions_plus.moving.old_proofs import ALLAUTH_KEYS, OTP_KEYS
from sessions_plus.named_types import Columns, SessionData
from sessions_plus.rows import session_row
from sessions_plus.rows.columns import agent_columns
from sessions_plus.rows.session_row import Row
from sessions_plus.store import old_engine
from sessions_plus.store.adoption import Outcome, adopted_key, is_adopted, key_columns
from sessions_plus.store.engine import site_engine
from sessions_plus.store.old_engine import OldSession
from sessions_plus.store.presentation import KeyState
from sessions_plus.store.session_store import SessionStore


class MovedVisit:
    """What a session that nobody is signed in to brings along (a ``store.writing.Binding``)."""

    def __init__(self, moved: Mapping[str, object]) -> None:
        self.moved = moved

    def columns(self, store: SessionStore, now: datetime) -> Columns:
        return dict(self.moved)

    def beside(self, store: SessionStore, now: datetime) -> None:
        """Nothing stands or falls with it."""

    def written(self, store: SessionStore, now: datetime) -> None:
        """Nobody came, so there is nothing to record."""


class MovedSignIn(SignIn):
    """A sign-in that another engine began: as old as it was, and proving nothing lately."""

    def __init__(self, user: AbstractBaseUser, claim: Claim, moved: Mapping[str, object]) -> None:
        super().__init__(user, claim.methods)
        self.claim = claim
        self.moved = moved

    def columns(self, store: SessionStore, now: datetime) -> Columns:
        return {**super().columns(store, now), **self.moved, **proof_columns(self.claim)}

    def events(
        self, store: SessionStore, public_id: UUID, found: Recognition
    ) -> list[SessionEvent]:
        """Nobody signed in just now, and no device is news to anybody."""
        adopted = draft(
            Event.SESSION_ADOPTED,
            user=self.user,
            session_public_id=public_id,
            device=found.device,
            reason=" ".join(self.methods),
            client=store.client,
        )
        return [adopted]

    def tell(self, store: SessionStore, row: Row, found: Recognition) -> None:
        """See events()."""


def proof_columns(claim: Claim) -> Columns:
    """Return the columns of a session that was signed in to elsewhere."""
    return {
        "auth_methods": " ".join(claim.methods),
        "authenticated_at": claim.since,
        "reauthenticated_at": None,
        "reauth_methods": "",
    }


def moved_data(old: OldSession, user: AbstractBaseUser | None) -> SessionData:
    """Return the dictionary that a session goes on with, signed in as ``user`` or as nobody."""
    data = {key: value for key, value in old.data.items() if key not in unused_keys()}
    if user is not None:
        data[HASH_SESSION_KEY] = user.get_session_auth_hash()  # it may be of an older SECRET_KEY
    return data


def unused_keys() -> tuple[str, ...]:
    """Return the keys that packages left in the data which the site has no more."""
    otp = () if apps.is_installed("django_otp") else OTP_KEYS
    return otp if apps.is_installed("allauth.account") else (*otp, *ALLAUTH_KEYS)


class SessionAdopter:
    """The site's ``store.adoption.Adopter``."""

    def adopt(
        self, old: OldSession, *, client: ClientInfo | None, device_token: str | None, now: datetime
    ) -> Outcome:
        """
        Take an old session over, and end it where it was.

        Nothing is left of one that names somebody who is not let in, as Django leaves nothing
        of one whose user has another password.
        """
        if not old.data:
            return Outcome.EMPTY
        user = whose(old)
        if isinstance(user, Refusal):
            return Outcome.REFUSED
        move = Move(old_engine.with_details(old), user, client, device_token, now)
        try:
            if not move.make():
                return Outcome.REFUSED
        except IntegrityError:
            if not is_adopted(old.key):
                raise
        else:
            _end_after_commit(old)
        return Outcome.ADOPTED

    def meet(self, device_id: int, *, client: ClientInfo, now: datetime) -> None:
        """See ``Adopter.meet()``."""
        devices = Device.objects.using(session_row.database()).filter(pk=device_id)
        devices.update(last_seen_at=now, **agent_columns(client))


def _end_after_commit(old: OldSession) -> None:
    """End it where it was. If that fails, its key still opens nothing a second time."""
    if not conf.ADOPT_KEEP_OLD:
        transaction.on_commit(
            lambda: old_engine.end([old.key]), using=session_row.database(), robust=True
        )


@dataclass(frozen=True, slots=True)
class Move:
    """One old session on its way: whose it is (None: nobody's), and who came with it."""

    old: OldSession
    user: AbstractBaseUser | None
    client: ClientInfo | None
    device_token: str | None
    now: datetime

    def make(self) -> bool:
        """
        Store what the session becomes, all of it or nothing. False: it is over by now.

        Raises:
            IntegrityError: it was taken over meanwhile.
        """
        alone = alone_for(self.user.pk) if self.user is not None else nullcontext()
        with transaction.atomic(using=session_row.database()), alone:
            if self.user is not None and self._is_over(self.user):
                return False
            self._store()
        return True

    def _is_over(self, user: AbstractBaseUser) -> bool:
        return is_barred(user.pk, began_at=signed_in_at(self.old))

    def _store(self) -> None:
        public_id, token = new_public_id(), usable_token(self.device_token)
        key = new_token(public_id)
        store = site_engine()(key)
        store.key_state = KeyState.FRESH
        store.client, store.device_token = self.client, token
        moved = key_columns(self.old.key, key, public_id, self.now)
        moved["created_at"] = self.old.details.created_at or self.now
        store.update(moved_data(self.old, self.user))
        is_signed_in = self.user is not None and self._carry_over(store, self.user, moved)
        if not is_signed_in:
            store.bind(MovedVisit(moved))
        adopted = adopted_key(
            self.old, public_id, device_token=token if is_signed_in else None, now=self.now
        )
        adopted.save(using=session_row.database(), force_insert=True)
        store.save(must_create=True)

    def _carry_over(
        self, store: SessionStore, user: AbstractBaseUser, moved: Mapping[str, object]
    ) -> bool:
        """Bind the sign-in that it was. False where it waits for the second factor instead."""
        claim = claim_of(self.old, user, factors_of([user.pk])[user.pk], now=self.now)
        if claim.must_wait:
            self._wait(store, user, claim)
            return False
        store.bind(MovedSignIn(user, claim, moved))
        return True

    def _wait(self, store: SessionStore, user: AbstractBaseUser, claim: Claim) -> None:
        """They typed their password once; now the code, before anything else of theirs."""
        backend = store[BACKEND_SESSION_KEY]
        hold_back(store, user)
        waiting = challenge.begin(
            user,
            backend=backend,
            methods=claim.methods,
            session_public_id=read_token(store.session_key),
            client=self.client,
            now=self.now,
        )
        store[CHALLENGE_KEY] = str(waiting.public_id)
