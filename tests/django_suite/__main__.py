"""
Run Django's tests of all that uses sessions with each of our engines.

``python -m tests.django_suite [--engine PATH] [LABEL ...]``. With an engine of Django's nothing
of ours takes part: so one tells our failures from those of the machine.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

from tests.django_suite.allowed import ALLOWED
from tests.django_suite.source import find_django_tests

ROOT = Path(__file__).resolve().parents[2]
ENGINES = ["sessions_plus.backends.db", "sessions_plus.backends.cached_db"]
LABELS = [
    "sessions_tests.tests.SessionMiddlewareTests",
    "tests.django_suite.engines",
    "auth_tests",
    "messages_tests",
    "test_client",
    "csrf_tests",
    "admin_views",
]
MOST_ALLOWED = 9
DJANGOS_MIDDLEWARE = "django.contrib.sessions.middleware.SessionMiddleware"
OUR_MIDDLEWARE = "sessions_plus.middleware.SessionMiddleware"


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="tests.django_suite", description=__doc__)
    parser.add_argument("--engine", action="append", help="default: each of ours")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("labels", nargs="*", default=LABELS)
    options = parser.parse_args(arguments)
    if options.inside:
        return run_inside(options.labels)
    if len(ALLOWED) > MOST_ALLOWED:
        print(f"The allow-list names {len(ALLOWED)} tests; {MOST_ALLOWED} is the most.")
        return 1
    source = find_django_tests()
    with ThreadPoolExecutor() as pool:
        run_engine = partial(run, labels=options.labels, source=source)
        return max(pool.map(run_engine, options.engine or ENGINES))


def run(engine: str, *, labels: list[str], source: Path) -> int:
    """Run the suite in a process of its own, as Django can be set up only once in one."""
    with tempfile.TemporaryDirectory(prefix="sp-django-") as directory:
        done = subprocess.run(
            [sys.executable, "-m", "tests.django_suite", "--inside", *labels],
            cwd=ROOT,
            env={
                **os.environ,
                "DJANGO_SUITE_ENGINE": engine,
                "DJANGO_SETTINGS_MODULE": "tests.django_suite.settings",
                "PYTHONPATH": os.pathsep.join([str(ROOT), str(source)]),
                "TMPDIR": directory,
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
    print(f"Django's tests with {engine}\n{done.stdout}", flush=True)
    return done.returncode


def run_inside(labels: list[str]) -> int:
    """Run Django's ``runtests.py`` as a module, with our app and middleware put in."""
    import runtests

    if os.environ["DJANGO_SUITE_ENGINE"].startswith("sessions_plus."):
        put_ours_in(runtests)
    os.chdir(runtests.RUNTESTS_DIR)
    failures = runtests.django_tests(
        verbosity=1,
        interactive=False,
        failfast=False,
        keepdb=False,
        reverse=False,
        test_labels=labels,
        debug_sql=False,
        parallel=1,
        tags=[],
        exclude_tags=["selenium"],
        test_name_patterns=None,
        start_at=None,
        start_after=None,
        pdb=False,
        buffer=False,
        timing=False,
        shuffle=False,
    )
    return 1 if failures else 0


def put_ours_in(runtests: Any) -> None:
    """Give every site of the tests our app and our middleware."""
    runtests.ALWAYS_INSTALLED_APPS.append("sessions_plus")
    runtests.ALWAYS_MIDDLEWARE[:] = [
        OUR_MIDDLEWARE if path == DJANGOS_MIDDLEWARE else path
        for path in runtests.ALWAYS_MIDDLEWARE
    ]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
