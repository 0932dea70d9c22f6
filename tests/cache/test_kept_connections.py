"""A connection that is kept never gives one command the answer of another."""

from __future__ import annotations

import asyncio
import gc
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any

import pymemcache.client.base
import pytest
import redis._parsers.hiredis
import redis.connection

from sessions_plus.cache import copies, slots
from sessions_plus.cache.drivers import deadline, idle, memcached
from sessions_plus.cache.drivers import redis as driver_module
from sessions_plus.cache.drivers.contract import Driver, stem
from sessions_plus.cache.drivers.redis import RedisDriver
from sessions_plus.keys import new_public_id
from tests.support import caches
from tests.support.forks import forked, was_right
from tests.support.services.caches import ask_redis
from tests.support.services.process import Server, wait_until

pytestmark = pytest.mark.services

ANN, BEN = stem(new_public_id()), stem(new_public_id())

TRACED = {
    module.__file__
    for module in (
        *(driver_module, memcached, idle, deadline),
        *(redis.connection, redis._parsers.hiredis, pymemcache.client.base),
    )
}


@pytest.fixture(params=["redis", "memcached"])
def server(request: pytest.FixtureRequest, start_server: Callable[[str], Any]) -> Server:
    found: Server = start_server(request.param)
    return found


only_redis = pytest.mark.parametrize("server", ["redis"], indirect=True)


@pytest.fixture
def driver(server: Server) -> Iterator[Driver]:
    """A driver of a cache with two copies, which it has read before."""
    is_redis = server.name == "redis-server"
    cache = caches.core_redis(server.url) if is_redis else caches.memcached(server.url)
    with caches.site_with(cache) as tier:
        for name in (ANN, BEN):
            assert tier.driver.reserve(name, slots.copy(1, name.encode()), seconds=60)
            assert text_at(tier.driver, name) == name
        yield tier.driver


def text_at(driver: Driver, name: str) -> str:
    return (driver.read(name).entry or b"").decode()


def connections_to(server: Server) -> int:
    """How many were opened so far, with the one that asks."""
    _, _, text = ask_redis(server, "info", "stats").partition("total_connections_received:")
    return int(text.split()[0])


def clients_of(server: Server) -> int:
    return len(ask_redis(server, "client", "list").splitlines())


class Interruption(BaseException):
    """What a signal handler may raise anywhere, as a server does whose worker takes too long."""


@contextmanager
def interrupted_at(step: int) -> Iterator[list[str]]:
    """Raise before the line with that number, of ours and redis-py's that run in the block."""
    seen: list[str] = []

    def trace(frame: FrameType, event: str, _: object) -> Any:
        if event == "line" and frame.f_code.co_filename in TRACED:
            seen.append(f"{frame.f_code.co_name}:{frame.f_lineno}")
            if len(seen) == step:
                raise Interruption
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        yield seen
    finally:
        sys.settrace(before)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # half a connection
@pytest.mark.parametrize("is_new", [False, True], ids=["kept", "new"])
def test_interruption_anywhere_leaves_no_answer_behind(driver: Driver, is_new: bool) -> None:
    """Wherever an exception of a signal strikes, the next command reads its own answer."""
    step, has_finished = 0, False
    while not has_finished:
        step += 1
        if is_new:
            driver.close()
        with suppress(Interruption), interrupted_at(step) as seen:
            driver.read(ANN)
        has_finished = len(seen) < step

        assert text_at(driver, BEN) == BEN, f"interrupted at {seen[-1]}"
    assert step > 30
    gc.collect()  # half connections, here where that is no fault


@pytest.mark.short_deadline
def test_late_answer_is_never_read(driver: Driver, server: Server) -> None:
    """What was asked of a cache that hung is not answered to whoever asks next."""
    server.pause()
    with pytest.raises(driver.faults):
        driver.read(ANN)
    server.resume()

    assert text_at(driver, BEN) == BEN


@only_redis
def test_task_that_was_cancelled_leaves_no_answer_behind(driver: Driver, server: Server) -> None:
    """A request that is gone before Redis answered, under asyncio, is answered to nobody."""

    async def ask() -> None:
        for pause in (0.0, 0.001, 0.01, 0.05):
            ask_redis(server, "client", "pause", "100")
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(driver.aread(ANN), pause)
            assert (await driver.aread(BEN)).entry == BEN.encode()

    asyncio.run(ask())


