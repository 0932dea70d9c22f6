"""Run tests on a site with other settings, which take a process of its own."""

from __future__ import annotations

import subprocess
import sys


def assert_they_pass(*tests: str, settings: str) -> None:
    """Run the files with that settings module; fail with what pytest said where one fails."""
    run = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider"),
            *("--ds", settings, *tests),
        ],
        capture_output=True,
        text=True,
        check=False,
    )

    assert run.returncode == 0, run.stdout[-3000:]
    assert " passed" in run.stdout
