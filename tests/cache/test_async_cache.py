"""The way of a read under ASGI: no thread, no new connection, one command, and a clean end."""

from __future__ import annotations

import asyncio
import gc
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest
from asgiref.sync import SyncToAsync
from django.test import AsyncClient

from sessions_plus.backends.cached_db import SessionStore
from sessions_plus.cache.drivers import pipelined
from sessions_plus.cache.drivers.contract import TIMEOUT_SECONDS
from sessions_plus.cache.drivers.redis_loops import PipelinedClient, PooledClient
from sessions_plus.cache.drivers.turns import TURNS_PER_LOOP
from sessions_plus.cache.tier import Tier
from tests.support import caches
from tests.support.services.caches import ask_redis
from tests.support.services.process import Server, wait_until

pytestmark = [pytest.mark.urls("tests.support.sites"), pytest.mark.django_db(transaction=True)]


@pytest.fixture(params=["single", "Sentinel", "cluster"])
def tier(request: pytest.FixtureRequest) -> Iterator[Tier]:
    get = request.getfixturevalue
    configuration = {
        "single": lambda: caches.django_redis(get("redis_server").url),
        "Sentinel": lambda: caches.redis_sentinel(get("redis_sentinel")),
        "cluster": lambda: caches.redis_cluster(get("redis_cluster").url),
    }[request.param]()
    with caches.site_with(configuration) as found:
        yield found


def stored_key() -> str:
    store = SessionStore()
    store["color"] = "red"
    store.save()
    SessionStore(store.session_key).load()
    return str(store.session_key)


def requests_in_one_loop(key: str, count: int) -> Callable[[], Awaitable[None]]:
    async def ask() -> None:
        client = AsyncClient()
        client.cookies["sessionid"] = key
        for _ in range(count):
            response = await client.get("/async/read/")
            assert response.content == b"red"

    return ask


@contextmanager
def every_thread_busy() -> Iterator[None]:
    """Occupy the one thread that ``sync_to_async`` hops to, so that a hop would wait."""
    release = threading.Event()
    executor: ThreadPoolExecutor = SyncToAsync.single_thread_executor
    occupied = executor.submit(release.wait, 300)
    try:
        yield
    finally:
        release.set()
        occupied.result()


def test_a_read_makes_no_thread_hop(tier: Tier) -> None:
    """A copy is read though no thread is free, through the store alone."""
    key = stored_key()

    async def read() -> Any:
        # Whatever else hops uses the loop's own executor: it is busy as well.
        loop = asyncio.get_running_loop()
        executor = ThreadPoolExecutor(1)
        release = threading.Event()
        executor.submit(release.wait, 300)
        loop.set_default_executor(executor)
        try:
            return await asyncio.wait_for(SessionStore(key).aget("color"), 60)
        finally:
            release.set()

    with every_thread_busy():
        assert asyncio.run(read()) == "red"


@pytest.fixture
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """How one server is asked: as it is, or as on a site without hiredis."""
    monkeypatch.setattr(pipelined, "is_available", request.param == "pipelined")


in_both_ways = pytest.mark.parametrize("way", ["pipelined", "through redis-py"], indirect=True)
through_redis_py = pytest.mark.parametrize("way", ["through redis-py"], indirect=True)


def connections(server: Server) -> int:
    told = ask_redis(server, "info", "stats")
    return int(told.partition("total_connections_received:")[2].split()[0])


def calls(server: Server, command: str) -> int:
    told = ask_redis(server, "info", "commandstats")
    return int((told.partition(f"cmdstat_{command}:calls=")[2] or "0").split(",")[0])


def connected(server: Server) -> int:
    told = ask_redis(server, "info", "clients")
    return int(told.partition("connected_clients:")[2].split()[0])


def test_requests_of_a_loop_share_their_connection(redis_tier: Tier, redis_server: Server) -> None:
    """Twenty requests open one connection in all, and each costs one command."""
    key = stored_key()
    opened, asked = connections(redis_server), calls(redis_server, "get")

    asyncio.run(requests_in_one_loop(key, 20)())  # type: ignore[arg-type]

    asked_now = calls(redis_server, "get")
    assert asked_now - asked == 20
    # One of them, and one for each of the three questions to the server before this one.
    assert connections(redis_server) - opened <= 1 + 3


