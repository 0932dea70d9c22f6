"""
What whole servers answer in a second: gunicorn and uvicorn, two workers each, asked by wrk.

``python -m benchmarks.http [--rounds N] [--seconds S] [--only STACK …] [--keep FILE]``. Every stack
runs on both servers at once, with a database and a cache of its own, and all take turns in rounds.
Shown is a table of ratios to Django's ``cached_db``, each within its round, as their medians. What
is under way is told meanwhile, and kept in FILE as JSON after each round; whoever interrupts it
gets the table of the rounds that are done.

wrk, as what asks must take little of a machine that the servers need: it is in C, kept, in every
distribution, and tells a distribution of latencies. A loader in Python would measure itself.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from http.cookies import SimpleCookie
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import django

from benchmarks.growth import say
from benchmarks.http_site import ALL, names
from tests.support.databases import from_url
from tests.support.services.caches import start_redis
from tests.support.services.databases import start_postgresql
from tests.support.services.process import (
    HOST,
    Server,
    find_program,
    free_port,
    new_directory,
)

BASE = "django cached_db"
COMPARED = (
    BASE,
    "django cached_db, django-redis",
    "django signed_cookies",
    "qsessions cached_db",
    "user_sessions db",
    "allauth cached_db",
    "ours db",
    "ours cached_db",
)

ROOT = Path(__file__).parent.parent
LOAD = Path(__file__).with_name("http_load.lua")

SESSIONS = 64
"""How many sessions are asked for in turn: more than there are connections."""

REQUESTS = {"read": "read", "read + user": "read-user", "change": "write", "sign-in": "sign-in"}
"""What is measured, and its path. That of an async view has an "a" before it."""

COMMANDS: Mapping[str, Sequence[str]] = {
    "gunicorn": ("gunicorn", "benchmarks.http_site:wsgi", "--workers", "2", "--bind"),
    "uvicorn": ("uvicorn", "benchmarks.http_site:asgi", "--workers", "2", "--no-access-log"),
}


@dataclass(frozen=True)
class Took:
    """
    What wrk found in one turn: requests a second, and milliseconds.

    ``failed`` is the share of requests that were not answered with success.
    """

    rate: float
    p99: float
    failed: float = 0

    @classmethod
    def read(cls, line: str) -> Took:
        """
        Read what the script wrote.

        Raises:
            RuntimeError: nothing was answered.
        """
        found = json.loads(line)
        if not found["requests"]:
            raise RuntimeError(f"Nothing was answered: {found}")
        return cls(
            rate=found["requests"] / found["seconds"],
            p99=found["p99"],
            failed=(found["refused"] + found["broken"]) / found["requests"],
        )


@dataclass(frozen=True)
class Site:
    """One stack on one server, and the files of what it is asked."""

    stack: str
    server: str
    process: Server
    asked: Mapping[str, Path]

    def measure(self, request: str, *, seconds: int, connections: int) -> Took:
        command = [find_program("wrk"), "--threads", "1", "--connections", str(connections)]
        command += ["--duration", f"{seconds}s", "--timeout", "30s", "--script", str(LOAD)]
        command += [f"http://{HOST}:{self.process.port}", "--", str(self.asked[request])]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        return Took.read(done.stdout.strip().rpartition("\n")[2])


def can_run(stack: str) -> bool:
    """Say whether what a stack is made of is installed."""
    parts = (*ALL[stack].apps, ALL[stack].cache)
    return all(find_spec(part.partition(".")[0]) is not None for part in parts)


def environment(told: Mapping[str, Any], *, is_asgi: bool = False) -> dict[str, str]:
    """Return what tells a process which site it is."""
    return {
        "BENCHMARK_SITE": json.dumps({**told, "is_asgi": is_asgi}),
        "PYTHONPATH": str(ROOT),
    }


def start_server(kind: str, told: Mapping[str, Any]) -> Server:
    """Start two workers of a site, and return when one of them answers."""
    own = environment(told, is_asgi=kind == "uvicorn")
    port = free_port()
    bind = (f"{HOST}:{port}",) if kind == "gunicorn" else ("--host", HOST, "--port", str(port))
    more = () if kind == "gunicorn" else ("--log-level", "warning")
    server = Server(
        name=kind,
        command=[
            "env",
            *(f"{name}={value}" for name, value in own.items()),
            *(sys.executable, "-m", *COMMANDS[kind], *bind, *more),
        ],
        port=port,
        url=f"http://{HOST}:{port}",
        directory=new_directory(),
        is_ready=lambda: is_served(port),
    )
    server.start()
    return server


def is_served(port: int) -> bool:
    with suppress(OSError, http.client.HTTPException):
        return get(port, "/nothing")[0] == 200
    return False


def get(port: int, path: str) -> tuple[int, str]:
    """Ask once; return the status, and the cookies that came as a browser would send them."""
    connection = http.client.HTTPConnection(HOST, port, timeout=120)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        answer.read()
        cookies: dict[str, str] = {}
        for line in answer.headers.get_all("Set-Cookie") or ():
            cookies |= {name: morsel.value for name, morsel in SimpleCookie(line).items()}
        return answer.status, "; ".join(f"{name}={value}" for name, value in cookies.items())
    finally:
        connection.close()


def write_questions(kind: str, port: int, directory: Path) -> dict[str, Path]:
    """Sign people in, and write down what wrk is to ask with their cookies."""
    mark = "a" if kind == "uvicorn" else ""
    cookies = []
    for name in names()[:SESSIONS]:
        status, cookie = get(port, f"/{mark}sign-in?name={name}")
        if status != 200 or not cookie:
            raise RuntimeError(f"Signing in was answered by {status}")
        cookies.append(cookie)
    lines = {
        what: [f"/{mark}{path} {cookie}" for cookie in cookies] for what, path in REQUESTS.items()
    }
    lines["sign-in"] = [f"/{mark}sign-in?name={name}" for name in names()]
    asked = {}
    for number, (what, questions) in enumerate(lines.items()):
        asked[what] = directory / f"questions{number}"
        asked[what].write_text("\n".join(questions) + "\n")
    return asked


@contextmanager
def sites(stacks: Iterable[str], servers: Iterable[str]) -> Iterator[list[Site]]:
    """Start every stack on every server; the database and the cache are each stack's own."""
    with ExitStack() as ending:
        directory = Path(ending.enter_context(tempfile.TemporaryDirectory()))
        postgresql, redis = start_postgresql(), start_redis()
        ending.callback(postgresql.stop)
        ending.callback(redis.stop)
        started = []
        for number, stack in enumerate(stacks):
            say(f"{stack}: starting …")
            told = {
                "stack": stack,
                "database": _new_database(postgresql, f"bench{number}"),
                "redis_url": f"{redis.url[:-1]}{number}",
            }
            filling = [sys.executable, "-m", "benchmarks.http_site"]
            subprocess.run(filling, check=True, env=os.environ | environment(told), cwd=ROOT)
            for kind in servers:
                process = start_server(kind, told)
                ending.callback(process.stop)
                own = directory / f"{kind}{number}"
                own.mkdir()
                asked = write_questions(kind, process.port, own)
                started.append(Site(stack, kind, process, asked))
        yield started


