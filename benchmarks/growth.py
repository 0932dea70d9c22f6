"""
How the cost of each act grows with the number of rows: 10 thousand, a million, five million.

``python -m benchmarks.growth [--sizes N …] [--keep FILE]``. Each size is a PostgreSQL database
of its own, filled by one statement; sizes and acts take turns, and medians are shown. What is
under way is told meanwhile, and what was measured is kept in FILE as JSON after each turn.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import django
from django.conf import settings

from benchmarks.stacks import AUTHENTICATION, STACKS, settings_for
from tests.support.databases import from_url
from tests.support.services.caches import start_redis
from tests.support.services.databases import start_postgresql

SESSIONS_PER_USER = 10
TURNS = 10

Act = Callable[[], object]

FILL = """
INSERT INTO auth_user (username, email, password, first_name, last_name, is_staff, is_active,
                       is_superuser, date_joined)
SELECT 'user' || n, 'user' || n || '@example.com', '', '', '', false, true, false, now()
FROM generate_series(1, %(users)s) AS n;

INSERT INTO sessions_plus_session ({columns})
SELECT {values}
FROM generate_series(1, %(sessions)s) AS n;
ANALYZE;
"""

CREATED = "now() - interval '60 days' * (1 - n::float / %(sessions)s)"
UUID_OF_TIME = (
    f"(lpad(to_hex((extract(epoch FROM {CREATED}) * 1000)::bigint), 12, '0') || '7' "
    "|| substr(md5(n::text), 1, 3) || '8' || substr(md5(n::text), 4, 15))::uuid"
)
"""Oldest first over two months, and a UUIDv7, as the engine makes names."""


def fill(sessions: int) -> None:
    """Store that many sessions of two months, ten for each user, a third of them over."""
    from django.db import connection

    from sessions_plus.models import Session

    given = {
        "public_id": UUID_OF_TIME,
        "kind": "'browser'",
        "user_id": "(SELECT min(id) FROM auth_user) + n %% %(users)s",
        "key_hash": "md5(n::text) || md5((n + 1)::text)",
        "data": "decode(repeat('00', 300), 'hex')",
        "user_agent": "'Mozilla/5.0'",
        "browser": "'Firefox'",
        "system": "'Linux'",
        "agent_kind": "'desktop'",
        "auth_methods": "'pwd'",
        "created_at": CREATED,
        "authenticated_at": "now() - interval '10 days'",
        "last_activity": "now() - (n %% 100) * interval '1 minute'",
        "expire_date": "now() + interval '5 days' - (CASE WHEN n %% 6 = 0 THEN 90 ELSE 0 END) "
        "* interval '1 day'",
        "revoked_at": "CASE WHEN n %% 6 = 1 THEN now() - interval '1 day' END",
        "revoked_reason": "CASE WHEN n %% 6 = 1 THEN 'signed_out' ELSE '' END",
        "ip_address": "('192.0.2.' || (n %% 250))::inet",
        "version": "1",
        "successor_seen": "true",
    }
    for field in Session._meta.concrete_fields:
        if field.column in given or field.primary_key or field.null:
            continue
        given[field.column] = "false" if field.get_internal_type() == "BooleanField" else "''"  # type: ignore[index]
    sql = FILL.format(columns=", ".join(given), values=", ".join(given.values()))
    users = max(1, sessions // SESSIONS_PER_USER)
    with connection.cursor() as cursor:
        cursor.execute(sql, {"users": users, "sessions": sessions})


def acts() -> dict[str, Act]:
    """What is measured; each callable acts on a user of its own."""
    import itertools

    from django.contrib.auth import get_user_model
    from django.test import Client
    from django.utils import timezone

    from sessions_plus.backends.db import SessionStore
    from sessions_plus.devices.overview import overview
    from sessions_plus.lifecycle import revoke
    from sessions_plus.models import Session

    people = get_user_model()._default_manager
    staff = people.filter(username="staff").first() or people.create_superuser("staff")
    client = Client()
    client.force_login(staff)
    first = people.order_by("pk").values_list("pk", flat=True)[0]
    number = itertools.count(first)

    def make() -> SessionStore:
        store = SessionStore()
        store["_auth_user_id"] = str(next(number))
        store.save()
        return store

    loaded, touched = make().session_key, make()
    ended: list[Any] = [Session.objects.get(public_id=make().public_id) for _ in range(600)]  # type: ignore[misc]

    def touch() -> None:
        assert touched.renew(timezone.now())

    def list_own() -> None:
        live = Session.objects.for_user(people.model(pk=next(number))).active()
        list(live.order_by("-last_activity", "-pk"))

    def devices_page() -> None:
        overview(people.model(pk=next(number)), current=None, now=timezone.now())

    return {
        "load": lambda: SessionStore(loaded).load(),
        "touch": touch,
        "revoke": lambda: revoke(ended.pop()),
        "list of ten": list_own,
        "devices page": devices_page,
        "admin list": lambda: client.get("/admin/sessions_plus/session/"),
        "admin filter": lambda: client.get("/admin/sessions_plus/session/?kind__exact=browser"),
        "admin search": lambda: client.get("/admin/sessions_plus/session/?q=user77"),
    }


@contextmanager
def site(url: str, redis_url: str) -> Iterator[None]:
    stack = STACKS["ours db"]
    options = settings_for(stack, database=from_url(url), redis_url=redis_url)
    options["INSTALLED_APPS"] += ["django.contrib.admin", "django.contrib.staticfiles"]
    options["MIDDLEWARE"] += [
        AUTHENTICATION,
        "django.contrib.messages.middleware.MessageMiddleware",
    ]
    options["ROOT_URLCONF"] = "benchmarks.admin_site"
    options["STATIC_URL"] = "static/"
    options["TEMPLATES"] = [
        {
            "BACKEND": "django.template.backends.django.DjangoTemplates",
            "APP_DIRS": True,
            "OPTIONS": {
                "context_processors": [
                    "django.template.context_processors.request",
                    "django.contrib.auth.context_processors.auth",
                    "django.contrib.messages.context_processors.messages",
                ]
            },
        }
    ]
    settings.configure(**options)
    django.setup()
    yield


def prepare(sessions: int) -> dict[str, Act]:
    """Make a database with this number of sessions; return what is measured there."""
    from django.core.management import call_command
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(f"CREATE DATABASE {name_of(sessions)}")
    use(sessions)
    call_command("migrate", verbosity=0)
    say(f"{sessions:,d} sessions: filling the table …")
    fill(sessions)
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")  # now, and not beside what is measured
        cursor.execute("CHECKPOINT")
    return acts()


def name_of(sessions: int) -> str:
    return f"growth_{sessions}"


def use(sessions: int) -> None:
    """Go on with the database of this size."""
    from django.db import connection

    connection.close()
    connection.settings_dict["NAME"] = name_of(sessions)


def measure(sizes: Sequence[int], rounds: int, path: Path) -> dict[int, dict[str, float]]:
    """
    Return the median milliseconds of each act at each number of rows.

    The sizes take turns, so that what else the machine does is no part of a ratio.
    """
    todo = {size: prepare(size) for size in sizes}
    times: dict[int, dict[str, list[float]]] = {
        size: {name: [] for name in named} for size, named in todo.items()
    }
    found: dict[int, dict[str, float]] = {}
    for turn in range(TURNS):
        say(f"turn {turn + 1} of {TURNS} …")
        for size, named in todo.items():
            use(size)
            take_turns(named, 1)  # to connect, and to warm up
            for name, took in take_turns(named, max(1, rounds // TURNS)).items():
                times[size][name] += took
        found = {
            size: {name: statistics.median(took) * 1000 for name, took in named.items()}
            for size, named in times.items()
        }
        keep(path, found, {})
    return found


def take_turns(todo: Mapping[str, Act], rounds: int) -> dict[str, list[float]]:
    """Return the seconds that each act took, one after the other in each round."""
    times: dict[str, list[float]] = {name: [] for name in todo}
    for _ in range(rounds):
        for name, act in todo.items():
            start = time.perf_counter()
            act()
            times[name].append(time.perf_counter() - start)
    return times


def measure_acts(rounds: int) -> dict[str, float]:
    """Return the median milliseconds of each act on the tables as they are."""
    took = take_turns(acts(), rounds)
    return {name: statistics.median(found) * 1000 for name, found in took.items()}


def say(text: str) -> None:
    """Tell what is under way, apart from the figures."""
    print(text, file=sys.stderr, flush=True)


def keep(
    path: Path, found: Mapping[int, Mapping[str, float]], cleaned: Mapping[str, float]
) -> None:
    """Write down what was measured so far: an interrupted run has not been for nothing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    sizes = {str(size): took for size, took in found.items()}
    path.write_text(json.dumps({"milliseconds": sizes, "clean-up": cleaned}, indent=2) + "\n")
    say(f"Kept in {path}")


