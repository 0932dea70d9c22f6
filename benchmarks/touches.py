"""
How many sessions' activity PostgreSQL takes in a second, in batches and one by one.

``python -m benchmarks.touches [--sessions N] [--rounds N] [--batch N] [--fillfactor N]``. A
PostgreSQL and a Redis are thrown away afterwards. Each way touches sessions in turns with the
other, in an order drawn anew each round, as requests come in; no copies are kept, so that what is
measured is the database. How many rows were updated in place is what the server counts
(``n_tup_hot_upd``); beside it, by how much table and indexes grew.
"""

from __future__ import annotations

import argparse
import random
import statistics
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import django
from django.conf import settings
from django.db import connections

from benchmarks.stacks import STACKS, settings_for
from tests.support.databases import from_url
from tests.support.services.caches import start_redis
from tests.support.services.databases import start_postgresql

TABLE = "sessions_plus_session"
INTERVAL = timedelta(seconds=30)
IN_PLACE = (
    "SELECT n_tup_upd, n_tup_hot_upd, pg_relation_size(relid), pg_indexes_size(relid) "
    f"FROM pg_stat_user_tables WHERE relname = '{TABLE}'"
)


def sign_in(count: int) -> list[Any]:
    """Store sessions of as many users; return their rows."""
    from django.contrib.auth import get_user_model
    from django.db import transaction

    from sessions_plus.backends.db import SessionStore

    people = get_user_model()._default_manager
    made = people.bulk_create([people.model(username=f"user{n}") for n in range(count)])
    rows = []
    with transaction.atomic():
        for user in made:
            store = SessionStore()
            store["_auth_user_id"] = str(user.pk)
            store["cart"] = ["figs"] * 20
            store.save()
            rows.append(store.row)
    return rows


def together(touches: Sequence[Any], batch: int) -> None:
    from sessions_plus.rows.touches import touch_many

    for start in range(0, len(touches), batch):
        part = touches[start : start + batch]
        assert len(touch_many(part)) == len(part)


def by_two(touches: Sequence[Any], batch: int) -> None:
    """As two workers do, each with a thread and a connection of its own."""

    def work(part: Sequence[Any]) -> None:
        together(part, batch)
        connections.close_all()

    half = len(touches) // 2
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(work, (touches[:half], touches[half:])))


def one_by_one(touches: Sequence[Any], batch: int) -> None:
    from sessions_plus.rows.session_row import touch

    for row, columns in touches[: len(touches) // 10]:  # it takes so long
        assert touch(row, columns, version=row.version)


WAYS: dict[str, Callable[[Sequence[Any], int], None]] = {
    "one by one": one_by_one,
    "in batches": together,
    "by two workers": by_two,
}


def counted() -> dict[str, int]:
    """Return what the server has counted so far; it does so when a connection is idle."""
    from django.db import connection

    connection.close()
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_stat_clear_snapshot()")
        cursor.execute(IN_PLACE)
        found = cursor.fetchone()
    return dict(zip(("updated", "in place", "table", "indexes"), found, strict=True))


def measure(rows: list[Any], *, rounds: int, batch: int, seed: int) -> dict[str, dict[str, float]]:
    """Return for each way: touches a second, how many of them in place, and growth in bytes."""
    from sessions_plus.rows.touches import RowTouch
    from sessions_plus.store.lease import activity

    rng = random.Random(seed)
    rates: dict[str, list[float]] = {name: [] for name in WAYS}
    totals = {name: dict.fromkeys(counted(), 0) for name in WAYS}
    for _ in range(rounds):
        for name, act in WAYS.items():
            rng.shuffle(rows)
            touches = [
                RowTouch(row, activity(row, None, row.last_activity + INTERVAL)) for row in rows
            ]
            before = counted()
            began = time.perf_counter()
            act(touches, batch)
            took = time.perf_counter() - began
            grown = {key: value - before[key] for key, value in counted().items()}
            rates[name].append(grown["updated"] / took)
            for key, value in grown.items():
                totals[name][key] += value
            for touch in touches[: grown["updated"]]:
                touch.row.take(touch.columns)
    return {
        name: {
            "a second": statistics.median(rates[name]),
            "in place": totals[name]["in place"] / totals[name]["updated"],
            "table": totals[name]["table"],
            "indexes": totals[name]["indexes"],
        }
        for name in WAYS
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sessions", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--batch", type=int, default=500)
    parser.add_argument("--fillfactor", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    server, redis = start_postgresql(), start_redis()
    try:
        stack = STACKS["ours db"]
        settings.configure(
            **settings_for(stack, database=from_url(server.url), redis_url=redis.url)
        )
        django.setup()
        from django.core.management import call_command
        from django.db import connection

        call_command("migrate", verbosity=0)
        with connection.cursor() as cursor:
            cursor.execute(f"ALTER TABLE {TABLE} SET (fillfactor = {options.fillfactor})")
        found = measure(
            sign_in(options.sessions),
            rounds=options.rounds,
            batch=options.batch,
            seed=options.seed,
        )
    finally:
        redis.stop()
        server.stop()
    for name, figures in found.items():
        print(
            f"{name:14s} {figures['a second']:8.0f} a second, "
            f"{figures['in place']:6.1%} in place, "
            f"table +{figures['table'] / 2**20:.1f} MB, "
            f"indexes +{figures['indexes'] / 2**20:.1f} MB"
        )


if __name__ == "__main__":
    main()
