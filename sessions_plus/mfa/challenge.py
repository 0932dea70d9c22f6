"""
A sign-in that waits for its second factor: begun after the first, passed once.

It belongs to the session, or to the token, that it was begun with, ends after ten
minutes, and with the password that began it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING
from uuid import UUID

from asgiref.sync import sync_to_async
from django.conf import settings
from django.contrib.auth import load_backend
from django.contrib.auth.base_user import AbstractBaseUser
from django.views.decorators.debug import sensitive_variables

from sessions_plus.after_view import after_view, on_rollback, withdraw
from sessions_plus.crypto import Purpose, digest, same
from sessions_plus.events import record
from sessions_plus.exceptions import ChallengeOver, InvalidCode
from sessions_plus.keys import new_public_id, new_token, read_token
from sessions_plus.masked import Secret, revealed
from sessions_plus.mfa.methods import FIRST_FACTORS
from sessions_plus.mfa.verification import verify_code
from sessions_plus.models import Challenge, Event, Outcome
from sessions_plus.rows import session_row

if TYPE_CHECKING:
    from sessions_plus.client_info import ClientInfo

LIFETIME = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Passed:
    """A sign-in that may go on: whose, through which backend, and by which methods."""

    user: AbstractBaseUser
    backend: str
    methods: tuple[str, ...]


def begin(
    user: AbstractBaseUser,
    *,
    backend: str,
    methods: tuple[str, ...],
    session_public_id: UUID | None,
    client: ClientInfo | None,
    now: datetime,
) -> Challenge:
    """Let a sign-in of ``user``, who proved ``methods``, wait in that session."""
    return _store(
        Challenge(
            user_id=user.pk,
            session_public_id=session_public_id,
            backend=backend,
            methods=" ".join(methods),
            credentials_hash=credentials_hash(user),
            started_at=now,
            expires_at=now + LIFETIME,
        ),
        user,
        client,
    )


@sensitive_variables()
def begin_for_client(
    user: AbstractBaseUser,
    *,
    backend: str,
    methods: tuple[str, ...],
    client: ClientInfo | None,
    now: datetime,
) -> tuple[Challenge, str]:
    """Let a sign-in of an API client wait; return the challenge and the token that holds it."""
    public_id = new_public_id()
    token = new_token(public_id, purpose=Purpose.CHALLENGE)
    challenge = Challenge(
        public_id=public_id,
        token_hash=digest(token),
        user_id=user.pk,
        backend=backend,
        methods=" ".join(methods),
        credentials_hash=credentials_hash(user),
        started_at=now,
        expires_at=now + LIFETIME,
    )
    return _store(challenge, user, client), token


@sensitive_variables()
def _store(challenge: Challenge, user: AbstractBaseUser, client: ClientInfo | None) -> Challenge:
    database = session_row.database()
    challenges = Challenge.objects.using(database)
    # Whoever leaves challenges behind has them removed here, so nothing needs to come by.
    challenges.filter(user_id=user.pk, expires_at__lte=challenge.started_at).delete()
    _insert(challenge)
    # A view that fails after its login() takes back what it wrote; the person is led here all
    # the same.
    on_rollback(partial(_insert, challenge), using=database, key=challenge.public_id)
    after_view(partial(_record_start, challenge, user, client))
    return challenge


def _insert(challenge: Challenge) -> None:
    challenge.pk = None  # after a rollback its number may be another's
    challenge.save(using=session_row.database(), force_insert=True)


def _record_start(
    challenge: Challenge,
    user: AbstractBaseUser,
    client: ClientInfo | None,
    _response: object,
) -> None:
    record(
        Event.CHALLENGE_STARTED,
        user=user,
        session_public_id=challenge.session_public_id,
        client=client,
    )


def find(public_id: UUID, *, session_public_id: UUID | None, now: datetime) -> Challenge | None:
    """Return the open challenge of that name if it waits in that session."""
    if session_public_id is None:
        return None
    waiting = Challenge.objects.using(session_row.database()).open(now)
    return waiting.filter(public_id=public_id, session_public_id=session_public_id).first()


@sensitive_variables()
def find_by_token(token: Secret | str, *, now: datetime) -> Challenge | None:
    """Return the open challenge that an API client's token holds."""
    token = revealed(token)
    public_id = read_token(token, purpose=Purpose.CHALLENGE)
    if public_id is None:
        return None
    found = (
        Challenge.objects.using(session_row.database())
        .open(now)
        .filter(public_id=public_id)
        .first()
    )
    return found if found is not None and same(found.token_hash, digest(token)) else None


def check_first_factor(challenge: Challenge) -> None:
    """
    See to it that a second factor is what it waits for.

    Raises:
        ChallengeOver: its user has only proved a recovery code, in place of the password that
            they gave up: that sets up a new passkey, and signs nobody in.
    """
    if FIRST_FACTORS.isdisjoint(challenge.methods.split()):
        raise ChallengeOver


def get_user(challenge: Challenge) -> AbstractBaseUser:
    """
    Return who may still sign in by it.

    Raises:
        ChallengeOver: they were disabled or removed, or their password changed.
    """
    user = None
    if challenge.backend in settings.AUTHENTICATION_BACKENDS:
        user = load_backend(challenge.backend).get_user(challenge.user_id)
    if user is None or not same(challenge.credentials_hash, credentials_hash(user)):
        raise ChallengeOver
    return user


@sensitive_variables()
def pass_(
    challenge: Challenge, typed: Secret | str, *, client: ClientInfo | None, now: datetime
) -> Passed:
    """
    Pass it with a TOTP code or a recovery code.

    Raises:
        ChallengeOver: it was passed or abandoned, has expired, or its user may not sign in.
        InvalidCode: the code is wrong or was used before; the challenge waits on.
        TooManyAttempts: the code was not looked at.
    """
    user = get_user(challenge)
    check_first_factor(challenge)
    try:
        method = verify_code(user, typed, client=client, now=now)
    except InvalidCode as error:
        record(
            Event.CHALLENGE_FAILED,
            user=user,
            session_public_id=challenge.session_public_id,
            outcome=Outcome.FAILURE,
            reason=error.reason,
            client=client,
        )
        raise
    if not close(challenge, now=now):
        raise ChallengeOver
    return Passed(user, challenge.backend, (*challenge.methods.split(), method))


async def apass_(
    challenge: Challenge, typed: Secret | str, *, client: ClientInfo | None, now: datetime
) -> Passed:
    """See pass_()."""
    return await sync_to_async(pass_)(challenge, typed, client=client, now=now)


def abandon(challenge: Challenge, *, now: datetime) -> bool:
    """Give it up. Return False if it was over."""
    return close(challenge, now=now)


def close(challenge: Challenge, *, now: datetime) -> bool:
    """Let it be passed or given up, once. Return False if it was over."""
    withdraw(challenge.public_id)  # begun and over in one request, it is not begun again
    waiting = Challenge.objects.using(session_row.database()).open(now).filter(pk=challenge.pk)
    return waiting.update(closed_at=now) == 1


def credentials_hash(user: AbstractBaseUser) -> str:
    """A digest of what changes with the password."""
    return digest(user.get_session_auth_hash())
