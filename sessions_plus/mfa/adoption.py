"""
What a session of another engine becomes here: signed in, waiting for a second factor, or nobody's.

Invariant for whoever edits this: whoever is let in is let in by Django, too, and whoever has a
second factor here comes in only if the old session proved that very factor.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, cast

from django.apps import apps
from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY, load_backend
from django.contrib.auth.base_user import AbstractBaseUser
from django.db import IntegrityError, transaction

from sessions_plus.client_info import ClientInfo
from sessions_plus.conf import conf
from sessions_plus.crypto import same
from sessions_plus.devices.recognition import Recognition, SignIn, usable_token
from sessions_plus.events import record
from sessions_plus.keys import new_public_id, new_token, read_token
from sessions_plus.lifecycle.adoption_bars import is_barred
from sessions_plus.lifecycle.alone import alone_for
from sessions_plus.mfa import challenge
from sessions_plus.mfa.methods import RECOVERY_CODE, TOTP_CODE
from sessions_plus.mfa.old_proofs import ALLAUTH_KEYS, OTP_KEYS, OldProofs, read_proofs
from sessions_plus.mfa.sign_in import CHALLENGE_KEY, hold_back, method_of
from sessions_plus.models import Authenticator, Event, RecoveryCode
from sessions_plus.rows import session_row
from sessions_plus.rows.columns import user_id_in
from sessions_plus.rows.lifetime import limits_of
from sessions_plus.rows.session_row import Row
from sessions_plus.store import old_engine
from sessions_plus.store.adoption import Outcome, adopted_key, is_adopted, key_columns
from sessions_plus.store.engine import site_engine
from sessions_plus.store.old_engine import OldSession
from sessions_plus.store.presentation import KeyState
from sessions_plus.store.session_store import SessionStore

# Nobody is thrown out on the day of the move for having signed in long before it.
LEFT_AT_LEAST = timedelta(days=1)


class MovedVisit:
    """What a session that nobody is signed in to brings along (a ``store.writing.Binding``)."""

    def __init__(self, moved: Mapping[str, Any]) -> None:
        self.moved = moved

    def columns(self, store: SessionStore, now: datetime) -> dict[str, Any]:
        return dict(self.moved)

    def written(self, store: SessionStore, now: datetime) -> None:
        """Nobody came, so there is nothing to record."""


class MovedSignIn(SignIn):
    """A sign-in that another engine began: as old as it was, and proving nothing lately."""

    def __init__(
        self,
        user: AbstractBaseUser,
        methods: tuple[str, ...],
        moved: Mapping[str, Any],
        *,
        since: datetime,
    ) -> None:
        super().__init__(user, methods)
        self.moved = moved
        self.since = since

    def columns(self, store: SessionStore, now: datetime) -> dict[str, Any]:
        proved = {"authenticated_at": self.since, "reauthenticated_at": None, "reauth_methods": ""}
        return {**super().columns(store, now), **self.moved, **proved}

    def tell(self, store: SessionStore, row: Row, found: Recognition) -> None:
        """Nobody signed in just now, and no device is news to anybody."""
        record(
            Event.SESSION_ADOPTED,
            user=self.user,
            session_public_id=row.public_id,
            device=found.device,
            reason=" ".join(self.methods),
            client=store.client,
        )


@dataclass(frozen=True, slots=True)
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
        user = signed_in_user(old.data)
        if SESSION_KEY in old.data and (user is None or old.is_acted_in):
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


def _end_after_commit(old: OldSession) -> None:
    """End it where it was. If that fails, its key still opens nothing a second time."""
    if not conf.ADOPT_KEEP_OLD:
        transaction.on_commit(
            lambda: old_engine.end([old.key]), using=session_row.database(), robust=True
        )


def signed_in_user(data: Mapping[str, Any]) -> AbstractBaseUser | None:
    """Return whom Django would take a session for; None: nobody, whoever it names."""
    path, user_id = data.get(BACKEND_SESSION_KEY), user_id_in(data)
    if user_id is None or path not in settings.AUTHENTICATION_BACKENDS:
        return None
    user = cast("AbstractBaseUser | None", load_backend(str(path)).get_user(user_id))
    if user is None:
        return None
    stored = str(data.get(HASH_SESSION_KEY, ""))
    valid = (user.get_session_auth_hash(), *user.get_session_auth_fallback_hash())
    return user if any(same(stored, each) for each in valid) else None


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
        began_at = read_proofs(self.old.data).began_at or self.old.details.created_at
        return is_barred(user.pk, began_at=began_at)

    def _store(self) -> None:
        public_id, token = new_public_id(), usable_token(self.device_token)
        key = new_token(public_id)
        store = site_engine()(key)
        store.key_state = KeyState.FRESH
        store.client, store.device_token = self.client, token
        moved = key_columns(self.old.key, key, public_id, self.now)
        moved["created_at"] = self.old.details.created_at or self.now
        store.update(dict(self.old.data))
        is_signed_in = self.user is not None and self._carry_over(store, self.user, moved)
        if not is_signed_in:
            store.bind(MovedVisit(moved))
        adopted = adopted_key(
            self.old.key, public_id, device_token=token if is_signed_in else None, now=self.now
        )
        adopted.save(using=session_row.database(), force_insert=True)
        store.save(must_create=True)

    def _carry_over(
        self, store: SessionStore, user: AbstractBaseUser, moved: Mapping[str, Any]
    ) -> bool:
        """Bind the sign-in that it was. False where it waits for the second factor instead."""
        proofs = read_proofs(self.old.data)
        first = proofs.first or method_of(store, user)
        has_factor, second = second_factors(user, proofs.factors)
        if has_factor and not second:
            self._wait(store, user, first)
            return False
        store[HASH_SESSION_KEY] = user.get_session_auth_hash()  # it may be of an older SECRET_KEY
        for key in unused_keys():
            store.pop(key, None)
        methods = (first, *second)
        since = began_at(self.old, proofs, methods=methods, now=self.now)
        store.bind(MovedSignIn(user, methods, moved, since=since))
        return True

    def _wait(self, store: SessionStore, user: AbstractBaseUser, method: str) -> None:
        """They typed their password once; now the code, before anything else of theirs."""
        backend = store[BACKEND_SESSION_KEY]
        hold_back(store, user)
        waiting = challenge.begin(
            user,
            backend=backend,
            methods=(method,),
            session_public_id=read_token(store.session_key),
            client=self.client,
            now=self.now,
        )
        store[CHALLENGE_KEY] = str(waiting.public_id)


def second_factors(user: AbstractBaseUser, proved: frozenset[str]) -> tuple[bool, list[str]]:
    """
    Say whether ``user`` has a second factor here, and by which methods they proved it.

    What was proved is named as ``Authenticator.imported_from`` is. Only a factor that came
    along and is in use counts.
    """
    alias = session_row.database()
    own = Authenticator.objects.using(alias).for_user(user).confirmed()
    found = list(own.values_list("imported_from", "disabled_at"))
    if any(name in proved and disabled_at is None for name, disabled_at in found):
        return True, [TOTP_CODE]
    codes = RecoveryCode.objects.using(alias).for_user(user).filter(imported_from__in=proved)
    return bool(found), [RECOVERY_CODE] if found and proved and codes.exists() else []


def began_at(
    old: OldSession, proofs: OldProofs, *, methods: tuple[str, ...], now: datetime
) -> datetime:
    """
    Return since when a session's absolute lifetime is counted.

    Since its sign-in, as far as that is known; but a day of it is left, at least.
    """
    known = [moment for moment in (old.details.created_at, proofs.began_at) if moment is not None]
    began = min([*known, now])
    lifetime = limits_of(
        user_id=user_id_in(old.data), data=old.data, auth_methods=" ".join(methods)
    ).absolute_lifetime
    return began if lifetime is None else max(began, min(now, now - lifetime + LEFT_AT_LEAST))


def unused_keys() -> tuple[str, ...]:
    """Return the keys that packages left in the data which the site has no more."""
    otp = () if apps.is_installed("django_otp") else OTP_KEYS
    return otp if apps.is_installed("allauth.account") else (*otp, *ALLAUTH_KEYS)
