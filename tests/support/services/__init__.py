"""
A pytest plugin of throwaway servers: real Redis, Memcached, PostgreSQL, MariaDB and Chromium.

A test is skipped where a binary it needs is not installed, and the run ends with a list of what
that left out. With ``SESSIONS_PLUS_REQUIRE_SERVICES=1`` such a test fails instead.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, Protocol, TypeVar

import pytest

from tests.support.services.caches import (
    RedisCluster,
    RedisSentinel,
    start_memcached,
    start_redis,
    start_redis_cluster,
    start_redis_sentinel,
    start_redis_tls,
)
from tests.support.services.chromium import ARGUMENTS, find_chromium
from tests.support.services.databases import start_mariadb, start_postgresql
from tests.support.services.process import Missing, Server

NOT_EXERCISED = "not exercised here: "

STARTERS: dict[str, Callable[[], Any]] = {
    "redis": start_redis,
    "redis_tls": start_redis_tls,
    "redis_cluster": start_redis_cluster,
    "redis_sentinel": start_redis_sentinel,
    "memcached": start_memcached,
    "postgresql": start_postgresql,
    "mariadb": start_mariadb,
}

T = TypeVar("T")


class Stoppable(Protocol):
    def stop(self) -> None: ...


def obtain(get: Callable[[], T]) -> T:
    """Return what ``get`` finds or starts; skip or fail the running test where it is missing."""
    try:
        return get()
    except Missing as missing:
        message = f"{NOT_EXERCISED}{missing}"
    if os.environ.get("SESSIONS_PLUS_REQUIRE_SERVICES") == "1":
        pytest.fail(message, pytrace=False)
    pytest.skip(message)


def lend(name: str) -> Iterator[Any]:
    server: Stoppable = obtain(STARTERS[name])
    yield server
    server.stop()


@pytest.fixture(scope="session")
def redis_server() -> Iterator[Server]:
    """A Redis shared by all tests: leave it running."""
    yield from lend("redis")


@pytest.fixture(scope="session")
def redis_cluster() -> Iterator[RedisCluster]:
    """A Redis Cluster shared by all tests: leave it running."""
    yield from lend("redis_cluster")


@pytest.fixture(scope="session")
def redis_sentinel() -> Iterator[RedisSentinel]:
    """A Redis with sentinels shared by all tests: leave it running."""
    yield from lend("redis_sentinel")


@pytest.fixture(scope="session")
def memcached_server() -> Iterator[Server]:
    """A Memcached shared by all tests: leave it running."""
    yield from lend("memcached")


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[Server]:
    """A PostgreSQL shared by all tests: leave it running."""
    yield from lend("postgresql")


@pytest.fixture(scope="session")
def mariadb_server() -> Iterator[Server]:
    """A MariaDB shared by all tests: leave it running."""
    yield from lend("mariadb")


@pytest.fixture
def start_server() -> Iterator[Callable[[str], Any]]:
    """Start a server of the test's own, by its name in ``STARTERS``, to kill or pause it."""
    started: list[Stoppable] = []

    def start(name: str) -> Any:
        started.append(obtain(STARTERS[name]))
        return started[-1]

    yield start
    for server in started:
        server.stop()


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args: dict[str, Any]) -> dict[str, Any]:
    """Let pytest-playwright drive the Chromium of the system."""
    # Synchronous Playwright runs an event loop in the thread of the test.
    os.environ.setdefault("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
    return {
        **browser_type_launch_args,
        "executable_path": obtain(find_chromium),
        "args": ARGUMENTS,
    }


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run browser tests last: Playwright leaves an event loop in the thread of the tests."""
    items.sort(key=lambda item: item.get_closest_marker("browser") is not None)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """End with what could not be exercised on this machine, and in how many tests."""
    reasons = Counter(
        reason
        for report in terminalreporter.stats.get("skipped", [])
        if (reason := str(report.longrepr[-1]).partition(NOT_EXERCISED)[2])
    )
    for reason, tests in sorted(reasons.items()):
        terminalreporter.write_line(f"{NOT_EXERCISED}{reason} ({tests} tests)")
