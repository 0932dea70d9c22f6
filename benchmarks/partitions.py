"""
What each act costs on plain tables, and on the same rows in partitions by month.

``python -m benchmarks.partitions [--sessions N] [--events N] [--rounds N] [--keep FILE]``. A
PostgreSQL of its own is filled with sessions of two months and events of three; after the acts are
measured both tables are divided by the statements of ``docs/operating/partitions.md``, and the acts
measured again. What is under way is told meanwhile, and what was measured is kept in FILE.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.growth import _timed, fill, measure_acts, say, site
from benchmarks.overview import _run, fill_events
from tests.support.partitions import move_into_partitions, partitions_of
from tests.support.services.caches import start_redis
from tests.support.services.databases import start_postgresql

TABLES = ("sessions_plus_session", "sessions_plus_sessionevent")


def timed(act: Callable[[], object]) -> float:
    """Return the seconds that it took."""
    start = time.perf_counter()
    act()
    return time.perf_counter() - start


def drop_oldest_events() -> tuple[str, int, float]:
    """Drop the oldest month that has events; return its name, its rows, and milliseconds."""
    name, count = next((n, c) for n, c in partitions_of(TABLES[1]).items() if c)
    return name, count, timed(lambda: _run(f"DROP TABLE {name}")) * 1000


def measure(options: Any, keep: Callable[..., None]) -> dict[str, Any]:
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    say("Filling the tables …")
    fill(options.sessions)
    fill_events(options.events)
    _run("VACUUM ANALYZE")
    found: dict[str, Any] = {"plain": measure_acts(options.rounds)}
    keep(found)
    say("Dividing them …")
    found["dividing, s"] = timed(move_into_partitions)
    _run("VACUUM ANALYZE")
    found["rows"] = {table: partitions_of(table) for table in TABLES}
    keep(found)
    found["divided"] = measure_acts(options.rounds)
    keep(found)
    say("Counting the events, which comes before …")
    call_command("count_events")
    say("Clean-up of the partitions …")
    found["clean-up"] = _timed(lambda: call_command("clearsessions"))
    found["drop"] = drop_oldest_events()
    keep(found)
    return found


def show(found: dict[str, Any]) -> None:
    for table, rows in found["rows"].items():
        filled = {name.removeprefix(table): count for name, count in rows.items() if count}
        told = ", ".join(f"{name} {count:,}" for name, count in filled.items())
        print(f"{table}: {len(rows)} partitions; {told}")
    print(f"Divided in {found['dividing, s']:.0f} s")
    print(f"{'milliseconds, median':22s} {'one table':>12s} {'partitions':>12s}")
    for name, plain in found["plain"].items():
        divided = found["divided"][name]
        print(f"{name:22s} {plain:12.2f} {divided:12.2f} {divided / plain:6.2f}x")
    cleaned = found["clean-up"]
    print(f"clean-up: {cleaned['total']:.0f} ms, ", end="")
    print(f"longest statement {cleaned['longest statement']:.0f} ms")
    name, count, took = found["drop"]
    print(f"DROP TABLE {name}, {count:,} rows: {took:.0f} ms")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sessions", type=int, default=5_000_000)
    parser.add_argument("--events", type=int, default=5_000_000)
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--keep", type=Path, default=Path(".cache/benchmarks/partitions.json"))
    options = parser.parse_args()

    def keep(found: dict[str, Any]) -> None:
        options.keep.parent.mkdir(parents=True, exist_ok=True)
        options.keep.write_text(json.dumps(found, indent=2) + "\n")
        say(f"Kept in {options.keep}")

    postgresql, redis = start_postgresql(), start_redis()
    try:
        with site(postgresql.url, redis.url):
            show(measure(options, keep))
    finally:
        redis.stop()
        postgresql.stop()


if __name__ == "__main__":
    main()
