"""
What many users cost: bytes of each row and of each copy in Redis, and statements of a day.

``python -m benchmarks.sizing [--people N] [--users N] ...``. That many people sign in through the
whole handler, each in a browser of their own, on a PostgreSQL and a Redis that are thrown away
afterwards. What one of them costs is measured; what ``--users`` cost in a day follows from it.
"""

from __future__ import annotations

import argparse
import platform
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import django
from django.conf import settings

from benchmarks.stacks import STACKS, settings_for
from tests.support.databases import from_url
from tests.support.services.caches import ask_redis, start_redis
from tests.support.services.databases import start_postgresql
from tests.support.services.process import Server

AGENT = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:145.0) Gecko/20100101 Firefox/145.0"
TABLES = {"Session": "session", "Device": "device", "SessionEvent": "sessionevent"}


@dataclass(frozen=True)
class Day:
    """How a site is used: what the figures of a day are reckoned from."""

    users: int
    daily_share: float  # of the users, who come on one day
    minutes: int  # in which each of them asks for something
    requests: int
    sign_in_share: float  # of those, who sign in anew
    devices: int  # of each user, with a session each that goes on
    at_once: int  # who asked for something within the last three minutes

    @property
    def visitors(self) -> float:
        return self.users * self.daily_share

    @property
    def sign_ins(self) -> float:
        return self.visitors * self.sign_in_share


def browser() -> Any:
    from django.test import Client

    return Client(headers={"user-agent": AGENT})


def sign_in(client: Any, name: str) -> None:
    client.get("/sign-in", {"name": name})


def make_people(count: int) -> list[str]:
    from django.contrib.auth import get_user_model

    people = get_user_model()._default_manager
    names = [f"user{number}" for number in range(count)]
    people.bulk_create([people.model(username=name) for name in names])
    return names


def bytes_of_rows() -> dict[str, float]:
    """Return what one row takes of the database, with its share of the indexes."""
    from django.db import connection

    found = {}
    with connection.cursor() as cursor:
        for model, name in TABLES.items():
            table = f"sessions_plus_{name}"
            cursor.execute(f"SELECT pg_total_relation_size('{table}'), count(*) FROM {table}")
            size, rows = cursor.fetchone()
            found[model] = size / rows
    return found


def memory(redis: Server) -> int:
    lines = ask_redis(redis, "INFO", "memory").splitlines()
    return int(next(line for line in lines if line.startswith("used_memory:")).partition(":")[2])


@contextmanager
def counted() -> Iterator[list[str]]:
    """Count the statements of what is inside, those that begin and end a transaction too."""
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    found: list[str] = []
    with CaptureQueriesContext(connection) as queries:
        yield found
    found += [query["sql"] for query in queries.captured_queries]


def statements(name: str) -> dict[str, int]:
    """Return how many statements each kind of request makes."""
    import time_machine
    from django.utils import timezone

    client = browser()

    def read() -> None:
        client.get("/read")

    def later() -> None:
        with time_machine.travel(timezone.now() + timedelta(seconds=90), tick=True):
            read()

    acts: dict[str, Callable[[], None]] = {
        "sign-in on a new device": lambda: sign_in(client, name),
        "sign-in on a known device": lambda: sign_in(client, name),
        "first request after it": read,
        "request with a copy": read,
        "request on which activity is due": later,
    }
    found = {}
    for what, act in acts.items():
        with counted() as made:
            act()
        found[what] = len(made)
    return found


def events_of_sign_in(name: str) -> int:
    """On a known device, with whatever it ends."""
    from sessions_plus.models import SessionEvent

    client = browser()
    sign_in(client, name)
    before = SessionEvent.objects.count()
    sign_in(client, name)
    return SessionEvent.objects.count() - before


def measure(people: int, redis: Server) -> dict[str, Any]:
    from django.core.management import call_command
    from django.db import connection

    call_command("migrate", verbosity=0)
    *names, watched, other = make_people(people + 2)
    sign_in(browser(), watched)  # what a process makes once is no cost of a session
    empty = memory(redis)
    for name in names:
        client = browser()
        sign_in(client, name)
        client.get("/read")
    full = memory(redis)
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")
    return {
        "rows": bytes_of_rows(),
        "copy": (full - empty) / people,
        "statements": statements(other),
        "events": events_of_sign_in(watched),
    }


def show(found: dict[str, Any], day: Day) -> None:
    made, rows = found["statements"], found["rows"]
    print(f"Python {platform.python_version()}, Django {django.__version__}")
    for name, size in rows.items():
        print(f"{name:<34}{size:8.0f} bytes a row, indexes included")
    print(f"{'copy in Redis':<34}{found['copy']:8.0f} bytes")
    for name, count in made.items():
        print(f"{name:<34}{count:8d} statements")
    for name, size in size_of_site(rows, found["events"], day).items():
        print(f"{name:<34}{size / 1e9:8.2f} GB")
    print(f"{'copies of who is there at once':<34}{found['copy'] * day.at_once / 1e6:8.1f} MB")
    reads = day.visitors * day.requests
    touches = day.visitors * day.minutes
    total = touches + day.sign_ins * made["sign-in on a known device"]
    print(f"{'requests a day':<34}{reads / 1e6:8.1f} million")
    print(f"{'statements a day':<34}{total / 1e6:8.1f} million, {total / 86_400:.0f} a second")


def size_of_site(rows: dict[str, float], events: int, day: Day) -> dict[str, float]:
    """Return the bytes of each table, at the default retention."""
    live, ended = day.users * day.devices, day.sign_ins * 30
    return {
        "sessions": (live + ended) * rows["Session"],
        "devices": live * rows["Device"],
        "events": day.sign_ins * events * 90 * rows["SessionEvent"],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--people", type=int, default=20_000, help="How many sign in.")
    parser.add_argument("--users", type=int, default=1_000_000)
    parser.add_argument("--daily-share", type=float, default=0.3)
    parser.add_argument("--minutes", type=int, default=15)
    parser.add_argument("--requests", type=int, default=60)
    parser.add_argument("--sign-in-share", type=float, default=0.1)
    parser.add_argument("--devices", type=int, default=2)
    parser.add_argument("--at-once", type=int, default=20_000)
    options = vars(parser.parse_args())
    people = options.pop("people")
    postgresql, redis = start_postgresql(), start_redis()
    try:
        stack = STACKS["ours cached_db"]
        database = from_url(postgresql.url)
        settings.configure(**settings_for(stack, database=database, redis_url=redis.url))
        django.setup()
        show(measure(people, redis), Day(**options))
    finally:
        redis.stop()
        postgresql.stop()


if __name__ == "__main__":
    main()
