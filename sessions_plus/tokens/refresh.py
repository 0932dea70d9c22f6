"""
Refresh tokens: the key of an API client's session, replaced with each use.

The rotation is the engine's own, so parallel refreshes and lost responses get the same
successor, and an old token that comes back ends its session (RFC 9700 §4.14.2).
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.contrib.auth import login
from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.models import AnonymousUser
from django.contrib.sessions.backends.base import UpdateError
from django.http import HttpRequest
from django.views.decorators.debug import sensitive_variables

from sessions_plus.client_info import ClientInfo, client_info_from
from sessions_plus.devices.naming import rename
from sessions_plus.exceptions import InvalidToken, SessionNotStored, TokenReused
from sessions_plus.keys import read_token
from sessions_plus.lifecycle.ending import Revocation
from sessions_plus.lifecycle.revocation import revoke
from sessions_plus.models import Reason, Session
from sessions_plus.rows.session_row import Row
from sessions_plus.store.pending_sign_in import PendingSignIn
from sessions_plus.store.session_store import SessionStore
from sessions_plus.store.writing import Binding
from sessions_plus.tokens import access
from sessions_plus.tokens.sessions import api_session, keep_up_hash, named_session, user_of

# A refresh that meets another write of its session tries again; more than one other at a
# time is no client that we know.
ATTEMPTS = 3


@dataclass(frozen=True, slots=True, repr=False)
class Tokens:
    """
    What a program gets. No repr: two of its fields are secrets, the third is nearly one.

    ``device_token``
        to be sent with the next sign-in of this installation; None with a refresh.
    """

    access: str
    expires_at: datetime
    refresh: str
    session: Row
    device_token: str | None = None


@sensitive_variables()
def sign_in(
    request: HttpRequest,
    user: AbstractBaseUser,
    *,
    methods: tuple[str, ...],
    device_token: str | None = None,
    device_name: str = "",
    now: datetime,
) -> Tokens:
    """
    Sign ``user`` in with a session of its own, and return its tokens.

    ``user`` has proved itself by ``methods``, all that it has to. It is Django's ``login()``
    that does it, so whoever listens to sign-ins hears of this one.
    """
    store = api_session(None, client=client_info_from(request), device_token=device_token)
    store.pending = PendingSignIn(methods=methods)
    # The stubs know the user model of the tests alone.
    login(_request_of(store, request), user)  # type: ignore[arg-type]
    store.save()
    if device_name:
        _name_device(store, device_name)
    return _tokens(store, user, now=now, device_token=store.issued_device_token)


def _request_of(store: SessionStore, request: HttpRequest) -> HttpRequest:
    """Return a request in the new session. That of the caller keeps its session and CSRF token."""
    own = copy.copy(request)
    own.META = dict(request.META)
    own.COOKIES = {}  # what a browser may bring, such as trust in its device, counts for nothing
    own.session = store
    own.user = AnonymousUser()
    return own


def _name_device(store: SessionStore, name: str) -> None:
    session = Session.objects.named(store.public_id)
    device = session.device if session is not None else None
    if device is not None and not device.name:
        rename(device, name, client=store.client)


@sensitive_variables()
def _tokens(
    store: SessionStore, user: AbstractBaseUser, *, now: datetime, device_token: str | None = None
) -> Tokens:
    row, key = store.row, store.session_key
    if row is None or key is None or row.user_id != user.pk:
        # Ended meanwhile; or an authenticator was added just now, and the sign-in waits.
        raise InvalidToken("ended")
    token, expires_at = access.issue(user, row, now=now)
    return Tokens(token, expires_at, key, row, device_token)


@sensitive_variables()
def refresh(
    token: str, *, client: ClientInfo | None, device_token: str | None = None, now: datetime
) -> Tokens:
    """
    Return new tokens for a refresh token, which is spent with that.

    A client that sends its ``device_token`` binds the successor to it: whoever asks for
    it again has to send the same.

    Raises:
        InvalidToken: it is none, or its session has ended.
        TokenReused: it was spent before, and its successor was seen.
        SessionNotStored: the database takes no write, or others wrote all the time. The token
            is good as before.
    """
    for _ in range(ATTEMPTS):
        store = api_session(token, client=client, device_token=device_token)
        store.load()
        if store.has_postponed_activity:  # inside a transaction, and nobody comes by afterwards
            store.record_postponed_activity(now)
        user = user_of(store)
        if user is None:
            raise _refusal(token)
        if not store.has_new_key:
            store.rotate(now, is_optional=False)
        if store.has_new_key:
            _keep_up_hash(store, user)
            return _tokens(store, user, now=now)
    raise _why_it_stayed(token)


def _why_it_stayed(token: str) -> Exception:
    """Say why a token was not replaced: by then its session may have ended, and have a copy yet."""
    session = Session.objects.named(read_token(token))
    if session is None or session.revoked_at is not None:
        return _refusal(token)
    return SessionNotStored()


def _keep_up_hash(store: SessionStore, user: AbstractBaseUser) -> None:
    try:
        keep_up_hash(store, user)
    except UpdateError:
        raise InvalidToken("ended") from None


def _refusal(token: str) -> InvalidToken:
    session = Session.objects.named(read_token(token))
    if session is not None and session.revoked_reason == Reason.KEY_REUSED:
        return TokenReused("reused")
    return InvalidToken("refresh")


@sensitive_variables()
def bind(public_id: UUID, binding: Binding, *, client: ClientInfo | None, now: datetime) -> Tokens:
    """
    Add a proof to the session of that name, and return new tokens.

    The old refresh token is dead at once, as is any key after a change of privilege.

    Raises:
        InvalidToken: the session has ended.
    """
    store = named_session(public_id, client=client)
    store.load()
    user = user_of(store)
    if user is None:
        raise InvalidToken("ended")
    store.bind(binding)
    store.save()
    return _tokens(store, user, now=now)


@sensitive_variables()
def revoke_token(token: str, *, client: ClientInfo | None) -> Revocation:
    """
    End the session of a refresh token, as its owner asks.

    Nothing happens for one that is none, or whose session has ended (RFC 7009 §2.2).
    """
    store = api_session(token, client=client, device_token=None)
    store.load()
    session = Session.objects.named(store.public_id)
    if session is None:
        return Revocation(0)
    return revoke(session, reason=Reason.SIGNED_OUT, client=client)
