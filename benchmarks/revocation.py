"""
What it costs to end all of somebody's sessions, beside ending them one after the other.

``python -m benchmarks.revocation [--sessions N] [--rounds N] [--database NAME]``. PostgreSQL or
MariaDB, and Redis, are thrown away afterwards. Both ways take turns on the same rows, all of which
were read before, so that each has its copy in the cache.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from typing import Any

import django
from django.conf import settings

from benchmarks.stacks import STACKS, settings_for
from tests.support.databases import from_url
from tests.support.services.caches import start_redis
from tests.support.services.databases import start_mariadb, start_postgresql

STARTERS = {"postgresql": start_postgresql, "mariadb": start_mariadb}


def sign_in(user: Any, sessions: int) -> None:
    """Store that many sessions of a user, each with an event of before and a copy."""
    from sessions_plus.backends.cached_db import SessionStore

    for _ in range(sessions):
        store = SessionStore()
        store["_auth_user_id"] = str(user.pk)
        store["cart"] = ["figs"] * 20
        store.save()


def one_by_one(user: Any) -> int:
    from sessions_plus.lifecycle import revoke
    from sessions_plus.models import Session

    live = Session.objects.for_user(user).active().select_related("device")
    return sum(revoke(session).count for session in live)


def together(user: Any) -> int:
    from sessions_plus.lifecycle import revoke_all

    return revoke_all(user).count


def timed(act: Callable[[Any], int], user: Any, expected: int) -> dict[str, float]:
    """Return the seconds that it took in all, and its longest statement."""
    from django.db import connection

    longest = 0.0

    def watch(execute: Any, sql: Any, params: Any, many: Any, context: Any) -> Any:
        nonlocal longest
        began = time.perf_counter()
        result = execute(sql, params, many, context)
        longest = max(longest, time.perf_counter() - began)
        return result

    with connection.execute_wrapper(watch):
        began = time.perf_counter()
        count = act(user)
        took = time.perf_counter() - began
    assert count == expected, count
    return {"total": took, "longest": longest}


def measure(sessions: int, rounds: int) -> dict[str, dict[str, float]]:
    from django.contrib.auth import get_user_model
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    people = get_user_model()._default_manager
    ways = {"one by one": one_by_one, "together": together}
    times: dict[str, list[dict[str, float]]] = {name: [] for name in ways}
    for number in range(rounds):
        for name, act in ways.items():
            user = people.create_user(f"{name} {number}")
            sign_in(user, sessions)
            times[name].append(timed(act, user, sessions))
    return {
        name: {key: statistics.median(one[key] for one in found) for key in ("total", "longest")}
        for name, found in times.items()
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sessions", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--database", choices=STARTERS, default="postgresql")
    options = parser.parse_args()
    server, redis = STARTERS[options.database](), start_redis()
    try:
        stack = STACKS["ours cached_db"]
        settings.configure(
            **settings_for(stack, database=from_url(server.url), redis_url=redis.url)
        )
        django.setup()
        found = measure(options.sessions, options.rounds)
    finally:
        redis.stop()
        server.stop()
    for name, took in found.items():
        share = took["total"] / found["one by one"]["total"]
        print(f"{name:12s} {took['total'] * 1000:8.0f} ms {share:6.2f}x", end="")
        print(f"   longest statement {took['longest'] * 1000:6.1f} ms")


if __name__ == "__main__":
    main()
