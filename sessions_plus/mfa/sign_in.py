"""
What becomes of a ``login()``: a signed-in session, or an anonymous one that waits.

Invariant for whoever edits this: a session names a user only after all that the user's
account asks for was proved. Whoever called ``login()`` need not know.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import NamedTuple, cast
from uuid import UUID

from django.conf import settings
from django.contrib.auth import (
    BACKEND_SESSION_KEY,
    HASH_SESSION_KEY,
    SESSION_KEY,
    get_user_model,
    load_backend,
    login,
)
from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.models import AnonymousUser
from django.db import models
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from sessions_plus.devices.recognition import SignIn, find_device, usable_token
from sessions_plus.devices.trust import TrustingSignIn, use_trust
from sessions_plus.exceptions import MfaRequired, SignInElsewhere
from sessions_plus.keys import read_token
from sessions_plus.mfa import challenge, elsewhere, guesses, impersonation
from sessions_plus.mfa.challenge import Passed
from sessions_plus.mfa.methods import (
    EXTERNAL,
    FIRST_FACTORS,
    PASSWORD,
    RECOVERY_CODE,
    TRUSTED_DEVICE,
    has_second_factor,
)
from sessions_plus.mfa.policy import asks_no_factor, standing_of
from sessions_plus.mfa.reauthentication import Proved
from sessions_plus.models import Challenge, Device, Reason
from sessions_plus.named_types import SiteUser
from sessions_plus.rows.columns import user_id_in
from sessions_plus.store.of_request import current_store
from sessions_plus.store.pending_sign_in import PendingSignIn
from sessions_plus.store.session_store import SessionStore

CHALLENGE_KEY = "_sessions_plus_challenge"

HELD_KEY = "_sessions_plus_held"
"""Where a session that waits holds back what is its user's alone: ``{"user": …, "data": …}``."""


@contextmanager
def using(request: HttpRequest, *, methods: Iterable[str]) -> Iterator[None]:
    """
    Say how a person proved themselves to whoever calls ``login()`` in this block.

        with using(request, methods=["ext"]):
            login(request, user)

    ``methods``: ``pwd`` a password, ``ext`` another service, and ``otp`` where a second factor
    was asked for there: then none is asked for here. Without it, ``pwd`` is what a password
    that was checked in this request says, and anything else is ``ext``. Around ``alogin()`` it
    works as it is.
    """
    with _pending(current_store(request), PendingSignIn(methods=tuple(methods))):
        yield


@contextmanager
def _pending(store: SessionStore, pending: PendingSignIn) -> Iterator[None]:
    before, store.pending = store.pending, pending
    try:
        yield
    finally:
        store.pending = before


def settle(store: SessionStore) -> None:
    """
    Decide about a session that names a user whom no ``login()`` was bound for.

    Single sign-on bridges, a socket's ``login()`` and test helpers write the user into the
    session and save it. What they leave behind is the same: a sign-in, or one that waits.
    """
    user = _named_in(store)
    if user is None:
        _forget_user(store)
        return
    complete_or_challenge(None, store, user, trust_token=None, now=timezone.now())


def _named_in(store: SessionStore) -> AbstractBaseUser | None:
    """Return whom the session's dictionary names, if they may sign in."""
    user_id = user_id_in(dict(store.items()))
    path = store.get(BACKEND_SESSION_KEY)
    found: SiteUser
    if path is None:  # Django takes such a session for nobody's; what asks the row does not
        found = get_user_model()._default_manager.filter(pk=user_id).first()
    elif path in settings.AUTHENTICATION_BACKENDS:
        found = load_backend(path).get_user(user_id)
    else:
        found = None
    return cast("AbstractBaseUser | None", found)


def complete_or_challenge(
    request: HttpRequest | None,
    store: SessionStore,
    user: AbstractBaseUser,
    *,
    trust_token: str | None,
    now: datetime,
) -> None:
    """
    Let a sign-in that just happened stand, or turn it into a challenge.

    ``request`` None: there is none, or it is not known. Costs one query of those who are
    asked for nothing, or two of those who come with another's device.
    """
    store.pending = pending = store.pending.about(user.pk)
    if pending.actor_id is not None:
        _begin_to_act(request, store, user)
        return
    methods = pending.methods or _methods_of(request, store, user)
    known = _Known()
    if not has_second_factor(methods):
        known = _look_up(store, user)
        if known.is_asked or _is_asked_elsewhere(user, methods):
            if _is_signed_in_fully(store, user):
                store.bind(Proved(user.pk, methods))
                return
            if not known.is_asked:
                _sign_out(request, store)
                raise SignInElsewhere
            if not _is_trusted(store, user, trust_token, now):
                backend = store.get(BACKEND_SESSION_KEY, "")
                _wait(request, store, user, methods, backend=backend, now=now)
                store.begun_challenge = True
                return
            methods, known = (*methods, TRUSTED_DEVICE), _Known()  # that device is looked for
    store.pop(CHALLENGE_KEY, None)
    _give_back(store, user)
    store.bind(_sign_in(store, user, methods, device=known.device, is_first=known.is_first))


def _begin_to_act(request: HttpRequest | None, store: SessionStore, user: AbstractBaseUser) -> None:
    if impersonation.lacks_factor(store, user):
        _sign_out(request, store)
        raise MfaRequired
    impersonation.begin(store, user)


class _Known(NamedTuple):
    """
    What a sign-in by a first factor alone has found out about its user.

    ``device`` and ``is_first`` are ``SignIn``'s; ``is_asked``: for a second factor, here.
    """

    device: Device | None = None
    is_first: bool | None = None
    is_asked: bool = False


