"""Checks that ask a database: run by ``migrate``, and by ``check --database``."""

from __future__ import annotations

from collections.abc import Iterable

from django.core.checks import CheckMessage, Tags, register
from django.db import DatabaseError, connections, router

from sessions_plus.checks import catalogue
from sessions_plus.checks.catalogue import TAG
from sessions_plus.models import Device
from sessions_plus.models.text import ANYTHING, charsets_of, codec_named

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
