"""
What becomes of a ``login()``: a signed-in session, or an anonymous one that waits.

Invariant for whoever edits this: a session names a user only after all that the user's
account asks for was proved. Whoever called ``login()`` need not know.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY, login
from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest

from sessions_plus.devices.recognition import SignIn, mark_seen, usable_token
from sessions_plus.devices.trust import TrustingSignIn, use_trust
from sessions_plus.keys import read_token
from sessions_plus.mfa import challenge
from sessions_plus.mfa.challenge import Passed
from sessions_plus.mfa.methods import TRUSTED_DEVICE, has_second_factor
from sessions_plus.mfa.policy import asks_no_factor, has_authenticator
from sessions_plus.mfa.reauthentication import Proved
from sessions_plus.models import Challenge, Device, Reason
from sessions_plus.store.of_request import current_store
from sessions_plus.store.session_store import SessionStore

CHALLENGE_KEY = "_sessions_plus_challenge"


def complete_or_challenge(
    request: HttpRequest,
    store: SessionStore,
    user: AbstractBaseUser,
    methods: tuple[str, ...],
    *,
    trust_token: str | None,
    now: datetime,
) -> None:
    """
    Let a ``login()`` that just happened stand, or turn it into a challenge.

    Costs one query of those who are asked for nothing, or two on a new device.
    """
    device = None
    if not has_second_factor(methods):
        device = _mark_seen_where_nothing_is_asked(user, store, now)
        if device is None and has_authenticator(user):
            if _is_signed_in_fully(store, user):
                store.bind(Proved(user.pk, methods))
                return
            successor = use_trust(
                user, trust_token, device_token=store.device_token, client=store.client, now=now
            )
            if successor is None:
                _wait(request, store, user, methods, now)
                return
            store.issued_trust_token = successor
            methods = (*methods, TRUSTED_DEVICE)
    store.pop(CHALLENGE_KEY, None)
    sign_in = TrustingSignIn if store.wants_trust else SignIn
    store.bind(sign_in(user, methods, device=device))


def _mark_seen_where_nothing_is_asked(
    user: AbstractBaseUser, store: SessionStore, now: datetime
) -> Device | None:
    """
    Return the device that this is, if its user is asked for no second factor.

    Most sign-ins are of that kind: then both are answered by one statement.
    """
    token = store.device_token
    if token is None or usable_token(token) != token:
        return None
    return mark_seen(user, token, client=store.client, now=now, condition=asks_no_factor())


def _is_signed_in_fully(store: SessionStore, user: AbstractBaseUser) -> bool:
    """
    Say whether this very session proved a second factor of ``user`` before.

    Then the password alone proves something again, but doesn't begin a new lifetime.
    """
    row = store.row
    if row is None or row.user_id != user.pk:
        return False
    return has_second_factor(row.auth_methods.split())


def _wait(
    request: HttpRequest,
    store: SessionStore,
    user: AbstractBaseUser,
    methods: tuple[str, ...],
    now: datetime,
) -> None:
    """Make the session anonymous again, and remember only which challenge it waits for."""
    backend = store[BACKEND_SESSION_KEY]
    _sign_out(request, store)
    waiting = waiting_challenge(store, now=now)
    # A site that signs people in with each request (by a header, say) begins no new one.
    is_same = (
        waiting is not None
        and "pwd" not in methods
        and (waiting.user_id, waiting.methods) == (user.pk, " ".join(methods))
    )
    if waiting is None or not is_same:
        if waiting is not None:
            challenge.abandon(waiting, now=now)
        waiting = challenge.begin(
            user,
            backend=backend,
            methods=methods,
            session_public_id=_name_of(store),
            client=store.client,
            now=now,
        )
    store[CHALLENGE_KEY] = str(waiting.public_id)
    store.begun_challenge = True


def _sign_out(request: HttpRequest, store: SessionStore) -> None:
    if store.row is not None and store.row.user_id is not None:
        # What a signed-in session holds must not pass to whoever signs in next.
        store.ending_reason = Reason.REPLACED
        store.flush()
    for key in (SESSION_KEY, BACKEND_SESSION_KEY, HASH_SESSION_KEY):
        store.pop(key, None)
    if store.session_key is None:
        store.cycle_key()
    nobody = AnonymousUser()

    async def auser() -> AnonymousUser:
        return nobody

    request.user = nobody
    request.auser = auser  # type: ignore[attr-defined, method-assign, assignment, unused-ignore]


def _name_of(store: SessionStore) -> UUID | None:
    """The public id of the session, also of one that is not stored yet."""
    return read_token(store.session_key)


def waiting_challenge(store: SessionStore, *, now: datetime) -> Challenge | None:
    """Return the challenge that this session waits for, or None."""
    try:
        public_id = UUID(str(store.get(CHALLENGE_KEY)))
    except ValueError:
        return None
    return challenge.find(public_id, session_public_id=_name_of(store), now=now)


def leave(store: SessionStore, *, now: datetime) -> None:
    """Give up the challenge that this session waits for, if there is one."""
    waiting = waiting_challenge(store, now=now)
    if waiting is not None:
        challenge.abandon(waiting, now=now)
    store.pop(CHALLENGE_KEY, None)


def finish(request: HttpRequest, passed: Passed, *, wants_trust: bool = False) -> None:
    """Sign somebody in who passed a challenge: a new key, and all methods recorded."""
    store = current_store(request)
    store.auth_methods = passed.methods
    store.wants_trust = wants_trust
    user: Any = passed.user
    login(request, user, backend=passed.backend)
