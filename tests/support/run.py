"""
Run every test: on SQLite, there with naive datetimes too, in the browser, and on each database
server that is installed, on PostgreSQL what writes sessions also in partitions by month. Both
engines in both worlds meet on SQLite; elsewhere each test runs with each engine and in each world.

Each run is a pytest of its own. At the end stand their closing lines and what could not be
exercised on this machine; the exit code is 0 only if every run passed. Arguments go to pytest.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from tests.support.services import NOT_EXERCISED
from tests.support.services.databases import start_mariadb, start_postgresql
from tests.support.services.process import Missing, Server

# What does not depend on the database of the site is shown once, on SQLite.
ONCE = "not browser and not packaging and not services"

# Nor do these ask the database anything that it could answer otherwise than SQLite does.
SAME_EVERYWHERE = [
    "client_info",
    "commands/test_doctor_from_outside.py",
    "journeys",
    "lifecycle/test_user_names.py",
    "logs/test_formats.py",
    "mfa/test_totp.py",
    "mfa/test_typed_code.py",
    "test_architecture.py",
    "test_checks.py",
    "test_crypto.py",
    "test_docs.py",
    "test_missing_parts.py",
    "test_policy.py",
    "test_readme.py",
    "test_sabotages.py",
    "test_save_every_request.py",
    "test_start.py",
    "test_translations.py",
    "test_twins.py",
    "test_typing.py",
    "test_uuid_users.py",
    "test_without_api.py",
    "api/test_schema.py",
    "api/test_schemathesis.py",
    "cache/test_cache_kinds.py",
    "cache/test_fast_path.py",
    "cache/test_fast_path_in_requests.py",
    "devices/test_own_events.py",
    "test_keys.py",
    "rows/test_user_state.py",
    "security/test_api_sweeps.py",
    "security/test_cache_forgery.py",
    "security/test_client_change.py",
    "security/test_cookies.py",
    "security/test_documents.py",
    "security/test_error_reports.py",
    "security/test_headers.py",
    "security/test_odd_requests.py",
    "security/test_redirect_targets.py",
    "security/test_token_forgery.py",
    "views/test_words.py",
]

# Nor are these otherwise where ``USE_TZ`` is off: they know no moments, or start processes with
# settings of their own.
SAME_IN_ANY_ZONE = [
    "client_info",
    "journeys",
    "api/test_schemathesis.py",
    "cache/test_cache_faults.py",
    "cache/test_deadlines.py",
    "cache/test_kept_connections.py",
    "commands/test_doctor_from_outside.py",
    "devices/test_own_events.py",
    "lifecycle/test_user_names.py",
    "logs/test_export_through_kills.py",
    "maintenance/test_counts_of_many_workers.py",
    "models/test_character_sets.py",
    "models/test_text.py",
    "privacy/test_inventory.py",
    "rows/test_user_state.py",
    "security/test_api_sweeps.py",
    "security/test_cache_forgery.py",
    "security/test_error_reports.py",
    "security/test_headers.py",
    "security/test_hostile_text.py",
    "security/test_redirect_targets.py",
    "store/test_merge.py",
    "store/test_own_database.py",
    "test_architecture.py",
    "test_benchmarks.py",
    "test_checks.py",
    "test_crypto.py",
    "test_docs.py",
    "test_foreign_suites.py",
    "test_missing_parts.py",
    "test_policy.py",
    "test_readme.py",
    "test_sabotages.py",
    "test_services.py",
    "test_start.py",
    "test_translations.py",
    "test_twins.py",
    "test_typing.py",
    "test_uuid_users.py",
]

# There are two cores, and many a test waits for a server, a process or a clock.
WORKERS = ["-n", "4", "--dist", "worksteal"]

# What writes sessions and events, or removes them, also where they lie in partitions.
BY_MONTH = ["commands/test_clearsessions.py", "maintenance", "rows", "store"]


@dataclass
class Outcome:
    """What one pytest said: exit code, its last line, what it left out and which tests failed."""

    title: str
    exit_code: int = 0
    closing_line: str = ""
    left_out: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)


def main(arguments: list[str]) -> int:
    outcomes = [
        run("SQLite", [*WORKERS, "-m", "not browser", *arguments], pairs="all"),
        run("No zones", without_time_zones(arguments)),
        run("Browser", [*WORKERS, "-n", "3", "-m", "browser", *arguments]),
        run_on("PostgreSQL", start_postgresql, arguments),
        run_on("By month", start_postgresql, arguments, only=BY_MONTH),
        run_on("MariaDB", start_mariadb, arguments),
    ]
    print("\nIn short")
    for outcome in outcomes:
        print(f"{outcome.title:<12}{outcome.closing_line}")
        for line in outcome.failed:
            print(f"{'':<12}{line}")
    for line in sorted({line for outcome in outcomes for line in outcome.left_out}):
        print(line)
    return 1 if any(outcome.exit_code for outcome in outcomes) else 0


def without_time_zones(arguments: list[str]) -> list[str]:
    """Return what runs all that tells the time where ``USE_TZ`` is off."""
    left_out = [f"--ignore=tests/{name}" for name in SAME_IN_ANY_ZONE]
    naive = ["--ds=tests.settings_naive", "-m", "not browser and not packaging"]
    return [*WORKERS, *naive, *left_out, *arguments]


def run_on(
    title: str, start: Callable[[], Server], arguments: list[str], *, only: Sequence[str] = ()
) -> Outcome:
    """
    Run what the database matters to with a throwaway server as the site's database.

    ``only`` these of the tests, if given: on partitions by month.
    """
    try:
        with running(start) as server:
            chosen = [
                *WORKERS,
                "-m",
                ONCE,
                *(f"--ignore=tests/{name}" for name in SAME_EVERYWHERE),
                *(f"tests/{name}" for name in only),
            ]
            return run(title, [*chosen, *arguments], database=server.url, has_partitions=bool(only))
    except Missing as missing:
        required = os.environ.get("SESSIONS_PLUS_REQUIRE_SERVICES") == "1"
        reason = f"{NOT_EXERCISED}the suite on {title}, as {missing}"
        return Outcome(title, int(required), "not run", [reason])


@contextmanager
def running(start: Callable[[], Server]) -> Iterator[Server]:
    server = start()
    try:
        yield server
    finally:
        server.stop()


def run(
    title: str,
    arguments: list[str],
    *,
    database: str = "",
    has_partitions: bool = False,
    pairs: str = "half",
) -> Outcome:
    """Run pytest, showing its output as it comes. ``pairs``: see ``every_other_pair``."""
    print(f"\n{title}", flush=True)
    outcome = Outcome(title)
    colour = "yes" if sys.stdout.isatty() else "no"
    with subprocess.Popen(
        [sys.executable, "-m", "pytest", "-q", f"--color={colour}", *arguments],
        env={
            **os.environ,
            "TEST_DATABASE_URL": database,
            "TEST_PARTITIONS": "1" if has_partitions else "",
            "TEST_PAIRS": pairs,
        },
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        for line in process.stdout or ():
            print(line, end="", flush=True)
            if line.startswith(NOT_EXERCISED):
                outcome.left_out.append(line.strip())
            if line.startswith(("FAILED ", "ERROR ")):
                outcome.failed.append(line.strip())
            outcome.closing_line = line.strip() or outcome.closing_line
    outcome.exit_code = process.returncode
    return outcome


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
