"""
Erasing a person: what goes, what stays and names nobody.

Safe to be interrupted and begun again: each step finds what is left to do.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import dataclass

from django.contrib.auth import get_user_model
from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.hashers import make_password
from django.db import models, router

from sessions_plus.events import record
from sessions_plus.lifecycle.users import end_access
from sessions_plus.models import Challenge, Device, Event, Reason, Session
from sessions_plus.named_types import UserId
from sessions_plus.privacy.inventory import (
    EVENTS,
    INVENTORY,
    SENDER,
    SESSIONS,
    Holding,
    Rows,
    blank,
)
from sessions_plus.rows import session_row

# SQLite allows 999 parameters in old builds.
ROWS_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Erasure:
    """
    What became of a person's data.

    ``deleted`` and ``emptied`` count rows by the inventory's names. ``cache_reached`` is
    False where a cache could not be told: then copies last a few minutes more.
    """

    deleted: dict[str, int]
    emptied: dict[str, int]
    cache_reached: bool = True


def held_of(user_id: UserId) -> Erasure:
    """Return what an erasure would delete and empty now. Changes nothing."""
    counts = {name: holding.rows_of(user_id).count() for name, holding in INVENTORY.items()}
    return Erasure(
        deleted={name: count for name, count in counts.items() if INVENTORY[name].goes},
        emptied={name: count for name, count in counts.items() if not INVENTORY[name].goes},
    )


def erase_person(
    user: AbstractBaseUser, *, anonymise: bool = False, actor: models.Model | None = None
) -> Erasure:
    """
    End what goes on of ``user``, erase what is kept of them, and delete the account.

    ``anonymise``: the account's row stays, for what of the site depends on it, without a
    name, a mail address and a password. What else the site keeps there is its own to erase.

    Raises:
        ProtectedError, RestrictedError: rows of the site's own keep the account; nothing
            but the person's sessions was ended.
    """
    user_id = user.pk
    held = held_of(user_id)
    reached = end_access(user_id, reason=Reason.USER_DELETED, actor=actor).cache_reached
    if anonymise:
        anonymise_account(user)
    else:
        user.delete()  # whose receiver erases the rest
    erase(user_id)
    record(Event.DATA_ERASED, actor=actor)
    return Erasure(held.deleted, held.emptied, reached)


def erase_gone(user_id: UserId) -> Erasure:
    """Erase what is kept of somebody whose account went without a signal, by SQL say."""
    held = held_of(user_id)
    reached = end_access(user_id, reason=Reason.USER_DELETED).cache_reached
    erase(user_id)
    record(Event.DATA_ERASED)
    return Erasure(held.deleted, held.emptied, reached)


def anonymise_account(user: AbstractBaseUser) -> None:
    """Take name, mail address and password off an account, and disable it. No signal is sent."""
    model = get_user_model()
    name = f"erased-{secrets.token_hex(8)}"
    nameless = {
        "first_name": "",
        "last_name": "",
        "password": make_password(None),
        "is_active": False,
        "is_staff": False,
        "is_superuser": False,
        "last_login": None,
        # Where it has to be unique, so is what takes its place (RFC 2606: no such host).
        user.get_email_field_name(): f"{name}@erased.invalid",
        model.USERNAME_FIELD: name,
    }
    rows = model._base_manager.using(router.db_for_write(model)).filter(pk=user.pk)
    columns = {field.name for field in model._meta.concrete_fields}
    rows.update(**{column: value for column, value in nameless.items() if column in columns})


def erase(user_id: UserId) -> None:
    """
    Delete or empty all that is kept of a user, whose sessions have ended.

    What they did to other people stays on record by their number alone.
    """
    _remove_waiting_sessions(user_id)
    for holding in INVENTORY.values():
        if holding.model is Device:
            # Past no signal: whoever is under way with a device of theirs is told.
            Device.objects.using(session_row.database()).filter(user_id=user_id).delete()
        elif holding.goes:
            holding.rows_of(user_id).delete()
        else:
            _empty(holding, user_id)
    _forget_where_they_acted_from(user_id)


def _remove_waiting_sessions(user_id: UserId) -> None:
    """Remove those in which they proved a password, and nobody is signed in yet."""
    begun = Challenge.objects.using(session_row.database()).filter(user_id=user_id)
    names = begun.values_list("session_public_id", flat=True)
    sessions = Session.objects.using(session_row.database())
    sessions.filter(public_id__in=[name for name in names if name], user=None).delete()


def _empty(holding: Holding, user_id: UserId) -> None:
    """Empty the columns of rows that stay; their names last, as each gets one of its own."""
    names = [name for name in holding.emptied() if holding.field(name).unique]
    alike = {name: value for name, value in holding.emptied().items() if name not in names}
    for keys in _in_parts(holding.rows_of(user_id)):
        holding.rows().filter(pk__in=keys).update(**alike)
        if names:
            renamed = [_renamed(holding, key, names) for key in keys]
            holding.rows().bulk_update(renamed, names)


def _renamed(holding: Holding, key: object, names: list[str]) -> models.Model:
    fresh = holding.emptied()
    return holding.model(pk=key, **{name: fresh[name] for name in names})


def _in_parts(rows: Rows) -> Iterator[list[object]]:
    last: object = 0
    while keys := list(
        rows.filter(pk__gt=last).order_by("pk").values_list("pk", flat=True)[:ROWS_AT_ONCE]
    ):
        yield keys
        last = keys[-1]


def _forget_where_they_acted_from(user_id: UserId) -> None:
    """What tells of somebody else holds the address and browser of who acted in it."""
    for holding in (EVENTS, SESSIONS):
        emptied = {name: blank(holding.field(name)) for name in SENDER if name in holding.columns}
        acts: Rows = holding.rows().filter(actor_id=user_id)
        for keys in _in_parts(acts):
            acts.filter(pk__in=keys).update(**emptied)
