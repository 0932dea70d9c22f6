"""
What the overview in the admin costs on a site with years behind it.

``python -m benchmarks.overview [--sessions N] [--events N]``. A PostgreSQL of its own is filled
with that many sessions and events and three years of hourly counts; the page is shown as medians
of its whole time and of its statements, for each period, and so is the list behind a bar.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from typing import Any

from benchmarks.growth import fill, site
from tests.support.services.caches import start_redis
from tests.support.services.databases import start_postgresql

YEARS = 3

FILL_COUNTS = """
INSERT INTO sessions_plus_hourcount (span, hour, event, outcome, reason, count)
SELECT 'hour', hour, event, outcome, reason, (random() * 500)::int
FROM generate_series(date_trunc('hour', now()) - interval '{years} years',
                     date_trunc('hour', now()), interval '1 hour') AS hour,
     (VALUES {kinds}) AS kind (event, outcome, reason);

INSERT INTO sessions_plus_hourcount (span, hour, event, outcome, reason, count)
SELECT 'day', date_trunc('day', hour AT TIME ZONE 'UTC') AT TIME ZONE 'UTC',
       event, outcome, reason, CASE WHEN outcome = '' THEN max(count) ELSE sum(count) END
FROM sessions_plus_hourcount
GROUP BY 2, 3, 4, 5;

INSERT INTO sessions_plus_hourcount (span, hour, event, outcome, reason, count)
SELECT 'ever', 'epoch', event, outcome, reason, sum(count)
FROM sessions_plus_hourcount WHERE span = 'day' AND outcome <> '' GROUP BY 3, 4, 5;
VACUUM ANALYZE sessions_plus_hourcount;
"""

FILL_EVENTS = """
INSERT INTO sessions_plus_sessionevent (at, event, outcome, reason, user_id, user_agent, request_id,
                                        count)
SELECT now() - interval '90 days' * (1 - n::float / {events}),
       (ARRAY['session.started', 'session.started', 'sign_in.failed', 'session.revoked',
              'session.signed_out', 'device.first_seen'])[1 + n % 6],
       'success', (ARRAY['pwd', 'pwd otp', '', 'key_reused', '', ''])[1 + n % 6],
       n % 1000, '', '', 1
FROM generate_series(1, {events}) AS n;
VACUUM ANALYZE sessions_plus_sessionevent;
"""


def kinds() -> list[tuple[str, str, str]]:
    """Every kind of event that a busy site counts in an hour, and every measure."""
    from sessions_plus.models import Event, Kind, Measure, Reason

    methods = ("pwd", "ext", "pwd otp", "pwd rcv", "pwd dev", "imp")
    found: list[tuple[str, str, str]]
    found = [(Event.SESSION_STARTED, "success", text) for text in methods]
    found += [(Event.SESSION_REVOKED, "success", reason.value) for reason in Reason]
    found += [
        (Event.SESSION_EXPIRED, "success", text) for text in ("idle_timeout", "absolute_lifetime")
    ]
    found += [
        (event, "success", "")
        for event in Event
        if event not in (Event.SESSION_STARTED, Event.SESSION_REVOKED, Event.SESSION_EXPIRED)
    ]
    found += [(Measure.ACTIVE_SESSIONS, "", kind.value) for kind in Kind]
    found.append((Measure.SECOND_FACTORS, "", ""))
    return [(str(event), outcome, reason) for event, outcome, reason in found]


def fill_counts() -> int:
    """Count three years of hours, and their days; return how many rows that is."""
    rows = ", ".join(str(kind) for kind in kinds())
    _run(FILL_COUNTS.format(years=YEARS, kinds=rows))
    return _number("SELECT count(*) FROM sessions_plus_hourcount")


def fill_events(events: int) -> None:
    _run(FILL_EVENTS.format(events=events))


def _run(sql: str) -> None:
    from django.db import connection

    with connection.cursor() as cursor:
        for statement in filter(str.strip, sql.split(";")):
            cursor.execute(statement)


def _number(sql: str) -> int:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(sql)
        return int(cursor.fetchone()[0])


def measure(act: Callable[[], object], rounds: int) -> tuple[float, float, int]:
    """Return the median milliseconds of it, of its statements, and how many those are."""
    from django.db import connection

    whole: list[float] = []
    in_statements: list[float] = []
    count = 0
    for _ in range(rounds):
        spent: list[float] = []

        def timed(
            execute: Any, sql: Any, params: Any, many: Any, context: Any, into: Any = spent
        ) -> Any:
            start = time.perf_counter()
            try:
                return execute(sql, params, many, context)
            finally:
                into.append(time.perf_counter() - start)

        start = time.perf_counter()
        with connection.execute_wrapper(timed):
            act()
        whole.append(time.perf_counter() - start)
        in_statements.append(sum(spent))
        count = len(spent)
    return statistics.median(whole) * 1000, statistics.median(in_statements) * 1000, count


def acts() -> dict[str, Callable[[], object]]:
    from django.contrib.auth import get_user_model
    from django.test import Client

    client = Client()
    client.force_login(get_user_model()._default_manager.create_superuser("desk", "", "a password"))

    def get(url: str) -> Callable[[], object]:
        return lambda: client.get(url)

    found = {"the admin's index, to compare": get("/admin/")} | {
        f"overview, {period}": get(f"/admin/sessions_plus/overview/?period={period}")
        for period in ("day", "month", "year")
    }
    page: Any = client.get("/admin/sessions_plus/overview/?period=month")
    for chart in page.context_data["charts"]:
        cells = [cell for series in chart.series for cell in series.cells if cell.url]
        if chart.name in ("sign_ins", "ended") and cells:
            found[f"list behind a bar of {chart.name}"] = get(cells[len(cells) // 2].url)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sessions", type=int, default=5_000_000)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=50)
    options = parser.parse_args()
    postgresql, redis = start_postgresql(), start_redis()
    try:
        with site(postgresql.url, redis.url):
            from django.core.management import call_command

            call_command("migrate", verbosity=0)
            fill(options.sessions)
            fill_events(options.events)
            print(f"{options.sessions:,} sessions, {options.events:,} events, ", end="")
            print(f"{fill_counts():,} counts of {YEARS} years")
            print(f"{'milliseconds, median':30s} {'page':>8s} {'in statements':>15s}")
            for name, act in acts().items():
                whole, statements, count = measure(act, options.rounds)
                print(f"{name:30s} {whole:8.1f} {statements:11.1f} ({count})")
    finally:
        redis.stop()
        postgresql.stop()


if __name__ == "__main__":
    main()
