"""
Copies of rows in a cache, in front of the database.

The cache is never an authority and never a fault. A copy serves only while it is
younger than the activity interval; an error is a miss; and a session that ended has a
tombstone in the cache, which nobody's older copy replaces.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple
from uuid import UUID

from django.conf import settings
from django.core.signals import setting_changed
from django.db import connections, transaction

from sessions_plus.cache import entries, slots
from sessions_plus.cache.drivers.choosing import driver_for
from sessions_plus.cache.entries import Copy
from sessions_plus.cache.tier import Tier
from sessions_plus.conf import conf
from sessions_plus.rows.session_row import Row, database

_tiers: dict[str, Tier] = {}


def is_named() -> bool:
    """
    Say whether the site's settings name ``SESSION_CACHE_ALIAS``.

    Then its servers may keep copies there, whatever the engine of this one: while a site
    moves from one engine to the other, it has both.
    """
    return conf.derived("session cache is named", _is_named)


def _is_named() -> bool:
    known: Any = settings  # the stubs don't know its method
    return bool(known.is_overridden("SESSION_CACHE_ALIAS"))


def tier() -> Tier:
    """The cache named by ``SESSION_CACHE_ALIAS``."""
    alias = settings.SESSION_CACHE_ALIAS
    found = _tiers.get(alias)
    if found is None:
        found = _tiers.setdefault(alias, Tier(alias, driver_for(alias)))
        found.driver.watch(found.distrust)
    return found


def known() -> tuple[Tier, ...]:
    """Every cache that was asked for so far."""
    return tuple(_tiers.values())


def reset(*, setting: str = "CACHES", **_: object) -> None:
    """Forget all caches, as after a change of the settings."""
    if setting == "CACHES":
        while _tiers:
            _tiers.popitem()[1].close()


setting_changed.connect(reset, dispatch_uid="sessions_plus.cache_tier")


class Recalled(NamedTuple):
    """
    What the cache answered: a copy or None, and the ticket to put one there.

    ``asked_at`` is a Unix time from before: what is read later lived then, or later.
    """

    copy: Copy | None = None
    ticket: bytes = b""
    asked_at: float = 0.0


NOTHING = Recalled()


def recall(public_id: UUID) -> Recalled:
    """Return the copy of a row, if there is one, and what ``keep`` asks for. One cache command."""
    asked_at, cache = time.time(), tier()
    entry, ticket = cache.read(public_id)
    return Recalled(_open(entry, public_id, cache), ticket, asked_at)


async def arecall(public_id: UUID) -> Recalled:
    """See recall()."""
    asked_at, cache = time.time(), tier()
    entry, ticket = await cache.aread(public_id)
    return Recalled(_open(entry, public_id, cache), ticket, asked_at)


def _open(entry: bytes | None, public_id: UUID, cache: Tier) -> Copy | None:
    if entry is None:
        return None
    return entries.decode(entry, public_id, proven_since=cache.trusted_since)


def keep(row: Row, recalled: Recalled) -> None:
    """
    Keep a copy of a row that was read, or whose lease was renewed, after ``recalled``.

    Copies of newer versions stay. Inside a transaction, one is kept only where what that
    reads is what is committed (see ``_sees_commits``).
    """
    if not recalled.ticket or not _sees_commits():
        return
    tier().fill(
        row.public_id,
        entries.encode(row, proven_at=recalled.asked_at),
        version=row.version,
        ticket=recalled.ticket,
    )


def written(row: Row) -> None:
    """Keep a copy of a row that was just made or changed."""
    if row.version == 1:
        introduce(row)
    else:
        replace(row)


def introduce(row: Row) -> None:
    """Keep a copy of a row that was just made."""
    public_id, version, entry = row.public_id, row.version, _proven_now(row)
    _after_commit(lambda: tier().introduce(public_id, entry, version=version))


def replace(row: Row) -> None:
    """
    Keep a copy of a row that was just changed, and void every older one.

    Inside a transaction the copy waits for the commit, and a hold keeps the slot until
    then: others read the row. Should the process die in between, or the transaction be
    rolled back, the session merely does without a copy for a while.
    """
    public_id, version, entry = row.public_id, row.version, _proven_now(row)
    hold = b""
    if _in_transaction():
        hold = slots.hold()
        tier().occupy(public_id, hold)
    _after_commit(lambda: tier().replace(public_id, entry, version=version, hold=hold))


def outdate(public_id: UUID) -> None:
    """Void the copy of a row that was changed past its store, or by one without copies."""
    if _in_transaction():
        tier().occupy(public_id, slots.hold())
    _after_commit(lambda: tier().occupy(public_id, slots.reservation()))


def forget(public_id: UUID) -> bool:
    """
    Void the copy of a session that ended, and let none be kept again: put a tombstone.

    Return whether the cache took it. Inside a transaction it is put at once and again after
    the commit: at once, as the process may die before it comes to the second time; and
    again, as the commit may come later than the tombstone lasts. If the transaction is
    rolled back, the session merely does without a copy for a while.
    """
    reached = tier().mark_ended(public_id)
    if _in_transaction():
        _after_commit(lambda: tier().mark_ended(public_id))
    return reached


def forget_many(public_ids: Sequence[UUID]) -> bool:
    """Drop the copies of sessions that ended, together. See forget()."""
    reached = tier().mark_ended_many(public_ids)
    if _in_transaction():
        _after_commit(lambda: tier().mark_ended_many(public_ids))
    return reached


def _proven_now(row: Row) -> bytes:
    # A change sets last_activity just before it is written, or leaves an older one.
    return entries.encode(row, proven_at=row.last_activity.timestamp())


def _in_transaction() -> bool:
    return connections[database()].in_atomic_block


def _sees_commits() -> bool:
    """
    Say whether a row read now is the newest that was committed.

    Not inside a transaction that reads from a snapshot: that may be older than a
    revocation whose tombstone is gone by now.
    """
    connection: Any = connections[database()]  # with what only some databases' have
    if not connection.in_atomic_block:
        return True
    if connection.vendor == "postgresql":
        from django.db.backends.postgresql.psycopg_any import IsolationLevel

        return bool(connection.isolation_level == IsolationLevel.READ_COMMITTED)
    return bool(connection.vendor == "mysql" and connection.isolation_level == "read committed")


def _after_commit(act: Callable[[], object]) -> None:
    connection = connections[database()]
    if connection.autocommit and not connection.in_atomic_block:
        act()  # which is committed
    else:
        transaction.on_commit(act, using=connection.alias, robust=True)
