"""
Run released tests of others without us and with us, and print what became of them.

``python -m tests.foreign_suites [WORD ...] [--postgresql]`` runs those whose name holds a word.
It fails on every difference that is not in ``expected``, on every one there that is none, and
on one that does not show the reason that is given there.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from tests.foreign_suites.expected import EXPECTED, Reason
from tests.foreign_suites.runs import AS_IT_IS, Run, run
from tests.foreign_suites.sources import find_source
from tests.foreign_suites.suites import SUITES, Suite
from tests.support.databases import from_url
from tests.support.environments import BESIDE, OURS, ROOT, python_with
from tests.support.services.databases import start_postgresql

NEEDED = ROOT / "tests" / "foreign_suites" / "requirements.txt"
ENGINES = ("sessions_plus.backends.db", "sessions_plus.backends.cached_db")


def main(arguments: list[str]) -> int:
    python = python_with("foreign-environment", OURS, BESIDE, NEEDED)
    if sys.executable != str(python):
        command = [str(python), "-m", "tests.foreign_suites", *arguments]
        return subprocess.run(command, cwd=ROOT, check=False).returncode
    words = [word for word in arguments if not word.startswith("--")]
    chosen = [suite for suite in SUITES if not words or any(word in str(suite) for word in words)]
    print(f"| {'Tests of':30} | {'Database':10} | {'with':10} | passed | failed | skipped |")
    with database_of(arguments) as database:
        unexpected = sum(compare(suite, database) for suite in chosen)
    print(f"{unexpected} unexpected differences")
    return 1 if unexpected or not chosen else 0


@contextmanager
def database_of(arguments: list[str]) -> Iterator[Mapping[str, Any] | None]:
    """Give the database that was asked for; None: the suite's own, which is SQLite."""
    if "--postgresql" not in arguments:
        yield None
        return
    server = start_postgresql()
    try:
        yield from_url(server.url)
    finally:
        server.stop()


def compare(suite: Suite, database: Mapping[str, Any] | None) -> int:
    """Run a suite as it is and with each engine; return how many differences nobody expects."""
    name = "PostgreSQL" if database else "SQLite"
    source = find_source(suite)
    before = run(suite, source, engine=AS_IT_IS, database=database)
    _print_row(suite, name, "nothing", before)
    shows_nothing = before.count("passed") < max(1, before.count("failed"))
    found = _complain(f"{suite} does not run here", before.output) if shows_nothing else 0
    expected = EXPECTED.get((str(suite), name), {})
    for engine in ENGINES:
        after = run(suite, source, engine=engine, database=database)
        _print_row(suite, name, engine.rpartition(".")[2], after)
        found += _judge(before, after, expected)
    return found


def _judge(before: Run, after: Run, expected: Mapping[str, Reason]) -> int:
    """Print and count what is not as the list says: a difference, none, or its reason."""
    found = before.differences(after)
    wrong, met = [], set()
    for test, difference in found.items():
        name = next((name for name in expected if _names(name, test)), None)
        met.add(name)
        if name is None:
            wrong.append(f"{difference}: {test}")
        elif expected[name].shown_by not in after.said.get(test, ""):
            wrong.append(f"differs, and not as the list says: {test}")
    wrong += [f"expected to differ, and does not: {name}" for name in expected.keys() - met]
    print("".join(f"  {line}\n" for line in sorted(wrong)), end="")
    return _complain(f"{len(wrong)} differences", after.output, count=len(wrong)) if wrong else 0


def _names(name: str, test: str) -> bool:
    """Say whether an entry of the list is of a test: by its name, or by how it begins."""
    return test.startswith(name[:-1]) if name.endswith("*") else test == name


def _complain(what: str, output: str, *, count: int = 1) -> int:
    print(f"  {what}; the end of what it said:\n{output[-4000:]}")
    return count


def _print_row(suite: Suite, database: str, engine: str, done: Run) -> None:
    counts = " | ".join(f"{done.count(each):6}" for each in ("passed", "failed", "skipped"))
    print(f"| {suite!s:30} | {database:10} | {engine:10} | {counts}  |", flush=True)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
