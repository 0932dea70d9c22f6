"""
A cursor that a connection keeps, to read rows and to change them.

On PostgreSQL with psycopg 3. Django makes a cursor for each statement, writes the values into its
text and reads moments from text, in Python; on this one values are sent apart and rows come in
binary. Not for the many values of a sign-in, as PostgreSQL would have to find out the type of
each. Django's own wrapper is around it, so who traces statements there sees this one.

Invariants for whoever edits this: nothing is prepared that the site's ``prepare_threshold`` does
not ask for, so that a pooler which lends connections for a transaction each may stand between.
It hangs on its connection and knows nothing of Django's object for that, which ends with its
thread: else the connection would stay open. And one statement at a time has it.
"""

from __future__ import annotations

import socket
from functools import lru_cache
from typing import TYPE_CHECKING

from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper

from sessions_plus.models.session import Session
from sessions_plus.named_types import PsycopgObject

if TYPE_CHECKING:
    from psycopg.abc import Buffer
    from psycopg.adapt import Loader

KEPT = "_sessions_plus_cursor"
"""The attribute of Django's connection under which it waits for the next statement."""

# What a wrapper of somebody else's, or a patch of one, may do for each cursor that is made.
MAKES_CURSORS = ("cursor", "_cursor", "create_cursor", "make_cursor", "_prepare_cursor")


def take_cursor(connection: BaseDatabaseWrapper) -> PsycopgObject:
    """
    Take the connection's kept cursor, made now if need be; None where it can have none.

    Then Django's is to be asked for one: statements are logged, or cursors are made in a way
    of the site's, as for tenants or to be traced; or an execute wrapper may put a statement of
    its own before each, as django-pghistory does, and PostgreSQL takes one at a time from this
    cursor. Whoever asks while this one is taken, as what is called for each statement may, or
    another thread on the same connection, gets another.
    """
    if not _may_have(connection):
        return None
    connection.close_if_health_check_failed()
    connection.ensure_connection()
    connection.validate_thread_sharing()
    raw: PsycopgObject = connection.connection
    cursor = vars(connection).pop(KEPT, None)
    if cursor is None or cursor.connection is not raw:
        if not _is_made_by_django(raw):
            return None
        cursor = _new(raw)
    return connection.make_cursor(cursor)


def give_back(connection: BaseDatabaseWrapper, taken: PsycopgObject) -> None:
    """Keep a cursor for the next statement, once all that it found was fetched."""
    vars(connection)[KEPT] = taken.cursor


def _may_have(connection: BaseDatabaseWrapper) -> bool:
    kind: object = type(connection)
    return (
        connection.vendor == "postgresql"
        and not connection.queries_logged
        and not connection.execute_wrappers
        and connection.timezone is not None  # without, moments come in the site's own time
        and _is_djangos(kind)
        and is_read_in_binary(_type_of_keys(connection.alias))
        and vars(connection).keys().isdisjoint(MAKES_CURSORS)
    )


@lru_cache(maxsize=8)
def _is_djangos(kind: object) -> bool:
    """Say whether cursors are made as Django does with psycopg 3, also for PostGIS."""
    from django.db.backends.postgresql.base import DatabaseWrapper
    from django.db.backends.postgresql.psycopg_any import is_psycopg3

    same = all(getattr(kind, name) is getattr(DatabaseWrapper, name) for name in MAKES_CURSORS)
    return bool(is_psycopg3) and same


@lru_cache(maxsize=8)
def _type_of_keys(alias: str) -> str:
    """Return what a database calls the type of its users' keys, the one that is the site's."""
    key = Session._meta.get_field("user").target_field
    return key.rel_db_type(connections[alias]) or ""


@lru_cache(maxsize=8)
def is_read_in_binary(db_type: str) -> bool:
    """
    Say whether psycopg knows a type: ``"varchar(39)"``, ``"bigint"``.

    Of an extension's, as citext, or an enum it makes text from text and bytes from binary.
    """
    from psycopg import adapters

    return adapters.types.get(db_type.partition("(")[0].strip()) is not None


def _is_made_by_django(raw: PsycopgObject) -> bool:
    """Say whether its cursors are Django's: who traces puts its own class, or a proxy, there."""
    from django.db.backends.postgresql import base
    from psycopg import Connection

    is_djangos = raw.cursor_factory in (base.Cursor, base.ServerBindingCursor)
    return is_djangos and type(raw) is Connection


def _new(raw: PsycopgObject) -> PsycopgObject:
    from django.db.backends.postgresql import base
    from psycopg.pq import Format

    factory: PsycopgObject = base.ServerBindingCursor
    cursor = factory(raw)
    cursor.format = Format.BINARY
    cursor.adapters.register_loader("inet", _inet_loader())
    return cursor


@lru_cache(maxsize=1)
def _inet_loader() -> type[Loader]:
    """Return what makes of an address the text that PostgreSQL would: Django takes no object."""
    from psycopg.adapt import Loader
    from psycopg.pq import Format

    class InetText(Loader):
        format = Format.BINARY

        def load(self, data: Buffer) -> str:
            return text_of(bytes(data))

    return InetText


def text_of(inet: bytes) -> str:
    """Return an address as text: family, bits of the network, a flag and a length stand first."""
    bits, address = inet[1], inet[4:]
    text = socket.inet_ntop(socket.AF_INET if len(address) == 4 else socket.AF_INET6, address)
    return text if bits == 8 * len(address) else f"{text}/{bits}"