@in_both_ways
@pytest.mark.usefixtures("way")
def test_a_loop_takes_its_connections_with_it(redis_tier: Tier, redis_server: Server) -> None:
    """When a loop ends nothing is left open, and nothing complains of it."""
    key = stored_key()
    before = connected(redis_server)

    for _ in range(3):
        asyncio.run(requests_in_one_loop(key, 2)())  # type: ignore[arg-type]
    gc.collect()

    wait_until(lambda: connected(redis_server) <= before, what="the end of the connections")


@pytest.mark.short_deadline
@in_both_ways
@pytest.mark.usefixtures("way")
def test_a_busy_loop_is_no_fault_of_the_cache(redis_tier: Tier, redis_server: Server) -> None:
    """A read goes on after the loop was held up for longer than the timeout, past its answer."""
    key = stored_key()

    async def compute() -> None:
        await asyncio.sleep(TIMEOUT_SECONDS / 5)  # the other task has sent its command by now
        redis_server.resume()
        time.sleep(TIMEOUT_SECONDS * 1.5)

    async def read_meanwhile() -> Any:
        await SessionStore(key).aget("color")  # connects
        asked.append(calls(redis_server, "get"))
        redis_server.pause()
        color, _ = await asyncio.gather(SessionStore(key).aget("color"), compute())
        return color

    asked: list[int] = []
    assert asyncio.run(read_meanwhile()) == "red"
    assert calls(redis_server, "get") - asked[0] == 2  # the answer to the first came too late
    assert not redis_tier.breaker.is_open


def counted(monkeypatch: pytest.MonkeyPatch, owner: Any, name: str) -> list[object]:
    """Return what grows with each call of a method that is a coroutine."""
    calls: list[object] = []
    original = getattr(owner, name)

    async def call(self: Any, *args: Any) -> Any:
        calls.append(args)
        return await original(self, *args)

    monkeypatch.setattr(owner, name, call)
    return calls


def read_from_a_dead_cache(server: Server, key: str) -> None:
    async def read(after_seconds: float = 0.0) -> Any:
        await asyncio.sleep(after_seconds)  # so that they wait when the first ones fail
        return await SessionStore(key).aget("color")

    async def read_all() -> list[Any]:
        await read()  # connects
        server.pause()
        later = [read(TIMEOUT_SECONDS / 2) for _ in range(100)]
        return await asyncio.gather(*(read() for _ in range(100)), *later)

    try:
        assert set(asyncio.run(read_all())) == {"red"}
    finally:
        server.resume()


@pytest.mark.short_deadline
def test_nobody_queues_up_behind_a_dead_cache(
    redis_tier: Tier, redis_server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When it stops answering, those who wait for it do not each try to connect."""
    key = stored_key()
    attempts = counted(monkeypatch, PipelinedClient, "_connect")

    read_from_a_dead_cache(redis_server, key)

    assert 1 <= len(attempts) <= 2  # the second where the machine was too busy to tell


@pytest.mark.short_deadline
@through_redis_py
@pytest.mark.usefixtures("way")
def test_nobody_queues_up_for_a_connection_to_a_dead_cache(
    redis_tier: Tier, redis_server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When it stops answering, those who wait for a connection do not each try for themselves."""
    key = stored_key()
    attempts = counted(monkeypatch, PooledClient, "_ask_in_turn")

    read_from_a_dead_cache(redis_server, key)

    assert 2 <= len(attempts) <= 1 + TURNS_PER_LOOP


def read_many_at_once(key: str) -> None:
    async def read_all() -> list[Any]:
        return await asyncio.gather(*(SessionStore(key).aget("color") for _ in range(400)))

    assert set(asyncio.run(read_all())) == {"red"}


def test_many_at_once_share_a_connection(redis_tier: Tier, redis_server: Server) -> None:
    """Hundreds of concurrent reads all get their copy, on one connection."""
    key = stored_key()
    opened = connections(redis_server)

    read_many_at_once(key)

    assert connections(redis_server) - opened <= 1 + 1
    assert not redis_tier.breaker.is_open


@through_redis_py
@pytest.mark.usefixtures("way")
def test_many_at_once_wait_for_few_connections(redis_tier: Tier, redis_server: Server) -> None:
    """The same through redis-py, over a bounded number of connections."""
    key = stored_key()
    opened = connections(redis_server)

    read_many_at_once(key)

    assert connections(redis_server) - opened <= TURNS_PER_LOOP + 3
    assert not redis_tier.breaker.is_open
