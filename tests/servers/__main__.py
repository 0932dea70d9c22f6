"""
Start each server with two processes, visit it, and print which of them a site runs with.

``python -m tests.servers [WORD ...]`` visits those whose name holds a word. It runs in the
environment of ``tests.integrations``, which has the servers.
"""

from __future__ import annotations

import subprocess
import sys
from contextlib import closing
from time import monotonic

from tests.servers.kinds import KINDS, Kind
from tests.servers.surroundings import Surroundings
from tests.servers.visit import Failed, visit
from tests.support.environments import ROOT, python_beside


def main(words: list[str]) -> int:
    python = python_beside()
    if sys.executable != str(python):
        command = [str(python), "-m", "tests.servers", *words]
        return subprocess.run(command, cwd=ROOT, check=False).returncode
    chosen = [kind for kind in KINDS if not words or any(word in str(kind) for word in words)]
    print(f"| {'Server':18} | {'Between it and PostgreSQL':30} | {'':6} |", flush=True)
    with closing(Surroundings()) as around:
        failures = sum(not row(kind, around) for kind in chosen)
    print(f"\n{len(chosen) - failures} passed, {failures} failed")
    return 1 if failures or not chosen else 0


def row(kind: Kind, around: Surroundings) -> bool:
    """Visit one, and print its row; return whether a site runs with it."""
    began = monotonic()
    try:
        visit(kind, around.environment(kind.between))
    except (Failed, RuntimeError, TimeoutError) as error:
        print(f"| {kind.server:18} | {kind.between:30} | FAILED |\n{error}", flush=True)
        return False
    took = monotonic() - began
    print(f"| {kind.server:18} | {kind.between:30} | {took:4.0f} s |", flush=True)
    return True


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
