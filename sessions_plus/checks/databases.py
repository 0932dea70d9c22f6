"""
Checks of databases: of what routers say of them, and of what is in one.

What is in one is asked by ``migrate``, and by ``check --database``.
"""

from __future__ import annotations

from collections.abc import Iterable

from django.apps import apps
from django.core.checks import CheckMessage, Tags, register
from django.db import DatabaseError, connections, router

from sessions_plus.checks import catalogue
from sessions_plus.checks.catalogue import TAG
from sessions_plus.models import Device
from sessions_plus.models.text import ANYTHING, charsets_of, codec_named
from sessions_plus.rows.session_row import database

WANTED = {"mysql": "utf8mb4", "postgresql": "UTF8"}


@register(TAG, Tags.database)
def check_character_sets(*, databases: Iterable[str] | None, **_: object) -> list[CheckMessage]:
    alias = router.db_for_write(Device)
    if alias not in (databases or ()):
        return []
    connection = connections[alias]
    try:
        charsets = charsets_of(connection, Device._meta.db_table, "name")
    except DatabaseError:
        return []  # there is no database yet: Django says so
    return [
        catalogue.LIMITED_CHARACTERS.about(
            alias=alias, charset=charset, wanted=WANTED.get(connection.vendor, "UTF-8")
        )
        for charset in charsets
        if codec_named(connection.vendor, charset) != ANYTHING
    ]


@register(TAG)
def check_tables_beside_sessions(**_: object) -> list[CheckMessage]:
    """Nothing is said where none is let in: for a tenant, say, or by who migrates in other ways."""
    alias = database()
    models = list(apps.get_app_config("sessions_plus").get_models())
    kept_out = [model for model in models if not router.allow_migrate_model(alias, model)]
    if not kept_out or len(kept_out) == len(models):
        return []
    tables = ", ".join(model._meta.label for model in kept_out)
    return [catalogue.NO_TABLE_BESIDE_SESSIONS.about(alias=alias, tables=tables)]
