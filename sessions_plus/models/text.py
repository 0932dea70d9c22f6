"""
Text of strangers in columns: whatever they sent, what is stored is what the database can hold.

A database is made with a set of characters, and refuses what is not in it: a write would fail,
and with it the request of whoever named their phone with a picture.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from types import MappingProxyType
from typing import Any

from django.db import connections, models
from django.db.backends.base.base import BaseDatabaseWrapper

from sessions_plus.named_types import AnyField

ANYTHING = "utf-8"

# What Python calls otherwise, or not at all. MySQL's "utf8" has characters of three bytes only.
BASIC_PLANE = "basic plane"
CODECS: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "mysql": {
            "utf8mb4": ANYTHING,
            "utf16": ANYTHING,
            "utf16le": ANYTHING,
            "utf32": ANYTHING,
            "utf8": BASIC_PLANE,
            "utf8mb3": BASIC_PLANE,
            "ucs2": BASIC_PLANE,
            "latin1": "cp1252",
            "latin5": "iso8859-9",
            "latin7": "iso8859-13",
            "koi8r": "koi8-r",
            "koi8u": "koi8-u",
            "ujis": "euc-jp",
            "euckr": "euc-kr",
        },
        "postgresql": {
            "UTF8": ANYTHING,
            "SQL_ASCII": "ascii",  # it counts bytes, and does not look at them
            "WIN866": "cp866",
            "WIN874": "cp874",
            "KOI8R": "koi8-r",
            "KOI8U": "koi8-u",
        },
    }
)
_BEYOND_BASIC_PLANE = re.compile("[\U00010000-\U0010ffff]")


class FittedCharField(models.CharField):  # type: ignore[type-arg]  # generic in the stubs only
    """
    A ``CharField`` that stores of any text what the database can hold, and ``?`` for the rest.

    Cut at ``max_length``; NUL and halves of surrogate pairs are text in no database.
    """

    def deconstruct(self) -> tuple[str, str, Sequence[Any], dict[str, Any]]:  # as Django has it
        """Migrations need to know nothing of it."""
        name, _, args, kwargs = super().deconstruct()
        return name, "django.db.models.CharField", args, kwargs

    def get_db_prep_value(
        self, value: object, connection: BaseDatabaseWrapper, prepared: bool = False
    ) -> object:
        return self.fit(super().get_db_prep_value(value, connection, prepared), connection)

    def fit(self, value: object, connection: BaseDatabaseWrapper) -> object:
        """Return what is stored of a value. What is ASCII costs next to nothing."""
        if not isinstance(value, str):
            return value
        text = value[: self.max_length]
        if text.isascii() and "\x00" not in text:
            return text
        names = codecs_of(connection, self.model._meta.db_table, str(self.column))
        return fitted(text, (ANYTHING, *names))


def fitted(text: str, codec_names: tuple[str, ...]) -> str:
    """Return a text with ``?`` for each character that not all of these have."""
    text = text.replace("\x00", "?")
    for name in codec_names:
        if name == BASIC_PLANE:
            text = _BEYOND_BASIC_PLANE.sub("?", text)
        codec = ANYTHING if name == BASIC_PLANE else name
        text = text.encode(codec, "replace").decode(codec)
    return text


def was_kept_as(text: str, stored: str) -> bool:
    """Say whether ``stored`` is ``text``, or what a database has that cannot hold all of it."""
    return stored == text or (
        len(stored) == len(text)
        and all(
            kept == sign or (kept == "?" and not " " <= sign <= "~")
            for kept, sign in zip(stored, text, strict=True)
        )
    )


def codecs_of(connection: BaseDatabaseWrapper, table: str, column: str) -> tuple[str, ...]:
    """Return the codecs of all that has to take a text on its way into a column."""
    where = connection.settings_dict
    server = f"{where.get('HOST')}:{where.get('PORT')}/{where['NAME']}"
    return _codecs_of(connection.alias, server, table, column)


@lru_cache(maxsize=256)
def _codecs_of(alias: str, server: str, table: str, column: str) -> tuple[str, ...]:
    connection = connections[alias]
    names = charsets_of(connection, table, column)
    return tuple(dict.fromkeys(codec_named(connection.vendor, name) for name in names))


def charsets_of(connection: BaseDatabaseWrapper, table: str, column: str) -> tuple[str, ...]:
    """
    Return what a database calls the character sets of the connection and the column.

    On MySQL each column may have one of its own; asked once in a process.
    """
    if connection.vendor == "postgresql":
        connection.ensure_connection()
        return (str(connection.connection.info.parameter_status("server_encoding")),)
    if connection.vendor != "mysql":
        return ()
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT @@character_set_client, (SELECT character_set_name "
            "FROM information_schema.columns WHERE table_schema = DATABASE() "
            "AND table_name = %s AND column_name = %s)",
            [table, column],
        )
        return tuple(str(name) for name in cursor.fetchone() if name is not None)


def codec_named(vendor: str, charset: str) -> str:
    """Return Python's codec for a database's character set; ASCII for one that it does not know."""
    known = CODECS.get(vendor, {}).get(charset)
    name = known or charset.lower().replace("win", "cp")
    if name == BASIC_PLANE:
        return name
    try:
        return codecs.lookup(name).name
    except LookupError:
        return "ascii"


def can_hold(field: AnyField, alias: str, text: str) -> bool:
    """Say whether a column can hold a text as it is. Where not, looking for it may be an error."""
    if text.isascii() and "\x00" not in text:
        return True
    names = codecs_of(connections[alias], field.model._meta.db_table, str(field.column))
    return fitted(text, (ANYTHING, *names)) == text