def _new_database(postgresql: Server, name: str) -> dict[str, Any]:
    command = ["psql", "-q", postgresql.url, "-c", f"CREATE DATABASE {name}"]
    subprocess.run(command, check=True)
    return from_url(postgresql.url) | {"NAME": name}


def wanted_stacks(only: Sequence[str] | None) -> list[str]:
    """Return the base and those named, or all, as far as they are installed."""
    wanted = dict.fromkeys(COMPARED if only is None else (BASE, *only))
    for name in wanted:
        if not can_run(name):
            say(f"{name}: not installed, so left out")
    return [name for name in wanted if can_run(name)]


Round = dict[str, dict[str, dict[str, Took]]]
"""What one round found: server, request, stack."""


def measure_round(
    crew: Sequence[Site], requests: Iterable[str], *, seconds: int, connections: int
) -> Round:
    """Let every site take its turn at each request, in the order of ``crew``."""
    found: Round = {}
    for kind in dict.fromkeys(site.server for site in crew):
        for request in requests:
            row = found.setdefault(kind, {}).setdefault(request, {})
            for site in crew:
                if site.server == kind:
                    took = site.measure(request, seconds=seconds, connections=connections)
                    row[site.stack] = took
                    told = f"{took.rate:.0f} a second" + _told_failures([took])
                    say(f"  {kind}, {request}, {site.stack}: {told}")
    return found


