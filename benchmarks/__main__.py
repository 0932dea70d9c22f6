"""
Run the stacks beside each other, in turns, and print what a request costs.

``python -m benchmarks [--rounds N] [--count N]``. PostgreSQL and Redis are thrown away
afterwards. The cost of a request is its median time less that of the same stack
without sessions; what is compared is its ratio to Django's ``cached_db``. So is its CPU time,
which others on the machine make little difference to.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from benchmarks.stacks import STACKS
from tests.support.databases import from_url
from tests.support.services.caches import start_redis
from tests.support.services.databases import start_postgresql

SYNC = ("ignored", "read", "write", "sign-in", "sign-in again", "sign-in anew", "bogus")
ASYNC = ("asgi ignored", "asgi read")
BASE = "django cached_db"

FLOORS = {"none": ("ignored", "find user", "asgi ignored"), "bare GET": ("read",)}

# What takes microseconds is asked more often, to tell it from what the machine does.
OFTENER = {"ignored": 20, "asgi ignored": 5, "bogus": 4, "read": 4, "asgi read": 2}


class Worker:
    """A stack's process, and the times that it measured."""

    def __init__(self, name: str, database: dict[str, Any], redis_url: str) -> None:
        self.name = name
        self.process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.times: dict[str, list[float]] = {}
        self.cpu_times: dict[str, list[float]] = {}
        self.ask(stack=name, database=database, redis_url=redis_url)

    def ask(self, **order: Any) -> Any:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(order) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"The stack {self.name!r} ended")
        return json.loads(line)

    def measure(self, scenario: str, count: int) -> None:
        count *= OFTENER.get(scenario, 1)
        took = self.ask(run=scenario, count=count)
        self.times.setdefault(scenario, []).append(took["seconds"] / count)
        self.cpu_times.setdefault(scenario, []).append(took["cpu"] / count)

    def forget(self) -> None:
        self.times.clear()
        self.cpu_times.clear()

    def cost(self, scenario: str, *, of_cpu: bool = False) -> float:
        """The median time of one request, in microseconds."""
        times = self.cpu_times if of_cpu else self.times
        return statistics.median(times[scenario]) * 1e6

    def stop(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait(10)


def scenarios_of(name: str) -> tuple[str, ...]:
    if name in FLOORS:
        return FLOORS[name]
    return SYNC + (ASYNC if STACKS[name].is_async_native else ())


@contextmanager
def workers(names: list[str]) -> Iterator[dict[str, Worker]]:
    """Start a process for each stack, each with a database and a cache of its own."""
    postgresql, redis = start_postgresql(), start_redis()
    started: dict[str, Worker] = {}
    try:
        for number, name in enumerate(names):
            database = from_url(postgresql.url)
            subprocess.run(
                ["psql", "-q", postgresql.url, "-c", f"CREATE DATABASE bench{number}"], check=True
            )
            database["NAME"] = f"bench{number}"
            started[name] = Worker(name, database, f"{redis.url}/{number}")
        yield started
    finally:
        for worker in started.values():
            worker.stop()
        redis.stop()
        postgresql.stop()


def measure(crew: dict[str, Worker], *, rounds: int, count: int) -> None:
    """Take turns, so that whatever else the machine does meets all of them alike."""
    for number in range(rounds + 1):
        for scenario in ("find user", *SYNC, *ASYNC):
            for name, worker in crew.items():
                if scenario in scenarios_of(name):
                    worker.measure(scenario, count)
        if number == 0:  # the first round warms up
            for worker in crew.values():
                worker.forget()
        print(f"round {number} of {rounds}", file=sys.stderr)


def without_session(scenario: str) -> str:
    """Return what a stack without sessions does of it."""
    if scenario.startswith("sign-in"):
        return "find user"
    return "asgi ignored" if scenario.startswith("asgi") else "ignored"


def report(crew: dict[str, Worker], *, of_cpu: bool = False) -> Iterator[str]:
    def cost(name: str, scenario: str) -> float:
        floor = crew["none"].cost(without_session(scenario), of_cpu=of_cpu)
        return crew[name].cost(scenario, of_cpu=of_cpu) - floor

    shown = [name for name in crew if name != "none"]
    title = "CPU time" if of_cpu else "time"
    yield f"{title:14s} " + " ".join(f"{name:>20s}" for name in shown)
    for scenario in SYNC + ASYNC:
        cells = []
        for name in shown:
            if scenario not in scenarios_of(name):
                cells.append(f"{'-':>20s}")
                continue
            took = cost(name, scenario)
            cells.append(f"{took:9.0f} µs {took / cost(BASE, scenario):6.2f}x")
        yield f"{scenario:14s} " + " ".join(f"{cell:>20s}" for cell in cells)


def report_counts(crew: dict[str, Worker]) -> Iterator[str]:
    yield "SQL statements / transactions that wrote + cache commands, Python calls of one request"
    for scenario in SYNC + ASYNC:
        cells = []
        for name, worker in crew.items():
            if name == "none":
                continue
            if scenario not in scenarios_of(name):
                cells.append(f"{'-':>20s}")
                continue
            found = worker.ask(run=scenario, count=1, counted=True)
            text = f"{found['sql']}/{found['flushes']} + {found['cache']}, {found['calls']}"
            cells.append(f"{text:>20s}")
        yield f"{scenario:14s} " + " ".join(cells)


def report_faults(crew: dict[str, Worker], rounds: int) -> Iterator[str]:
    shown = [worker for name, worker in crew.items() if name not in FLOORS]
    lost = [worker.ask(run="lost updates", count=rounds)["lost"] for worker in shown]
    yield f"{'updates lost':14s} " + " ".join(f"{f'{n} of {rounds}':>20s}" for n in lost)
    back = [worker.ask(run="revoke races", count=rounds)["came_back"] for worker in shown]
    yield f"{'came back':14s} " + " ".join(f"{f'{n} of {rounds}':>20s}" for n in back)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15, help="turns of each stack")
    parser.add_argument("--count", type=int, default=100, help="requests a turn")
    parser.add_argument("--races", type=int, default=1000, help="rounds of each race; 0: none")
    parser.add_argument("--only", nargs="*", help="stacks besides the floor and the base")
    options = parser.parse_args()
    names = [name for name in STACKS if not options.only or name in {*FLOORS, BASE, *options.only}]
    print(f"{platform.machine()}, Python {platform.python_version()}")
    with workers(names) as crew:
        measure(crew, rounds=options.rounds, count=options.count)
        print(*report(crew), "", *report(crew, of_cpu=True), "", sep="\n")
        print(*report_counts(crew), "", sep="\n")
        if options.races:
            print(*report_faults(crew, options.races), sep="\n")


if __name__ == "__main__":
    main()
