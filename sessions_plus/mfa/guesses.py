"""
Guesses at a password: whose count an attempt to sign in is, and what comes of it.

Every attempt with a request is counted before its password is looked at, by
``auth_backends.Backend``. On a device that is known for the name, it is that device's own;
all others share the name's, and their network's. So strangers lock out strangers (OWASP,
"Slow Down Online Guessing Attacks with Device Cookies").
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime
from functools import partial

from django.contrib.auth import get_backends, get_user_model
from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.db import connections, models, router
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from sessions_plus.after_view import after_view
from sessions_plus.client_info import ClientInfo, client_info_from
from sessions_plus.cookies import device_token_in
from sessions_plus.crypto import Purpose, digest
from sessions_plus.current import current_request
from sessions_plus.devices.session_rows import DEVICES
from sessions_plus.events import note, record
from sessions_plus.exceptions import TooManyAttempts
from sessions_plus.keys import read_token
from sessions_plus.mfa import throttle
from sessions_plus.models import Device, Event, Outcome, Scope
from sessions_plus.named_types import AnyRequest
from sessions_plus.rows import session_row
from sessions_plus.store.of_request import find_store

GUESSES = "_sessions_plus_guesses"
"""The attribute of a request that holds its guesses; most requests have none."""

MAX_NAME_LENGTH = 254

Counter = tuple[Scope, str]

_is_counted: ContextVar[bool] = ContextVar("sessions_plus_is_counted", default=False)


@contextmanager
def counted_already() -> Iterator[None]:
    """Count no guess in this block: whoever calls ``authenticate()`` in it has counted it."""
    token = _is_counted.set(True)
    try:
        yield
    finally:
        _is_counted.reset(token)


class Guess:
    """
    One attempt that was counted. Open until it is known whether the password was right.

    ``name`` is the one that was given, ``digest`` stands for it where it is counted, and
    ``user`` is who has it; None: nobody.
    """

    def __init__(self, request: HttpRequest, name: str, user: AbstractBaseUser | None) -> None:
        self.name = name
        self.user = user
        self.digest = digest_of(name, user)
        found: ClientInfo | None = getattr(request, "client_info", None)
        self.client = found or client_info_from(request)
        self.counters = _counters_of(self, _device_token_of(request))
        self.is_open = True
        self.is_right = False

    def was_wrong(self) -> None:
        """It stays counted."""
        self.is_open = False

    def was_right(self) -> None:
        """Begin again from zero, but for the network: the guesses at others still count."""
        if self.is_open:
            self.is_open, self.is_right = False, True
            for scope, subject in self.counters:
                undo = throttle.give_back if scope is Scope.NETWORK else throttle.forget
                undo(scope, subject)

    def was_none(self) -> None:
        """Take it back: it was not said to be wrong. What others guessed stays counted."""
        if self.is_open:
            self.is_open = False
            for counter in self.counters:
                throttle.give_back(*counter)

    def close(self, response: HttpResponseBase | None) -> None:
        """
        After the view: take it back where nobody refused anything.

        Where another backend looks at the passwords, and a view hands out a token of its own
        and calls no ``login()``, this is all that tells of a right one.
        """
        if response is not None and response.status_code < 400:
            self.was_none()


def request_of(request: AnyRequest | None) -> HttpRequest | None:
    """Return Django's request behind one of a framework's, or the one under way; or None."""
    found = getattr(request, "_request", request)
    return found if isinstance(found, HttpRequest) else current_request()


def count(
    request: AnyRequest | None, name: str, user: AbstractBaseUser | None, *, now: datetime
) -> Guess | None:
    """
    Count an attempt to sign in as ``name``, which is ``user``'s. None without a request.

    It costs the same whether or not anybody has that name.

    Raises:
        TooManyAttempts: nothing was counted, and nothing may be looked at.
    """
    found = request_of(request)
    if found is None or _is_counted.get():
        return None
    guess = Guess(found, name, user)
    _take_all(guess, now)
    found.__dict__.setdefault(GUESSES, []).append(guess)
    after_view(guess.close)
    return guess


def are_counted() -> bool:
    """Say whether a backend of ours is there, so that a password that was checked is known."""
    return any(getattr(backend, "counts_guesses", False) for backend in get_backends())


def guesses_of(request: AnyRequest | None) -> list[Guess]:
    """Return what was counted in a request, in that order."""
    found: list[Guess] = getattr(request_of(request), GUESSES, [])
    return found


def was_right(request: AnyRequest | None, user: AbstractBaseUser) -> None:
    """Note that ``user`` has proved to be who they are: what was counted for them begins anew."""
    unsure = [guess for guess in guesses_of(request) if guess.is_open]
    theirs = [guess for guess in unsure if guess.user is not None and guess.user.pk == user.pk]
    for guess in theirs:
        guess.was_right()
    if unsure and not theirs:
        unsure[-1].was_none()  # by a name that only another backend knows


def has_right_one(request: AnyRequest | None, user: AbstractBaseUser) -> bool:
    """Say whether the password of ``user`` was looked at in this request, and was right."""
    return any(
        guess.is_right and guess.user is not None and guess.user.pk == user.pk
        for guess in guesses_of(request)
    )


def was_wrong(request: AnyRequest | None, name: str | None) -> Guess | None:
    """
    Note that the guess by that name was wrong; return it, None where none was counted.

    Many may be under way at once. Where it cannot be told which it was, all were.
    """
    found = guesses_of(request)
    named = [guess for guess in found if guess.name == name]
    if named:
        wrong = next((guess for guess in named if guess.is_open), named[-1])
        wrong.was_wrong()
        return wrong
    for guess in found:
        guess.was_wrong()
    return found[-1] if found else None


def forget(user: AbstractBaseUser) -> None:
    """Begin again from zero: what was guessed at is the user's password no more."""
    throttle.forget(Scope.NAME, digest_of("", user))
    devices = Device.objects.using(session_row.database()).for_user(user).active()
    own = [str(public_id) for public_id in devices.values_list("public_id", flat=True)]
    if own:
        throttle.forget(Scope.DEVICE, *own)


