"""Who has a second factor, and who must."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import NamedTuple

from asgiref.sync import sync_to_async
from django.db import connections, models
from django.db.backends.base.base import BaseDatabaseWrapper
from django.utils.module_loading import import_string

from sessions_plus.conf import conf
from sessions_plus.devices.session_rows import DEVICES
from sessions_plus.mfa import elsewhere
from sessions_plus.mfa.methods import has_second_factor, is_phishing_resistant
from sessions_plus.models import Authenticator, Device
from sessions_plus.named_types import SiteUser
from sessions_plus.rows import session_row
from sessions_plus.rows.table import Table, fetched

AUTHENTICATORS = Table(Authenticator)


def is_staff(user: object) -> bool:
    """Say whether somebody may do more than other people, as far as Django knows."""
    return bool(getattr(user, "is_staff", False) or getattr(user, "is_superuser", False))


_POLICIES: Mapping[str, Callable[[SiteUser], bool]] = MappingProxyType(
    {
        "optional": lambda user: False,
        "staff": is_staff,
        "required": lambda user: True,
    }
)


def is_optional() -> bool:
    """Say whether nobody must have a second factor, so that nobody needs to be looked at."""
    return conf.MFA_POLICY == "optional" and not asks_for_passkeys()


def asks_for_passkeys() -> bool:
    """Say whether somebody's second factor must be a passkey."""
    return conf.MFA_PHISHING_RESISTANT != "optional"


def must_have_factor(user: SiteUser) -> bool:
    """Say whether the site asks ``user`` for a second factor, of whatever kind."""
    return _names(conf.MFA_POLICY, user) or must_have_passkey(user)


def must_have_passkey(user: SiteUser) -> bool:
    """Say whether ``MFA_PHISHING_RESISTANT`` asks ``user`` for a passkey."""
    return _names(conf.MFA_PHISHING_RESISTANT, user)


def _names(policy: Callable[[SiteUser], bool] | str, user: SiteUser) -> bool:
    if isinstance(policy, str):
        policy = _POLICIES.get(policy) or import_string(policy)
    return bool(policy(user))


def is_enough(methods: Iterable[str], user: SiteUser) -> bool:
    """Say whether somebody has proved the second factor that the site asks ``user`` for."""
    if must_have_passkey(user):
        return is_phishing_resistant(methods)
    return has_second_factor(methods) or not must_have_factor(user)


class Standing(NamedTuple):
    """Whether a user is asked for a second factor, and whether they have signed in before."""

    has_authenticator: bool
    has_device: bool


def standing_of(user: models.Model) -> Standing:
    """Return what a sign-in on a new device has to know of ``user``. One query."""
    alias = session_row.database()
    connection = connections[alias]
    sql = _standing(alias, connection.vendor)
    user_id = AUTHENTICATORS.params(connection, {"user_id": user.pk})
    ((has_authenticator, has_device),) = fetched(connection, sql, user_id * 2)
    return Standing(bool(has_authenticator), bool(has_device))


@lru_cache(maxsize=8)
def _standing(alias: str, vendor: str) -> str:
    connection = connections[alias]
    confirmed_at = AUTHENTICATORS.column(connection, "confirmed_at")
    confirmed = f"{_rows_of_user(AUTHENTICATORS, connection)} AND {confirmed_at} IS NOT NULL"
    return f"SELECT EXISTS ({confirmed}), EXISTS ({_rows_of_user(DEVICES, connection)})"


def _rows_of_user(
    table: Table[Authenticator] | Table[Device], connection: BaseDatabaseWrapper
) -> str:
    user_id = table.column(connection, "user_id")
    return f"SELECT 1 FROM {table.name(connection)} WHERE {user_id} = %s"  # noqa: S608 - names


def has_authenticator(user: models.Model) -> bool:
    """
    Say whether ``user`` is asked for a second factor at sign-in. One query.

    A disabled authenticator counts: see ``AuthenticatorQuerySet.confirmed``.
    """
    found = AUTHENTICATORS.find(session_row.database(), ("confirmed_at",), {"user_id": user.pk})
    return any(confirmed_at is not None for (confirmed_at,) in found)


def has_any_factor(user: models.Model) -> bool:
    """Say whether ``user`` has a second factor, here or with an integrated package."""
    return has_authenticator(user) or elsewhere.has_factor(user)


def asks_no_factor() -> str:
    """Return has_authenticator()'s opposite as SQL that holds for a device's row, of its user."""
    alias = session_row.database()
    return _asks_no_factor(alias, connections[alias].vendor)


@lru_cache(maxsize=8)
def _asks_no_factor(alias: str, vendor: str) -> str:
    connection = connections[alias]
    devices, authenticators = DEVICES.name(connection), AUTHENTICATORS.name(connection)
    owner = DEVICES.column(connection, "user_id")
    user, confirmed_at = (
        AUTHENTICATORS.column(connection, name) for name in ("user_id", "confirmed_at")
    )
    return (
        f"NOT EXISTS (SELECT 1 FROM {authenticators} WHERE "  # noqa: S608 - names, no values
        f"{authenticators}.{user} = {devices}.{owner} "
        f"AND {authenticators}.{confirmed_at} IS NOT NULL)"
    )


async def ahas_authenticator(user: models.Model) -> bool:
    """See has_authenticator()."""
    return await sync_to_async(has_authenticator)(user)


def needs_second_factor(user: models.Model) -> bool:
    """
    Say whether a password alone opens nothing for ``user``.

    They have a second factor, here or with a package whose integration is installed, or must
    have one. For code of a site that lets people in without a session, such as by a token of
    another package.
    """
    return has_any_factor(user) or must_have_factor(user)


async def aneeds_second_factor(user: models.Model) -> bool:
    """See needs_second_factor()."""
    return await sync_to_async(needs_second_factor)(user)
