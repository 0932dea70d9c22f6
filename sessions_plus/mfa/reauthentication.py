"""
Proving oneself again inside a session ("step-up", "sudo").

A trusted device proves nothing here: what counts is what somebody knows or holds now.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Literal

from django.contrib.auth.base_user import AbstractBaseUser
from django.core.exceptions import PermissionDenied
from django.views.decorators.debug import sensitive_variables

from sessions_plus.authority import Authority
from sessions_plus.conf import conf
from sessions_plus.events import record
from sessions_plus.exceptions import ActingForAnother, InvalidCode, WrongPassword
from sessions_plus.masked import Secret
from sessions_plus.mfa.methods import (
    EXTERNAL,
    FIRST_FACTORS,
    PASSWORD,
    has_second_factor,
    without_second_factors,
)
from sessions_plus.mfa.verification import verify_code, verify_password
from sessions_plus.models import Event, Outcome
from sessions_plus.named_types import Columns, UserId
from sessions_plus.rows.session_row import Row

if TYPE_CHECKING:
    from sessions_plus.client_info import ClientInfo
    from sessions_plus.store.session_store import SessionStore

Factors = Literal["one", "all"]
"""``one``: any factor. ``all``: the first, and a code from whoever has an authenticator."""


def max_age_of(factors: Factors) -> timedelta:
    """How old a proof may be where the caller does not say."""
    return conf.REAUTHENTICATION_AGE if factors == "all" else conf.FRESH_FACTOR_AGE


def is_fresh(
    row: Row | None,
    *,
    factors: Factors,
    has_authenticator: bool,
    max_age: timedelta,
    now: datetime,
) -> bool:
    """
    Say whether whoever uses the session proved themselves lately enough.

    A proof exactly ``max_age`` old is too old. ``has_authenticator`` matters for
    ``all`` only. Pure.
    """
    if row is None or row.user_id is None or row.reauthenticated_at is None:
        return False
    if now - row.reauthenticated_at >= max_age:
        return False
    methods = set(row.reauth_methods.split())
    has_first, has_second = not FIRST_FACTORS.isdisjoint(methods), has_second_factor(methods)
    if factors == "one":
        return has_first or has_second
    # What another service knows of somebody cannot be asked for again here.
    has_first = has_first or (has_second and EXTERNAL in row.auth_methods.split())
    return has_first and (has_second or not has_authenticator)


@sensitive_variables()
def prove(
    user: AbstractBaseUser,
    *,
    password: Secret | str | None,
    typed: Secret | str | None,
    client: ClientInfo | None,
    now: datetime,
) -> tuple[str, ...]:
    """
    Check what was given of password and code; return the methods, none if nothing was given.

    The password comes first, so that nobody uses up codes without it.

    Raises:
        WrongPassword, InvalidCode: what they say; recorded.
        TooManyAttempts: it was not looked at.
    """
    methods: list[str] = []
    try:
        if password is not None:
            verify_password(user, password, client=client, now=now)
            methods.append(PASSWORD)
        if typed is not None:
            methods.append(verify_code(user, typed, client=client, now=now))
    except (WrongPassword, InvalidCode) as error:
        record(
            Event.REAUTHENTICATION_FAILED,
            user=user,
            outcome=Outcome.FAILURE,
            reason=getattr(error, "reason", error.code),
            client=client,
        )
        raise
    return tuple(methods)


def check_own(authority: Authority, user: AbstractBaseUser) -> None:
    """
    See to it that a proof of ``user`` could be bound to the session.

    Raises:
        ActingForAnother: it is somebody else's.
        PermissionDenied: its holder could not be told the new key.
    """
    if authority.user_id != user.pk:
        raise ActingForAnother
    if not authority.may_bind:
        raise PermissionDenied


@sensitive_variables()
def reauthenticate(
    authority: Authority,
    user: AbstractBaseUser,
    *,
    password: Secret | str | None,
    typed: Secret | str | None,
    client: ClientInfo | None,
    now: datetime,
) -> tuple[str, ...]:
    """
    Let ``user`` prove themselves again in their own session; return the methods. See prove().

    Raises:
        ActingForAnother: it is not theirs.
        PermissionDenied: its holder could not be told the new key.
    """
    check_own(authority, user)
    methods = prove(user, password=password, typed=typed, client=client, now=now)
    authority.bind(Proved(user.pk, methods), client=client, now=now)
    return methods


class Proved:
    """What a proof adds to its session (a ``store.writing.Binding``): a new key with it."""

    def __init__(
        self, user_id: UserId, methods: Iterable[str], *, is_enrolment: bool = False
    ) -> None:
        """
        Keep them for the next save.

        ``is_enrolment``: a first code completed an enrolment, which is no proof again
        of what was there before, but the session now has that factor.
        """
        self.user_id = user_id
        self.methods = tuple(methods)
        self.is_enrolment = is_enrolment

    def columns(self, store: SessionStore, now: datetime) -> Columns:
        row = store.row
        before = row.auth_methods.split() if row is not None else []
        proved = row.reauth_methods.split() if row is not None and self.is_enrolment else []
        columns: Columns = {
            "auth_methods": _joined(before, self.methods),
            "reauth_methods": _joined(proved, self.methods),
        }
        return columns if self.is_enrolment else columns | {"reauthenticated_at": now}

    def beside(self, store: SessionStore, now: datetime) -> None:
        """Nothing stands or falls with it."""

    def written(self, store: SessionStore, now: datetime) -> None:
        if self.is_enrolment:
            return
        record(
            Event.REAUTHENTICATED,
            user_id=self.user_id,
            session_public_id=store.public_id,
            reason=" ".join(self.methods),
            client=store.client,
        )


class Removed:
    """What removing an authenticator changes in the session that did it (a ``Binding``)."""

    def __init__(self, *, is_last: bool) -> None:
        """``is_last``: the account has no second factor left, so neither has the session."""
        self.is_last = is_last

    def columns(self, store: SessionStore, now: datetime) -> Columns:
        row = store.row
        if row is None or not self.is_last:
            return {"auth_methods": row.auth_methods if row is not None else ""}
        return {
            "auth_methods": " ".join(without_second_factors(row.auth_methods.split())),
            "reauth_methods": " ".join(without_second_factors(row.reauth_methods.split())),
        }

    def beside(self, store: SessionStore, now: datetime) -> None:
        """Nothing stands or falls with it."""

    def written(self, store: SessionStore, now: datetime) -> None:
        """Removing was recorded when it was done."""


def _joined(*lists: Iterable[str]) -> str:
    return " ".join(dict.fromkeys(method for methods in lists for method in methods))
