"""
How an authenticator comes and goes.

A secret that nobody confirmed yet lives sealed in its own row, bound to the session
that asked for it, for a quarter of an hour; never in a session's data.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from uuid import UUID

from django.contrib.auth.base_user import AbstractBaseUser
from django.db import models
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from sessions_plus.authority import Authority
from sessions_plus.conf import conf
from sessions_plus.devices.naming import clean_name
from sessions_plus.devices.trust import distrust_all
from sessions_plus.events import record
from sessions_plus.exceptions import EnrolmentOver, InvalidCode
from sessions_plus.keys import new_public_id
from sessions_plus.lifecycle import Revocation, revoke_all
from sessions_plus.lifecycle.alone import alone_for
from sessions_plus.masked import Secret
from sessions_plus.mfa import recovery_codes, throttle, totp
from sessions_plus.mfa.methods import TOTP_CODE
from sessions_plus.mfa.passkeys.only_factor import check_not_last
from sessions_plus.mfa.policy import has_authenticator
from sessions_plus.mfa.reauthentication import Proved, Removed, check_own
from sessions_plus.mfa.typed_code import read_code
from sessions_plus.models import Authenticator, Event, Reason, Scope
from sessions_plus.models.authenticator import AuthenticatorQuerySet
from sessions_plus.rows import session_row

if TYPE_CHECKING:
    from sessions_plus.client_info import ClientInfo

PENDING_LIFETIME = timedelta(minutes=15)

# Each one more is one more that a guess could meet.
MAX_AUTHENTICATORS = 5


@dataclass(frozen=True, slots=True, repr=False)
class Enrolled:
    """
    What confirming made. ``recovery_codes`` is empty where there were unused ones already.

    ``methods`` is what was proved with it.
    """

    authenticator: Authenticator
    recovery_codes: tuple[Secret, ...]
    methods: tuple[str, ...]


def _of(user: models.Model) -> AuthenticatorQuerySet:
    return Authenticator.objects.using(session_row.database()).for_user(user)


def may_add(user: models.Model) -> bool:
    """Say whether ``user`` may have one authenticator app more."""
    return _of(user).totp().confirmed().count() < MAX_AUTHENTICATORS


@sensitive_variables()
def begin(user: AbstractBaseUser, *, session_public_id: UUID, now: datetime) -> Authenticator:
    """Make a secret for ``user`` to put into an app. Whatever waited before is void."""
    _of(user).totp().pending().delete()
    public_id = new_public_id()
    pending = Authenticator(
        public_id=public_id,
        user_id=user.pk,
        digits=conf.TOTP_DIGITS,
        algorithm=conf.TOTP_ALGORITHM,
        enrolling_session=session_public_id,
        created_at=now,
        sealed_secret=totp.seal_secret(totp.new_secret(), public_id=public_id, user_id=user.pk),
    )
    pending.save(using=session_row.database(), force_insert=True)
    return pending


def find_pending(
    user: models.Model, *, session_public_id: UUID | None, now: datetime
) -> Authenticator | None:
    """Return what ``user`` began to enrol in that session, while it may be confirmed."""
    return _pending(user, session_public_id, now).first() if session_public_id else None


def _pending(user: models.Model, session_public_id: UUID, now: datetime) -> AuthenticatorQuerySet:
    begun = _of(user).totp().pending().filter(enrolling_session=session_public_id)
    return begun.filter(created_at__gt=now - PENDING_LIFETIME)


@sensitive_variables()
def confirm(
    user: AbstractBaseUser,
    typed: Secret | str,
    *,
    authority: Authority | None,
    session_public_id: UUID | None = None,
    name: str = "",
    client: ClientInfo | None,
    now: datetime,
) -> Enrolled:
    """
    Complete the enrolment with a first code, which will not sign anybody in again.

    ``authority`` is the user's own session, in which it was begun and which has that factor
    from now on. None: a command does it, for what was begun in ``session_public_id``. Trust in
    devices ends, as whoever trusted them may be why a factor is added.

    Raises:
        EnrolmentOver: nothing waits in this session, or no longer.
        InvalidCode: the code is not of the new authenticator.
        ActingForAnother, PermissionDenied: see ``reauthentication.check_own``.
    """
    if authority is not None:
        check_own(authority, user)
        session_public_id = authority.session_public_id
    pending = find_pending(user, session_public_id=session_public_id, now=now)
    if pending is None or session_public_id is None:
        raise EnrolmentOver
    code = read_code(typed)
    step = totp.matching_step(pending, code.text, now=now) if code is not None else None
    if step is None:
        raise InvalidCode
    confirmed = _pending(user, session_public_id, now).filter(pk=pending.pk)
    if not confirmed.update(
        confirmed_at=now,
        last_used_step=step,
        last_used_at=now,
        name=clean_name(name),
        enrolling_session=None,
    ):
        raise EnrolmentOver
    pending.refresh_from_db(using=session_row.database())
    return complete(pending, user, (TOTP_CODE,), authority=authority, client=client, now=now)


def complete(
    added: Authenticator,
    user: AbstractBaseUser,
    methods: tuple[str, ...],
    *,
    authority: Authority | None,
    client: ClientInfo | None,
    now: datetime,
) -> Enrolled:
    """
    Do what follows a new authenticator, of whichever kind.

    ``methods`` are what ``authority``'s session has proved with it.
    """
    record(Event.AUTHENTICATOR_ADDED, user=user, reason=_reason(added), client=client)
    distrust_all(user, client=client)
    codes = () if recovery_codes.left(user) else recovery_codes.make(user, client=client, now=now)
    if authority is not None:
        proved = Proved(user.pk, methods, is_enrolment=True)
        authority.bind(proved, client=client, now=now)
    return Enrolled(added, tuple(codes), methods)


def _reason(authenticator: Authenticator) -> str:
    """What an event says of it: nothing more of an app, of which its name tells enough."""
    return str(authenticator.kind) if authenticator.is_passkey else ""


def rename(authenticator: Authenticator, name: str, *, client: ClientInfo | None = None) -> bool:
    """
    Call it by ``name`` from now on; "" names it after what made it, or its kind.

    Return False where nothing changed: that was its name, or it was removed.
    """
    name = clean_name(name)
    found = Authenticator.objects.using(session_row.database()).filter(pk=authenticator.pk)
    if not found.exclude(name=name).update(name=name):
        return False
    authenticator.name = name
    record(Event.AUTHENTICATOR_RENAMED, user_id=authenticator.user_id, client=client)
    return True


def remove(
    authenticator: Authenticator,
    user: AbstractBaseUser,
    *,
    authority: Authority | None = None,
    actor: models.Model | None = None,
    client: ClientInfo | None = None,
    now: datetime | None = None,
) -> bool:
    """
    Delete it; with the last one its recovery codes go. Return False if it was gone.

    ``authority`` is the user's own session that does it: its key goes with the factor, and
    with the last one it has none any more. None: staff, or a command. Trust in devices
    ends. Ending the user's other sessions is the caller's to offer.

    Raises:
        LastWayIn: they could not sign in without it. Staff and commands have to know better.
        ActingForAnother, PermissionDenied: see ``reauthentication.check_own``.
    """
    if authority is None:
        return _delete(authenticator, user, actor=actor, client=client)
    check_own(authority, user)
    with _last_way_in_stays(authenticator, user, authority):
        is_removed = _delete(authenticator, user, actor=actor, client=client)
    removed = Removed(is_last=not has_authenticator(user))
    authority.bind(removed, client=client, now=now or timezone.now())
    return is_removed


@contextmanager
def _last_way_in_stays(
    authenticator: Authenticator, user: AbstractBaseUser, authority: Authority
) -> Iterator[None]:
    """Let no other passkey go at the same time, nor the password: then this may be the last."""
    if not authenticator.is_passkey:
        yield
        return
    with alone_for(user.pk):
        user.refresh_from_db(fields=["password"])
        check_not_last(authenticator, user, authority.methods)
        yield


def _delete(
    authenticator: Authenticator,
    user: AbstractBaseUser,
    *,
    actor: models.Model | None,
    client: ClientInfo | None,
) -> bool:
    deleted, _by_model = _of(user).filter(pk=authenticator.pk).delete()
    if not deleted:
        return False
    throttle.remove(Scope.AUTHENTICATOR, str(authenticator.public_id))
    if not has_authenticator(user):
        recovery_codes.discard(user)
    reason = _reason(authenticator)
    record(Event.AUTHENTICATOR_REMOVED, user=user, actor=actor, reason=reason, client=client)
    distrust_all(user, client=client)
    return True


def remove_all(
    user: AbstractBaseUser,
    *,
    actor: models.Model | None,
    client: ClientInfo | None,
    now: datetime,
) -> tuple[int, Revocation]:
    """
    Take the second factor away from somebody who lost it, and end all their sessions.

    For the help desk, after it made sure who asks. Return how many authenticators
    there were, and what became of the sessions.
    """
    removed = sum(
        remove(found, user, actor=actor, client=client) for found in list(_of(user).confirmed())
    )
    _of(user).delete()
    recovery_codes.discard(user)
    for scope in (Scope.ACCOUNT, Scope.RECOVERY):
        throttle.forget(scope, throttle.of_user(user))
    return removed, revoke_all(
        user, reason=Reason.FACTOR_CHANGED, actor=actor, client=client, now=now
    )