EXPIRED = """
user_id IS NULL AND expire_date <= now() OR revoked_at <= now() - interval '30 days'
OR revoked_at IS NULL AND expire_date <= now() - interval '30 days'
"""


def clean_up(rounds: int) -> dict[str, float]:
    """
    Return how long our clean-up takes in all, and its longest statement, in milliseconds.

    ``ratio`` is to one big DELETE of the same rows, which takes turns with it; all are
    medians. The rows are put back before each turn. ``next night`` is how long one takes when
    nothing is due, and ``rows read`` how many sessions it reads; ``part`` and ``read of a
    part`` are the same of one that looks through a seventh.
    """
    from django.core.management import call_command

    turns: list[dict[str, float]] = []
    _keep_a_copy()
    for turn in range(rounds):
        say(f"Clean-up: turn {turn + 1} of {rounds} …")
        _put_back()
        one = _timed(f"DELETE FROM sessions_plus_session WHERE {EXPIRED}")
        _put_back()
        ours = _timed(lambda: call_command("clearsessions"))
        before = _rows_read()
        night = _timed(lambda: call_command("clearsessions"))
        ours |= {"next night": night["total"], "rows read": _rows_read() - before}
        before = _rows_read()
        part = _timed(lambda: call_command("clearsessions", parts=7))
        ours |= {"part": part["total"], "read of a part": _rows_read() - before}
        turns.append({**ours, "ratio": ours["total"] / one["total"]})
    return {name: statistics.median(turn[name] for turn in turns) for name in turns[0]}