def _look_up(store: SessionStore, user: AbstractBaseUser) -> _Known:
    device = _find_device_where_nothing_is_asked(user, store)
    if device is not None:
        return _Known(device)
    standing = standing_of(user)
    return _Known(None, not standing.has_device, standing.has_authenticator)


def _is_trusted(
    store: SessionStore, user: AbstractBaseUser, trust_token: str | None, now: datetime
) -> bool:
    """Say whether the device is one that its user trusts; its token is then replaced."""
    successor = use_trust(
        user, trust_token, device_token=store.device_token, client=store.client, now=now
    )
    if successor is None:
        return False
    store.issued_trust_token = successor
    return True


def _sign_in(
    store: SessionStore,
    user: AbstractBaseUser,
    methods: tuple[str, ...],
    *,
    device: Device | None,
    is_first: bool | None,
) -> SignIn:
    if store.pending.since is not None:
        return impersonation.Return(user, methods, since=store.pending.since)
    kind = TrustingSignIn if store.pending.wants_trust else SignIn
    return kind(user, methods, device=device, is_first=is_first)


def _methods_of(
    request: HttpRequest | None, store: SessionStore, user: AbstractBaseUser
) -> tuple[str, ...]:
    proved = elsewhere.methods_of(request, user)
    has_first = not FIRST_FACTORS.isdisjoint(proved)
    return proved if has_first else (method_of(request, store, user), *proved)


def _is_asked_elsewhere(user: AbstractBaseUser, methods: tuple[str, ...]) -> bool:
    """Say whether another package would ask for a factor: not on a device that it trusts."""
    return TRUSTED_DEVICE not in methods and elsewhere.has_factor(user)


def method_of(request: HttpRequest | None, store: SessionStore, user: AbstractBaseUser) -> str:
    """
    Return how somebody proved themselves, where nobody said: ``pwd`` or ``ext``.

    A backend that knows says so with an attribute ``sessions_plus_method``. ``pwd`` is what a
    password that was checked in this request says. Where no backend of ours is there to know,
    Django's own is taken for one that checked it, if the account has any.
    """
    if guesses.has_right_one(request, user):
        return PASSWORD
    path = store.get(BACKEND_SESSION_KEY)
    told = _told_by(path)
    if told is None and guesses.are_counted():
        return EXTERNAL
    return told or method_by(path, user)


def method_by(path: str | None, user: AbstractBaseUser) -> str:
    """Return the method that a backend let ``user`` in by, as far as its class tells."""
    told = _told_by(path)
    if told is not None:
        return told
    checks_passwords = path is not None and type(load_backend(path)) is ModelBackend
    return PASSWORD if checks_passwords and user.has_usable_password() else EXTERNAL


def _told_by(path: str | None) -> str | None:
    told: str | None = getattr(load_backend(path) if path else None, "sessions_plus_method", None)
    return told


def _find_device_where_nothing_is_asked(
    user: AbstractBaseUser, store: SessionStore
) -> Device | None:
    """
    Return the device that this is, if its user is asked for no second factor.

    Most sign-ins are of that kind: then both are answered by one statement. A token that is
    yet to be made is nobody's, and not asked for.
    """
    token = store.device_token
    if token is None or usable_token(token) != token:
        return None
    return find_device(user, token, condition=asks_no_factor())


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
    request: HttpRequest | None,
    store: SessionStore,
    user: AbstractBaseUser,
    methods: tuple[str, ...],
    *,
    backend: str,
    now: datetime,
) -> None:
    """Make the session anonymous again, and remember only which challenge it waits for."""
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


def wait_for_passkey(
    request: HttpRequest, user: AbstractBaseUser, *, backend: str, now: datetime
) -> None:
    """Let the session wait for a new passkey of ``user``, who proved a recovery code alone."""
    store = current_store(request)
    _wait(request, store, user, (RECOVERY_CODE,), backend=backend, now=now)


def _sign_out(request: HttpRequest | None, store: SessionStore) -> None:
    if store.row is not None and store.row.user_id is not None:
        # What a signed-in session holds must not pass to whoever signs in next.
        store.ending_reason = Reason.REPLACED
        store.flush()
    _forget_user(store)
    if store.session_key is None:
        store.cycle_key()
    if request is not None:
        _show_nobody(request)


def _forget_user(store: SessionStore) -> None:
    for key in (SESSION_KEY, BACKEND_SESSION_KEY, HASH_SESSION_KEY):
        store.pop(key, None)


def _show_nobody(request: HttpRequest) -> None:
    nobody = AnonymousUser()

    async def auser() -> AnonymousUser:
        return nobody

    request.user = nobody
    request.auser = auser


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
    store.pop(HELD_KEY, None)


def hold_back(store: SessionStore, user: models.Model) -> None:
    """Put all that a session holds aside until ``user`` has proved all that they are asked for."""
    _forget_user(store)
    held = dict(store.items())
    store.clear()
    store[HELD_KEY] = {"user": str(user.pk), "data": held}


def _give_back(store: SessionStore, user: models.Model) -> None:
    """Give somebody what was held back for them; to nobody else."""
    held = store.pop(HELD_KEY, None)
    if held is not None and held["user"] == str(user.pk):
        for key, value in held["data"].items():
            store.setdefault(key, value)


def finish(
    request: HttpRequest, passed: Passed, *, wants_trust: bool = False
) -> HttpResponse | None:
    """
    Sign somebody in who passed a challenge: a new key, and all methods recorded.

    Return where another package leads them that had begun the sign-in; None: none had.
    """
    user: SiteUser = passed.user
    pending = PendingSignIn(methods=passed.methods, wants_trust=wants_trust)
    with _pending(current_store(request), pending):
        login(request, user, backend=passed.backend)
    return elsewhere.resume(request, user)
