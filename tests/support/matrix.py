"""
Run the quick tests on each supported Python that is installed, with each Django it goes with.

The newest pair runs every face and feature, those between it and the oldest what is closest
to Python and Django. One environment per Python, two at a time; the pair that runs this, which
should be the oldest, is left to ``make test``.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import django

from tests.support.run import ONCE

ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENTS = ROOT / ".cache" / "matrix"
MATRIX = {
    "3.11": ["5.2"],
    "3.12": ["5.2", "6.0", "6.1"],
    "3.13": ["5.2", "6.0", "6.1"],
}
SCHEMATHESIS = "tests/api/test_schemathesis.py"  # asks a server that runs once
NEWEST = ("3.13", "6.1")

CLOSEST = [
    "test_middleware.py",
    "test_after_view.py",
    "test_auth_backends.py",
    "test_checks.py",
    "store/test_session_store.py",
    "cache/test_fast_path.py",
    "test_keys.py",
    "admin",
    "lifecycle/test_rotation.py",
    "lifecycle/test_limits.py",
    "mfa/test_challenge.py",
    "views",
]

EVERY_PART = [
    "test_middleware.py",
    "test_after_view.py",
    "test_auth_backends.py",
    "test_checks.py",
    "test_events.py",
    "test_policy.py",
    "test_crypto.py",
    "admin",
    "api",
    "store/test_session_store.py",
    "cache/test_fast_path.py",
    "test_keys.py",
    "client_info",
    "commands",
    "devices",
    "lifecycle",
    "mfa",
    "notices",
    "tokens",
    "views",
]


@dataclass(frozen=True)
class Result:
    """How one pair of Python and Django went."""

    title: str
    passed: bool
    output: str

    def __str__(self) -> str:
        last = self.output.strip().rpartition("\n")[2]
        return f"{self.title}: {last}" if self.passed else f"{self.title}: FAILED\n{self.output}"


def main() -> int:
    with ThreadPoolExecutor(max_workers=2) as pool:
        rows = pool.map(lambda python: list(run_python(python)), MATRIX)
        results = [result for row in rows for result in row]
    for result in results:
        print(result)
    return 0 if all(result.passed for result in results) else 1


def run_python(python: str) -> Iterator[Result]:
    """Run the tests on one Python with each of its Djangos, in one environment."""
    here = (f"{sys.version_info.major}.{sys.version_info.minor}", django.__version__[:3])
    versions = [version for version in MATRIX[python] if (python, version) != here]
    if not versions:
        return
    program = find_python(python)
    if program is None:
        yield Result(f"Python {python}", passed=True, output="not exercised here: not installed")
        return
    environment = ENVIRONMENTS / python
    subprocess.run([program, "-m", "venv", "--clear", environment], check=True)
    for version in versions:
        title = f"Python {python}, Django {version}"
        done = install(environment, version)
        if done.returncode == 0:
            is_newest = (python, version) == NEWEST
            # Which comes last, when the other Python has done all of its own.
            parts, workers = (EVERY_PART, 2) if is_newest else (CLOSEST, 0)
            done = run_tests(environment, parts, workers)
        yield Result(title, passed=done.returncode == 0, output=done.stdout)


def find_python(version: str) -> str | None:
    """Return the path of this Python, on the search path or among pyenv's."""
    if program := shutil.which(f"python{version}"):
        done = subprocess.run([program, "--version"], capture_output=True, text=True, check=False)
        # pyenv puts a program of this name in the path that works only where it is selected.
        if done.stdout.startswith(f"Python {version}."):
            return program
    root = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    found = sorted(root.glob(f"versions/{version}.*/bin/python"))
    return str(found[-1]) if found else None


def install(environment: Path, version: str) -> subprocess.CompletedProcess[str]:
    """Install what is pinned, but Django in this version."""
    pinned = (ROOT / "requirements.txt").read_text()
    wanted = environment / "requirements.txt"
    wanted.write_text(re.sub(r"(?m)^Django==.*$", f"Django~={version}.0", pinned))
    python = environment / "bin" / "python"
    options = ["--quiet", "--disable-pip-version-check", "--requirement"]
    return run([python, "-m", "pip", "install", *options, wanted])


def run_tests(
    environment: Path, parts: list[str], workers: int
) -> subprocess.CompletedProcess[str]:
    python = environment / "bin" / "python"
    paths = [f"tests/{name}" for name in parts]
    options = ["-q", "-p", "no:cacheprovider", "-m", ONCE, "--deselect", SCHEMATHESIS]
    options += ["-n", str(workers)]
    return run([python, "-m", "pytest", *options, *paths])


def run(command: list[str | Path]) -> subprocess.CompletedProcess[str]:
    environ = {**os.environ, "TEST_DATABASE_URL": "", "TEST_PAIRS": "half"}
    return subprocess.run(
        command,
        cwd=ROOT,
        env=environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )


if __name__ == "__main__":
    sys.exit(main())