@pytest.mark.short_deadline
def test_threads_under_faults_read_their_own(driver: Driver, server: Server) -> None:
    """While the cache hangs again and again, and cuts connections, nobody reads another's."""
    names = [stem(new_public_id()) for _ in range(8)]
    for name in names:
        driver.reserve(name, slots.copy(1, name.encode()), seconds=60)
    is_over = threading.Event()

    have_read = {name: threading.Event() for name in names}

    def read_on(name: str) -> None:
        while not is_over.is_set():
            with suppress(*driver.faults):
                assert text_at(driver, name) == name
                have_read[name].set()

    with ThreadPoolExecutor(len(names)) as threads:
        readers = [threads.submit(read_on, name) for name in names]
        try:
            for _ in range(3):
                server.pause()
                threading.Event().wait(0.35)  # longer than our timeout
                server.resume()
                if server.name == "redis-server":
                    ask_redis(server, "client", "kill", "type", "normal")
            wait_until(
                lambda: (
                    all(has_read.is_set() for has_read in have_read.values())
                    or any(reader.done() for reader in readers)  # which found another's
                ),
                what="every reader",
            )
        finally:
            is_over.set()
    for reader in readers:
        reader.result()


def wrong_type(driver: RedisDriver, server: Server) -> None:
    ask_redis(server, "lpush", "list", "element")
    assert driver.read("list") is slots.BARRED


def full(driver: RedisDriver, server: Server) -> None:
    ask_redis(server, "config", "set", "maxmemory", "1")
    assert not driver.reserve("new", b"value", seconds=60)


def read_only(driver: RedisDriver, server: Server) -> None:
    ask_redis(server, "config", "set", "replica-serve-stale-data", "yes")
    ask_redis(server, "replicaof", "127.0.0.1", "1")
    with pytest.raises(driver.faults):
        driver.reserve("new", b"value", seconds=60)


def no_script(driver: RedisDriver, server: Server) -> None:
    ask_redis(server, "script", "flush")
    driver.occupy("new", b"value", seconds=60)
    assert ask_redis(server, "get", "new").strip() == "value"


@only_redis
@pytest.mark.parametrize("refusal", [wrong_type, full, read_only, no_script])
def test_refusal_is_an_answer(
    driver: RedisDriver, server: Server, refusal: Callable[[RedisDriver, Server], None]
) -> None:
    """What Redis refuses is read in full: the connection is kept, and in step."""
    refusal(driver, server)

    kept = list(driver._idle._idle)
    assert text_at(driver, ANN) == ANN
    assert text_at(driver, BEN) == BEN
    assert driver._idle._idle == kept


def test_child_process_has_its_own(driver: Driver) -> None:
    """After a fork parent and child share no connection."""
    child = forked(lambda: all(text_at(driver, BEN) == BEN for _ in range(500)))
    is_right = all(text_at(driver, ANN) == ANN for _ in range(500))

    assert was_right(child)
    assert is_right


@only_redis
def test_threads_that_come_and_go_connect_once(driver: Driver, server: Server) -> None:
    """A server with a thread per request opens no connection for each."""
    connected = connections_to(server)

    for _ in range(5):
        with ThreadPoolExecutor(1) as thread:
            assert thread.submit(text_at, driver, ANN).result() == ANN

    assert connections_to(server) == connected + 1  # the one that asks


@only_redis
def test_redis_py_5_to_7(driver: Driver, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Their connections do not say whether they are connected; ours need not be told."""
    for known in (redis.connection.AbstractConnection, redis.connection.ConnectionInterface):
        monkeypatch.delattr(known, "is_connected")

    assert text_at(driver, ANN) == ANN
    ask_redis(server, "client", "kill", "type", "normal")
    assert text_at(driver, BEN) == BEN


@only_redis
def test_closed_driver_leaves_no_connection(driver: Driver, server: Server) -> None:
    """A cache that is no longer configured is left alone."""
    connected = clients_of(server)

    copies.reset()

    wait_until(lambda: clients_of(server) < connected, what="the end of the connection")


def test_one_in_use_is_closed_when_it_comes_back() -> None:
    """A driver that is closed leaves no connection open, also none that a thread still uses."""
    closed: list[object] = []
    kept = idle.IdleConnections(object, closed.append)
    resting, used = kept.take(), kept.take()
    kept.give_back(resting)

    kept.close()
    assert closed == [resting]

    kept.give_back(used)
    assert closed == [resting, used]
