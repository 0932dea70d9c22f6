"""
Whether the person whose session it is may still sign in: for the lease, in one statement.

``QuerySet.update(is_active=False)`` and a raw DELETE send no signal, so every renewal
of a lease asks. What "disabled" means is the site's to say: mostly a column does, but it may
be a property of the user's class, its manager, or a backend.
"""

from __future__ import annotations

from collections.abc import Collection
from enum import Enum, auto
from functools import lru_cache
from inspect import getattr_static
from typing import cast

from django.conf import settings
from django.contrib.auth import get_backends, get_user_model
from django.contrib.auth.backends import (
    AllowAllUsersModelBackend,
    AllowAllUsersRemoteUserBackend,
    ModelBackend,
)
from django.contrib.auth.base_user import AbstractBaseUser
from django.db import connections, models, router
from django.db.models import Field, ForeignKey
from django.db.models.manager import BaseManager
from django.db.models.query_utils import DeferredAttribute
from django.utils.module_loading import import_string

from sessions_plus.crypto import same
from sessions_plus.models.session import Reason, Session
from sessions_plus.named_types import SiteUser, UserId


class Decider(Enum):
    """What says whether a user may sign in."""

    ROW = auto()
    """That there is one: a backend of Django's lets everybody in, or nobody can be disabled."""
    COLUMN = auto()
    """``is_active``, a column and nothing else."""
    SITE = auto()
    """Code of the site's, which has to be run."""


# What Django's own backends ask, and those that ask nothing.
OF_DJANGO = ModelBackend.user_can_authenticate
LENIENT = (
    AllowAllUsersModelBackend.user_can_authenticate,
    AllowAllUsersRemoteUserBackend.user_can_authenticate,
)


def living_user(alias: str) -> str | None:
    """
    Return SQL that holds for a session's row whose user, if any, may still sign in.

    None where the sessions' database cannot tell: it holds no users, they are spread over
    several tables, or the site's own code decides. Then ``why_gone`` has to be asked.
    """
    if router.db_for_write(get_user_model()) != alias:
        return None
    return _condition(alias, connections[alias].vendor, decider())


def why_gone(user_id: UserId) -> Reason | None:
    """Say why a user may not sign in any more: deleted or disabled; None: they may."""
    may = _may_sign_in_now(user_id)
    if may is None:
        return Reason.USER_DELETED
    return None if may else Reason.USER_INACTIVE


def _may_sign_in_now(user_id: UserId) -> bool | None:
    """Return what the database, or the site, says of a user; None: there is none."""
    model = get_user_model()
    alias = router.db_for_write(model)
    users = model._base_manager.using(alias).filter(pk=user_id)
    match decider():
        case Decider.ROW:
            return users.exists() or None
        case Decider.COLUMN:
            return users.values_list("is_active", flat=True).first()
        case Decider.SITE:
            user = model._default_manager.using(alias).filter(pk=user_id).first()
            if user is not None:
                return may_sign_in(user)
            return False if users.exists() else None  # False: the manager does not show them


def is_hash_of_older_secret(user_id: UserId, session_hash: str) -> bool:
    """
    Say whether a session's hash is its user's, but for a ``SECRET_KEY`` that was replaced.

    One query, and none where the site names no older keys.
    """
    model = get_user_model()
    if user_id is None or not _has_older_secrets(model):
        return False
    users = model._base_manager.using(router.db_for_write(model))
    user: SiteUser = users.filter(pk=user_id).first()
    if user is None or same(session_hash, user.get_session_auth_hash()):
        return False
    return any(same(session_hash, valid) for valid in user.get_session_auth_fallback_hash())


def _has_older_secrets(model: type[object]) -> bool:
    own = getattr(model, "get_session_auth_fallback_hash", None)
    is_djangos = own is AbstractBaseUser.get_session_auth_fallback_hash
    return own is not None and (not is_djangos or bool(settings.SECRET_KEY_FALLBACKS))


def may_sign_in(user: AbstractBaseUser) -> bool:
    """Say what the backends say, one is enough; or the user's class, where none says anything."""
    deciding = [one for one in get_backends() if hasattr(one, "user_can_authenticate")]
    if not deciding:
        return bool(getattr(user, "is_active", True))
    return any(backend.user_can_authenticate(user) for backend in deciding)


def may_have_been_disabled(user: models.Model, saved: Collection[str] | None) -> bool:
    """
    Say whether to ask ``why_gone`` about a user who was saved. No I/O.

    ``saved`` are the fields; None: all. Where a column decides, its value is known.
    """
    if decider() is Decider.SITE:
        return True
    is_told = saved is None or "is_active" in saved
    return is_told and not getattr(user, "is_active", True)


def decider() -> Decider:
    """Say what decides on this site."""
    return _decider(get_user_model(), tuple(settings.AUTHENTICATION_BACKENDS))


@lru_cache(maxsize=8)
def _decider(model: type[models.Model], backends: tuple[str, ...]) -> Decider:
    asked = {getattr(import_string(path), "user_can_authenticate", OF_DJANGO) for path in backends}
    shows_all = type(model._default_manager).get_queryset is BaseManager.get_queryset
    if not shows_all or asked - {OF_DJANGO, *LENIENT}:
        return Decider.SITE
    is_active = getattr_static(model, "is_active", True)
    if asked & set(LENIENT) or is_active is True:
        return Decider.ROW
    is_column = isinstance(is_active, DeferredAttribute)
    # SQL takes nothing but a boolean for a condition; Python takes whatever the site stores.
    is_boolean = is_column and isinstance(is_active.field, models.BooleanField)
    return Decider.COLUMN if is_boolean else Decider.SITE


@lru_cache(maxsize=8)
def _condition(alias: str, vendor: str, by: Decider) -> str | None:
    model = get_user_model()
    if by is Decider.SITE or model._meta.get_parent_list():
        return None
    quote = connections[alias].ops.quote_name
    users = quote(model._meta.db_table)
    owner = cast("ForeignKey[object, object]", Session._meta.get_field("user"))
    own = f"{quote(Session._meta.db_table)}.{quote(str(owner.column))}"
    key = quote(str(owner.target_field.column))
    active = ""
    if by is Decider.COLUMN:
        column = cast("Field[object, object]", model._meta.get_field("is_active")).column
        active = f" AND {users}.{quote(str(column))}"
    return (
        f"({own} IS NULL OR EXISTS "  # noqa: S608 - names, no values
        f"(SELECT 1 FROM {users} WHERE {users}.{key} = {own}{active}))"
    )
