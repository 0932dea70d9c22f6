"""What benchmarks tell and keep while they run, and that whole servers can be measured."""

from __future__ import annotations

import json
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.support.services import obtain
from tests.support.services.databases import find_postgresql
from tests.support.services.process import find_program

pytest.importorskip("benchmarks.growth")


def test_growth_keeps_what_it_measured(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """After each size the file has all figures so far, and who waits is told where."""
    from benchmarks.growth import keep

    path = tmp_path / "new" / "growth.json"
    keep(path, {10: {"load": 1.5}}, {})
    first = json.loads(path.read_text())
    keep(path, {10: {"load": 1.5}, 20: {"load": 1.6}}, {"ratio": 1.2})

    assert first == {"milliseconds": {"10": {"load": 1.5}}, "clean-up": {}}
    assert json.loads(path.read_text())["milliseconds"]["20"] == {"load": 1.6}
    told = capsys.readouterr()
    assert str(path) in told.err
    assert told.out == ""  # the figures alone


@pytest.fixture
def round_of_http() -> Any:
    """A round in which the other stack answers twice as many in half the time, but not all."""
    from benchmarks.http import BASE, Took

    def measured(speed: float) -> Any:
        stacks = {
            BASE: Took(100 * speed, 40 / speed),
            "ours db": Took(200 * speed, 20 / speed, failed=0.25),
        }
        return {"gunicorn": {"read": stacks}}

    return measured


def test_http_compares_within_a_round(round_of_http: Any) -> None:
    """However fast the machine is in a round, a ratio is to what the base did in the same one."""
    from benchmarks.http import table

    *_, row = table([round_of_http(1), round_of_http(3), round_of_http(0.1)])

    assert row == "| gunicorn, read | 100/s, 40 ms | 2.00, 0.50 (up to 25.0% failed) |"


def test_http_keeps_each_round(round_of_http: Any, tmp_path: Path) -> None:
    """After each round the file has all of them so far."""
    from benchmarks.http import BASE, keep

    path = tmp_path / "new" / "http.json"
    keep(path, [round_of_http(1)])
    keep(path, [round_of_http(1), round_of_http(2)])

    rates = [one["gunicorn"]["read"][BASE]["rate"] for one in json.loads(path.read_text())]
    assert rates == [100, 200]


def test_http_says_what_is_not_answered() -> None:
    """Answers that are no success are told as a share; none at all is an error."""
    from benchmarks.http import Took

    line = {"requests": 200, "seconds": 2, "p50": 1, "p99": 9, "refused": 10, "broken": 10}

    assert Took.read(json.dumps(line)) == Took(rate=100, p99=9, failed=0.1)
    with pytest.raises(RuntimeError, match="Nothing was answered"):
        Took.read(json.dumps(line | {"requests": 0}))


@pytest.mark.services
def test_http_runs(tmp_path: Path) -> None:
    """A short run of both servers ends with a table in which each request has been answered."""
    for name in ("wrk", "redis-server"):
        obtain(partial(find_program, name))
    obtain(find_postgresql)
    for name in ("gunicorn", "uvicorn"):
        pytest.importorskip(name)

    done = subprocess.run(
        [
            *(sys.executable, "-m", "benchmarks.http", "--rounds", "1", "--connections", "2"),
            *("--only", "ours cached_db", "--requests", "read", "sign-in"),
            *("--keep", str(tmp_path / "http.json")),
        ],
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr[-3000:]
    rows = [line.split(" | ") for line in done.stdout.splitlines() if line.startswith("| ")]
    assert [row[0] for row in rows] == [
        "| Server, request",
        *("| gunicorn, read", "| gunicorn, sign-in", "| uvicorn, read", "| uvicorn, sign-in"),
    ]
    assert "failed" not in done.stdout
    assert "Round 1 of 1" in done.stderr
