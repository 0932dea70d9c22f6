"""A site whose users have UUIDs gets the same promises: the same tests, in a process of their own."""

from __future__ import annotations

import subprocess
import sys

SAME_TESTS = [
    "tests/backends/test_store.py",
    "tests/devices/test_recognition.py",
    "tests/lifecycle/test_revocation.py",
    "tests/lifecycle/test_rotation.py",
    "tests/lifecycle/test_users.py",
    "tests/test_middleware.py",
]


def test_everything_holds_for_users_with_uuids() -> None:
    """Store, middleware, devices and revocation work on a user model with a UUID key."""
    run = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider"),
            *("--ds", "tests.settings_uuid_users", *SAME_TESTS),
        ],
        capture_output=True,
        text=True,
        check=False,
    )

    assert run.returncode == 0, run.stdout[-3000:]
    assert " passed" in run.stdout
