"""Run tests on a site with other settings, which take a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys


def assert_they_pass(*tests: str, settings: str, database: str | None = None) -> None:
    """
    Run the files with that settings module; fail with what pytest said where one fails.

    ``database`` is the URL of one of their own; None: that of the tests.
    """
    own = {} if database is None else {"TEST_DATABASE_URL": database}
    run = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider"),
            *("--ds", settings, *tests),
        ],
        env={**os.environ, "TEST_PARTITIONS": "", **own},
        capture_output=True,
        text=True,
        check=False,
    )

    assert run.returncode == 0, run.stdout[-3000:]
    assert " passed" in run.stdout