def digest_of(name: str, user: models.Model | None) -> str:
    """
    Return what stands for a name where it is counted.

    Whoever has a name is counted by it, however it was typed. So have to be names that
    nobody has, or somebody could try out which are counted together.
    """
    known = user.get_username() if isinstance(user, AbstractBaseUser) else folded(name)
    return throttle.of_name(str(known))


def _take_all(guess: Guess, now: datetime) -> None:
    """Count it everywhere, or nowhere."""
    waits: list[Scope] = []
    for position, (scope, subject) in enumerate(guess.counters):
        try:
            attempt = throttle.take(scope, subject, now=now)
        except TooManyAttempts:
            for counter in guess.counters[:position]:
                throttle.give_back(*counter)
            note(Event.THROTTLED, reason=scope.value, client=guess.client)
            raise
        if attempt.starts_wait:
            waits.append(scope)
    for scope in waits:
        after_view(partial(_record_wait, guess, scope))


def _record_wait(guess: Guess, scope: Scope, _response: object) -> None:
    """Say in the audit that the next one has to wait. A network is nobody's in particular."""
    record(
        Event.THROTTLED,
        user=guess.user if scope is not Scope.NETWORK else None,
        outcome=Outcome.FAILURE,
        reason=scope.value,
        client=guess.client,
    )


def _counters_of(guess: Guess, device_token: str | None) -> tuple[Counter, ...]:
    device = _known_device(guess.user, device_token)
    if device is not None:
        return ((Scope.DEVICE, device),)
    # The network first: one that has to wait leaves no counter for each name that it makes up.
    return (
        (Scope.NETWORK, throttle.of_address(guess.client.ip_address)),
        (Scope.NAME, guess.digest),
    )


def _device_token_of(request: HttpRequest) -> str | None:
    store = find_store(request)
    return store.device_token if store is not None else device_token_in(request.COOKIES)


def _known_device(user: AbstractBaseUser | None, token: str | None) -> str | None:
    """
    Return the public id of the device if ``user`` has signed in on it before.

    Of nobody's devices there are none, which takes as long to find out.
    """
    if token is None or read_token(token, purpose=Purpose.DEVICE_TOKEN) is None:
        return None
    known = {
        "user_id": user.pk if user is not None else None,
        "token_hash": digest(token),
        "revoked_at": None,
    }
    found = DEVICES.find(session_row.database(), ("public_id",), known)
    return str(found[0][0]) if found else None


def folded(name: str) -> str:
    """Return a name that nobody has as one that the site would not tell from it."""
    text = name[:MAX_NAME_LENGTH].encode(errors="replace").decode()
    if not _folds_names():
        return text
    parts = unicodedata.normalize("NFKD", text).casefold()
    return "".join(sign for sign in parts if unicodedata.category(sign)[0] not in "MC").strip()


def _folds_names() -> bool:
    """Say whether ``ANN`` may be found as ``ann``: by the database, or by the site's manager."""
    model = get_user_model()
    find = getattr(type(model._default_manager), "get_by_natural_key", None)
    if find is not BaseUserManager.get_by_natural_key:
        return True
    return connections[router.db_for_read(model)].vendor == "mysql"
