"""
Whether the person whose session it is may still sign in: for the lease, in one statement.

``QuerySet.update(is_active=False)`` and a raw DELETE send no signal, so every renewal
of a lease asks.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, cast

from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.backends import AllowAllUsersModelBackend, AllowAllUsersRemoteUserBackend
from django.contrib.auth.base_user import AbstractBaseUser
from django.core.exceptions import FieldDoesNotExist
from django.db import connections, router
from django.db.models import Field, ForeignKey
from django.utils.module_loading import import_string

from sessions_plus.crypto import same
from sessions_plus.models.session import Reason, Session


def living_user(alias: str) -> str | None:
    """
    Return SQL that holds for a session's row whose user, if any, may still sign in.

    None where the sessions' database cannot tell: it holds no users, or they are
    spread over several tables. Then ``why_gone`` has to be asked.
    """
    if router.db_for_write(get_user_model()) != alias:
        return None
    return _condition(alias, connections[alias].vendor, _asks_is_active())


def why_gone(user_id: Any) -> Reason | None:
    """Say why a user may not sign in any more: deleted or disabled; None: they may."""
    model = get_user_model()
    users = model._base_manager.using(router.db_for_write(model)).filter(pk=user_id)
    if not _asks_is_active():
        return None if users.exists() else Reason.USER_DELETED
    is_active = users.values_list("is_active", flat=True).first()
    if is_active is None:
        return Reason.USER_DELETED
    return None if is_active else Reason.USER_INACTIVE


def is_hash_of_older_secret(user_id: Any, session_hash: str) -> bool:
    """
    Say whether a session's hash is its user's, but for a ``SECRET_KEY`` that was replaced.

    One query, and none where the site names no older keys.
    """
    model = get_user_model()
    if user_id is None or not _has_older_secrets(model):
        return False
    users = model._base_manager.using(router.db_for_write(model))
    user: Any = users.filter(pk=user_id).first()
    if user is None or same(session_hash, user.get_session_auth_hash()):
        return False
    return any(same(session_hash, valid) for valid in user.get_session_auth_fallback_hash())


def _has_older_secrets(model: type[Any]) -> bool:
    own = getattr(model, "get_session_auth_fallback_hash", None)
    is_djangos = own is AbstractBaseUser.get_session_auth_fallback_hash
    return own is not None and (not is_djangos or bool(settings.SECRET_KEY_FALLBACKS))


def _asks_is_active() -> bool:
    return _has_is_active() and not _lets_inactive_in(tuple(settings.AUTHENTICATION_BACKENDS))


def _has_is_active() -> bool:
    try:
        get_user_model()._meta.get_field("is_active")
    except FieldDoesNotExist:
        return False
    return True


@lru_cache(maxsize=8)
def _lets_inactive_in(backends: tuple[str, ...]) -> bool:
    """Whether the site chose a backend of Django's that is made for disabled users."""
    lenient = (AllowAllUsersModelBackend, AllowAllUsersRemoteUserBackend)
    return any(issubclass(import_string(path), lenient) for path in backends)


@lru_cache(maxsize=8)
def _condition(alias: str, vendor: str, asks_is_active: bool) -> str | None:
    model = get_user_model()
    if model._meta.get_parent_list():
        return None
    quote = connections[alias].ops.quote_name
    users = quote(model._meta.db_table)
    owner = cast("ForeignKey[Any, Any]", Session._meta.get_field("user"))
    own = f"{quote(Session._meta.db_table)}.{quote(str(owner.column))}"
    key = quote(str(owner.target_field.column))
    active = ""
    if asks_is_active:
        column = cast("Field[Any, Any]", model._meta.get_field("is_active")).column
        active = f" AND {users}.{quote(str(column))}"
    return (
        f"({own} IS NULL OR EXISTS "  # noqa: S608 - names, no values
        f"(SELECT 1 FROM {users} WHERE {users}.{key} = {own}{active}))"
    )