def rotated(crew: Sequence[Site], number: int) -> list[Site]:
    """Let another stack begin in each round: what the one before leaves behind meets all alike."""
    stacks = list(dict.fromkeys(site.stack for site in crew))
    number %= len(stacks)
    order = stacks[number:] + stacks[:number]
    return sorted(crew, key=lambda site: order.index(site.stack))


def ratios(rounds: Sequence[Round], kind: str, request: str, stack: str) -> Took:
    """Return the medians of a stack's ratios to the base, each of one round."""
    pairs = [(one[kind][request][stack], one[kind][request][BASE]) for one in rounds]
    return Took(
        statistics.median(took.rate / base.rate for took, base in pairs),
        statistics.median(took.p99 / base.p99 for took, base in pairs),
    )


def table(rounds: Sequence[Round]) -> Iterator[str]:
    """Yield the lines of a table in Markdown; of the base what it took, of others their ratios."""
    found = next(iter(next(iter(rounds[0].values())).values()))
    stacks = sorted(found, key=COMPARED.index)
    yield "| Server, request | " + " | ".join(stacks) + " |"
    yield "|---" * (len(stacks) + 1) + "|"
    for kind, requests in rounds[0].items():
        for request in requests:
            cells = [_cell(rounds, kind, request, stack) for stack in stacks]
            yield f"| {kind}, {request} | " + " | ".join(cells) + " |"


def _cell(rounds: Sequence[Round], kind: str, request: str, stack: str) -> str:
    if stack == BASE:
        found = [one[kind][request][stack] for one in rounds]
        rate = statistics.median(took.rate for took in found)
        p99 = statistics.median(took.p99 for took in found)
        return f"{rate:.0f}/s, {p99:.0f} ms" + _told_failures(found)
    ratio = ratios(rounds, kind, request, stack)
    return f"{ratio.rate:.2f}, {ratio.p99:.2f}" + _told_failures(
        [one[kind][request][stack] for one in rounds]
    )


def _told_failures(found: Sequence[Took]) -> str:
    worst = max(took.failed for took in found)
    return f" (up to {worst:.1%} failed)" if worst else ""


def keep(path: Path, rounds: Sequence[Round]) -> None:
    """Write down what was measured so far: an interrupted run has not been for nothing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    plain = [
        {
            kind: {
                request: {stack: vars(took) for stack, took in stacks.items()}
                for request, stacks in requests.items()
            }
            for kind, requests in one.items()
        }
        for one in rounds
    ]
    path.write_text(json.dumps(plain, indent=2) + "\n")
    say(f"Kept in {path}")


def show(rounds: Sequence[Round], *, connections: int) -> None:
    today = datetime.now(UTC).date()
    print(f"{today}, {platform.machine()}, {os.cpu_count()} cores", end=", ")
    print(f"load {os.getloadavg()[2]:.1f}, Python {platform.python_version()}", end=", ")
    print(f"Django {django.__version__}; {len(rounds)} rounds, {connections} connections")
    print("Requests a second, 99th percentile of the latency:", end=" ")
    print(f"of {BASE} as they were, of the others as ratios to it\n")
    print(*table(rounds), sep="\n")


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--seconds", type=int, default=1, help="of each turn")
    parser.add_argument("--connections", type=int, default=8)
    parser.add_argument("--only", nargs="*", choices=COMPARED, help="stacks besides the base")
    parser.add_argument("--requests", nargs="*", choices=REQUESTS, default=list(REQUESTS))
    parser.add_argument("--servers", nargs="*", choices=COMMANDS, default=list(COMMANDS))
    parser.add_argument("--keep", type=Path, default=Path(".cache/benchmarks/http.json"))
    options = parser.parse_args(arguments)
    rounds: list[Round] = []
    with sites(wanted_stacks(options.only), options.servers) as crew, suppress(KeyboardInterrupt):
        measure = partial(measure_round, requests=options.requests, connections=options.connections)
        say("Warming up …")
        measure(crew, seconds=1)
        for number in range(options.rounds):
            say(f"Round {number + 1} of {options.rounds} …")
            rounds.append(measure(rotated(crew, number), seconds=options.seconds))
            keep(options.keep, rounds)
    if not rounds:
        sys.exit("No round was done.")
    show(rounds, connections=options.connections)


if __name__ == "__main__":
    main()
