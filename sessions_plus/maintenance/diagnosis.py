"""How the engine and its cache are doing: facts to print, and what is wrong with them."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from types import MappingProxyType
from uuid import UUID

from django.conf import settings
from django.core.cache import caches
from django.db import DatabaseError, connections

from sessions_plus.cache import entries
from sessions_plus.cache.drivers.contract import ServerState
from sessions_plus.cache.tier import CLOCK_DIFFERENCE_SECONDS, Tier
from sessions_plus.crypto import place_of_old_keys
from sessions_plus.keys import new_public_id
from sessions_plus.maintenance import own_migrations
from sessions_plus.maintenance.resealing import SealedColumn, count_unreadable
from sessions_plus.maintenance.writability import cache_refusal, database_refusal
from sessions_plus.models.session import Session
from sessions_plus.rows.session_row import Row, database, fetch

ROUND_TRIPS = 5
SLOW_SECONDS = 0.05

# Memcached tells whole seconds, by a timer of its own that may lag by another.
GRAIN_SECONDS = 1.5

# What a database says the time is, as a Unix time. SQLite's clock is our own.
CLOCKS = {
    "postgresql": "SELECT EXTRACT(EPOCH FROM clock_timestamp())",
    "mysql": "SELECT UNIX_TIMESTAMP(NOW(6))",
}

KIND_PROBLEMS = {
    "LocMemCache": (
        "The cache is this process's own memory: others are told of a revocation only after "
        "SESSIONS_PLUS_ACTIVITY_INTERVAL. Use Redis or Memcached, or the engine "
        "sessions_plus.backends.db."
    ),
    "DummyCache": "The cache keeps nothing. Use the engine sessions_plus.backends.db.",
}


@dataclass
class Diagnosis:
    """
    What was found. None: not applicable, or it could not be found out.

    ``sampled`` sessions were looked up in the cache; ``copies`` of them had a copy, and
    ``disagreeing`` of these were not of the row as it is (also after a second look).
    ``not_adopted`` sessions of the old engine have not come yet, where a site moves in.
    ``pages`` is the address of the devices page.
    """

    engine: str
    database: str
    is_migrated: bool = False
    cache_alias: str | None = None
    cache_kind: str | None = None
    breaker: str | None = None
    cache_servers: Sequence[ServerState] = ()
    round_trip_seconds: float | None = None
    database_takes_writes: bool | None = None
    cache_takes_writes: bool | None = None
    sampled: int = 0
    copies: int = 0
    disagreeing: list[str] = field(default_factory=list)
    database_clock_seconds: float | None = None
    cache_clock_seconds: float | None = None
    not_adopted: int | None = None
    pages: str | None = None
    problems: list[str] = field(default_factory=list)

    def facts(self) -> dict[str, object]:
        return asdict(self)


def diagnose(
    *, sample: int, tier: Tier | None, sealed: Mapping[str, SealedColumn] = MappingProxyType({})
) -> Diagnosis:
    """
    Look at everything once; of the sessions at the ``sample`` newest that have not ended.

    ``tier`` is where the engine keeps copies; None: it keeps none. ``sealed`` are the columns
    whose newest values are tried to open, by what they hold.
    """
    found = Diagnosis(engine=settings.SESSION_ENGINE, database=database())
    try:
        found.database_clock_seconds = _difference(_database_clock)
        found.is_migrated = own_migrations.are_applied()
    except DatabaseError as error:
        found.problems.append(f"The database does not answer: {error}")
        return found
    if not found.is_migrated:
        found.problems.append(
            f"The database {found.database!r} lacks tables or columns of this version. "
            "Run: manage.py migrate"
        )
        return found
    _examine_database(found)
    if tier is not None:
        _examine_cache(found, tier, sample)
    _judge(found)
    found.problems += _unreadable(sealed, sample)
    return found


def _examine_database(found: Diagnosis) -> None:
    refusal = database_refusal()
    found.database_takes_writes = refusal is None
    if refusal is not None:
        found.problems.append(
            f"The database {found.database!r} takes no writes ({refusal}). Sessions are read, but "
            "none begins, is renewed or ends. Is it a replica, set read-only, or its disk full?"
        )


def _examine_cache(found: Diagnosis, tier: Tier, sample: int) -> None:
    found.cache_alias, found.cache_kind = tier.alias, tier.driver.kind
    found.round_trip_seconds = _round_trip(tier)
    found.breaker = "open" if tier.breaker.is_open else "closed"
    if tier.breaker.is_open:
        return
    found.cache_clock_seconds = _difference(tier.clock)
    found.cache_servers = tier.servers()
    refusal = cache_refusal(tier)
    found.cache_takes_writes = refusal is None
    if refusal is not None:
        found.problems.append(
            f"The cache {tier.alias!r} is of no use to sessions ({refusal}). The database serves."
        )
    for public_id in _newest(sample):
        found.sampled += 1
        _compare(found, tier, public_id)


def _round_trip(tier: Tier) -> float:
    """Return the middle one of some reads of nothing, in seconds."""
    took = []
    for _ in range(ROUND_TRIPS):
        began = time.perf_counter()
        tier.peek(new_public_id())
        took.append(time.perf_counter() - began)
    return statistics.median(took)


def _newest(count: int) -> list[UUID]:
    # Those that ended just now are what a copy must not be left of.
    newest = Session.objects.using(database()).order_by("-pk")
    return list(newest.values_list("public_id", flat=True)[:count])


def _compare(found: Diagnosis, tier: Tier, public_id: UUID) -> None:
    copy = _copy(tier, public_id)
    if copy is None:
        return
    found.copies += 1
    # A request may have changed the row between our two looks, so look again.
    if not _agrees(copy, fetch(public_id)):
        again = _copy(tier, public_id)
        if again is not None and not _agrees(again, fetch(public_id)):
            found.disagreeing.append(str(public_id))


def _copy(tier: Tier, public_id: UUID) -> Row | None:
    entry = tier.peek(public_id)
    copy = entries.decode(entry, public_id) if entry is not None else None
    return copy.row() if copy is not None else None


def _agrees(copy: Row, row: Row | None) -> bool:
    return (
        row is not None
        and row.revoked_at is None
        and (copy.version, copy.key_hash) == (row.version, row.key_hash)
    )


def _difference(clock: Callable[[], float | None]) -> float | None:
    """Return how far a clock is ahead of ours, in seconds; half the way there is ours."""
    before = time.time()
    there = clock()
    return None if there is None else there - (before + time.time()) / 2


def _database_clock() -> float | None:
    connection = connections[database()]
    connection.ensure_connection()
    sql = CLOCKS.get(connection.vendor)
    if sql is None:
        return None
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return float(cursor.fetchone()[0])


def _judge(found: Diagnosis) -> None:
    """Say what is wrong, and what to do about it."""
    if found.breaker == "open":
        found.problems.append(
            f"The cache {found.cache_alias!r} does not answer; the database serves. See the log."
        )
    if found.disagreeing:
        found.problems.append(
            f"{len(found.disagreeing)} copies are not of their rows: something changes sessions "
            "past the engine. They serve for one SESSIONS_PLUS_ACTIVITY_INTERVAL at most."
        )
    for server in found.cache_servers:
        found.problems += _of_server(server, is_refused=found.cache_takes_writes is False)
    if (found.round_trip_seconds or 0) > SLOW_SECONDS and found.breaker == "closed":
        found.problems.append(
            f"A command to the cache takes {found.round_trip_seconds:.3f} s: is it far away?"
        )
    for name in ("database", "cache"):
        difference = getattr(found, f"{name}_clock_seconds")
        if difference is not None and abs(difference) > CLOCK_DIFFERENCE_SECONDS + GRAIN_SECONDS:
            found.problems.append(
                f"The clock of the {name} differs from this machine's by {difference:+.1f} s. "
                "Run NTP on both."
            )
    found.problems += _of_the_cache_kind(found)


def _of_server(server: ServerState, *, is_refused: bool) -> Iterator[str]:
    if server.role == "replica":
        yield (
            f"The cache server {server.address} is a replica, which is told of no revocation. "
            "Give the cache the address of the primary."
        )
    elif is_refused and server.eviction_policy == "noeviction":
        yield (
            f"The cache server {server.address} removes nothing when it is full (noeviction). "
            "Choose a policy that does, such as allkeys-lru, or give it more memory."
        )


def _unreadable(sealed: Mapping[str, SealedColumn], sample: int) -> list[str]:
    """Name the columns whose newest values open with none of the keys."""
    counts = {name: count_unreadable(column, sample=sample) for name, column in sealed.items()}
    return [
        f"{count} of the newest {name} open with none of the keys. Put the key that is missing "
        f"back {place_of_old_keys()}."
        for name, count in counts.items()
        if count
    ]


def _of_the_cache_kind(found: Diagnosis) -> list[str]:
    if found.cache_alias is None:
        return []
    problem = KIND_PROBLEMS.get(type(caches[found.cache_alias]).__name__)
    return [problem] if problem is not None else []
