"""
Tables that tell of the old engine's sessions: its own, and that of ``allauth.usersessions``.

Read by the name of the table, or through the model that the engine names; nothing is asked
whether there is such an app.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import datetime
from functools import lru_cache
from importlib import import_module
from typing import NamedTuple

from django.apps.registry import Apps
from django.contrib.auth import get_user_model
from django.db import connections, models, router

from sessions_plus.conf import conf
from sessions_plus.named_types import OthersRows, UserId

LISTED = "usersessions_usersession"

# What django-user-sessions and allauth cut a user agent off at.
LONGEST_AGENT = 200


class Details(NamedTuple):
    """What a table tells of a session besides its data, as far as it does."""

    created_at: datetime | None = None
    ip_address: str | None = None
    user_agent: str = ""
    """As far as it was stored: some cut it off (see ``LONGEST_AGENT``)."""


NOTHING_TOLD = Details()


def own_rows() -> OthersRows | None:
    """Return the rows of the old engine; None where it has no table."""
    model = _own_model(conf.ADOPT_FROM or "")
    return None if model is None else _all(model, router.db_for_write(model))


def has_row(key: str) -> bool:
    """
    Say whether the old engine's table has a session of that key, over or not.

    One that somebody signed out of has no row; one that has expired keeps it until clean-up.
    """
    rows = own_rows()
    return rows is not None and rows.filter(session_key=key).exists()


@lru_cache(maxsize=4)
def _own_model(path: str) -> type[models.Model] | None:
    """Return the engine's model: as Django's engines name it, or as django-user-sessions has it."""
    module = import_module(path)
    named = getattr(module.SessionStore, "get_model_class", None)
    found = named() if named is not None else getattr(module, "Session", None)
    return found if isinstance(found, type) and issubclass(found, models.Model) else None


def listed_rows() -> OthersRows | None:
    """
    Return the rows of ``allauth.usersessions``; None where there is no such table.

    The app has to be out of ``INSTALLED_APPS``: it would write down our keys, too.
    """
    alias = router.db_for_write(get_user_model())
    return _all(_listed_model(), alias) if _has_table(alias, LISTED) else None


@lru_cache(maxsize=8)
def _has_table(alias: str, name: str) -> bool:
    connection = connections[alias]
    with connection.cursor() as cursor:
        return name in connection.introspection.table_names(cursor)


@lru_cache(maxsize=1)
def _listed_model() -> type[models.Model]:
    class UserSession(models.Model):
        """As much of allauth's as we need. In a registry of its own: no migration knows it."""

        user = models.ForeignKey(
            get_user_model(), on_delete=models.DO_NOTHING, db_constraint=False, related_name="+"
        )
        created_at = models.DateTimeField()
        ip = models.GenericIPAddressField()
        user_agent = models.CharField(max_length=200)
        session_key = models.CharField(max_length=40, unique=True)

        class Meta:
            apps = Apps()
            app_label = "usersessions"
            db_table = LISTED
            managed = False

        def __str__(self) -> str:
            return str(self.pk)

    return UserSession


def _all(model: type[models.Model], alias: str) -> OthersRows:
    # The plain queryset: that of django-qsessions asks our engine about the old one's cache.
    return models.QuerySet(model, using=alias)


def rows_with_user() -> Iterator[OthersRows]:
    """Yield the rows of each table that tells whose session it is."""
    for rows in (own_rows(), listed_rows()):
        if rows is not None and "user" in _fields_of(rows):
            yield rows


def keys_of(user_id: UserId) -> list[str]:
    """Return the old keys of a user, as far as a table tells whose they are."""
    return [
        key
        for rows in rows_with_user()
        for key in rows.filter(user_id=user_id).values_list("session_key", flat=True)
    ]


def details_of(keys: Collection[str]) -> dict[str, Details]:
    """Return what the tables tell of sessions, by key."""
    found: dict[str, Details] = {}
    for rows in rows_with_user():
        told = [name for name in ("created_at", "ip", "user_agent") if name in _fields_of(rows)]
        for row in rows.filter(session_key__in=keys).values("session_key", *told):
            found[row["session_key"]] = Details(
                row.get("created_at"), row.get("ip"), row.get("user_agent") or ""
            )
    return found


def _fields_of(rows: OthersRows) -> Collection[str]:
    return {field.name for field in rows.model._meta.concrete_fields}