def _keep_a_copy() -> None:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE kept AS SELECT * FROM sessions_plus_session ORDER BY id")


def _rows_read() -> int:
    """Return how many rows of sessions were read so far, by whichever way."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_stat_force_next_flush()")
        cursor.execute(
            "SELECT seq_tup_read + idx_tup_fetch FROM pg_stat_user_tables "
            "WHERE relname = 'sessions_plus_session'"
        )
        return int(cursor.fetchone()[0])


def _put_back() -> None:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE sessions_plus_session CASCADE")  # of device keys there are none
        cursor.execute("INSERT INTO sessions_plus_session SELECT * FROM kept")
        cursor.execute("VACUUM ANALYZE sessions_plus_session")
        cursor.execute("CHECKPOINT")


def _timed(act: str | Callable[[], object]) -> dict[str, float]:
    from django.db import connection

    longest = 0.0

    def timed(execute: Any, sql: Any, params: Any, many: Any, context: Any) -> Any:
        nonlocal longest
        start = time.perf_counter()
        result = execute(sql, params, many, context)
        longest = max(longest, time.perf_counter() - start)
        return result

    start = time.perf_counter()
    with connection.execute_wrapper(timed):
        if callable(act):
            act()
        else:
            with connection.cursor() as cursor:
                cursor.execute(act)
    return {"total": (time.perf_counter() - start) * 1000, "longest statement": longest * 1000}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[10_000, 1_000_000, 5_000_000])
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--clean-ups", type=int, default=3, help="turns of the clean-up")
    parser.add_argument("--keep", type=Path, default=Path(".cache/benchmarks/growth.json"))
    options = parser.parse_args()
    postgresql, redis = start_postgresql(), start_redis()
    try:
        with site(postgresql.url, redis.url):
            found = measure(options.sizes, options.rounds, options.keep)
            cleaned = clean_up(options.clean_ups)
            keep(options.keep, found, cleaned)
    finally:
        redis.stop()
        postgresql.stop()
    smallest = found[options.sizes[0]]
    print(f"{'milliseconds':14s} " + " ".join(f"{size:>18,d}" for size in found))
    for name in smallest:
        cells = [
            f"{took[name]:9.2f} {took[name] / smallest[name]:6.2f}x" for took in found.values()
        ]
        print(f"{name:14s} " + " ".join(f"{cell:>18s}" for cell in cells))
    print(f"clean-up of the largest: {cleaned['total']:.0f} ms in all, ", end="")
    print(f"longest statement {cleaned['longest statement']:.0f} ms, ", end="")
    print(f"{cleaned['ratio']:.2f} times one big DELETE; ", end="")
    print(
        f"the next {cleaned['next night']:.0f} ms, {cleaned['rows read']:.0f} sessions read; ",
        end="",
    )
    print(f"a seventh {cleaned['part']:.0f} ms, {cleaned['read of a part']:.0f} sessions read")


if __name__ == "__main__":
    main()
