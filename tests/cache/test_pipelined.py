"""
Many commands under way on one connection: each gets its own answer, or none.

Each test has a Redis of its own to harm, or a server that answers as no Redis would.
"""

from __future__ import annotations

import asyncio
import gc
import random
import time
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import pytest
import redis
from asgiref.sync import sync_to_async

from sessions_plus.backends.cached_db import SessionStore
from sessions_plus.cache import copies, slots
from sessions_plus.cache.drivers import pipelined, redis_loops
from sessions_plus.cache.drivers.contract import TIMEOUT_SECONDS, stem
from sessions_plus.cache.drivers.pipelined import LATE_SECONDS, Pipeline, Unanswered
from sessions_plus.cache.drivers.redis import RedisDriver
from sessions_plus.cache.drivers.redis_loops import (
    LoopClient,
    LoopClients,
    PipelinedClient,
    PooledClient,
    client_for,
)
from sessions_plus.cache.tier import Tier
from sessions_plus.keys import new_public_id
from sessions_plus.lifecycle import revoke
from sessions_plus.models import Session
from sessions_plus.store import reading as reading_module
from tests.support import caches
from tests.support.forks import forked, was_right
from tests.support.pauses import Pause, stopped
from tests.support.services.caches import RedisCluster, RedisSentinel, ask_redis, start_redis
from tests.support.services.process import HOST, Server, wait_until

pytestmark = pytest.mark.services

NAMES = [stem(new_public_id()) for _ in range(50)]
LONGEST_SECONDS = 10 * TIMEOUT_SECONDS
WAIT_SECONDS = 120


@pytest.fixture
def server(start_server: Callable[[str], Any]) -> Server:
    found: Server = start_server("redis")
    return found


@pytest.fixture
def tier(server: Server) -> Iterator[Tier]:
    with caches.site_with(caches.core_redis(server.url)) as found:
        yield found


@pytest.fixture
def driver(tier: Tier) -> RedisDriver:
    """A driver of a Redis where each of the names has a copy that tells the name."""
    found: Any = tier.driver
    for name in NAMES:
        assert found.reserve(name, slots.copy(1, name.encode()), seconds=600)
    return found


async def client_of(driver: RedisDriver) -> Any:
    return await driver._loops.get()


async def reads_own(driver: RedisDriver, name: str) -> bool:
    return (await driver.aread(name)).entry == name.encode()


async def reads_own_at_last(driver: RedisDriver, name: str) -> bool:
    """The same, however often the machine is too busy for the deadline."""
    while True:
        with suppress(*driver.faults):
            return await reads_own(driver, name)


def asked(server: Server, command: str = "get") -> int:
    """How many of these commands Redis has had so far."""
    told = ask_redis(server, "info", "commandstats")
    return int((told.partition(f"cmdstat_{command}:calls=")[2] or "0").split(",")[0])


def connections_to(server: Server) -> int:
    """How many were opened so far, with the one that asks."""
    told = ask_redis(server, "info", "stats")
    return int(told.partition("total_connections_received:")[2].split()[0])


async def in_thread(act: Callable[[], Any]) -> Any:
    return await asyncio.to_thread(act)


# Whose an answer is


@pytest.mark.parametrize("seed", range(3))
def test_cancelled_reads_leave_the_others_theirs(driver: RedisDriver, seed: int) -> None:
    """Of thousands of reads that come, go and are cut off in any order, each gets its own copy."""
    chance = random.Random(seed)
    right: list[bool] = []

    async def read() -> None:
        right.append(await reads_own(driver, chance.choice(NAMES)))

    async def come_and_go() -> None:
        under_way: list[asyncio.Task[None]] = []
        for _ in range(3000):
            under_way.append(asyncio.ensure_future(read()))
            for _ in range(chance.choice((0, 0, 1, 2, 3))):
                await asyncio.sleep(0)
            if chance.random() < 0.5:
                chance.choice(under_way).cancel()
        done = await asyncio.gather(*under_way, return_exceptions=True)
        assert {type(result) for result in done} == {type(None), asyncio.CancelledError}
        client = await client_of(driver)
        await client.ask("GET", NAMES[0])  # which is answered after all of those
        assert not client._pipeline._places

    asyncio.run(come_and_go())
    assert len(right) > 300
    assert all(right)


def test_cut_connections_mix_nothing_up(driver: RedisDriver, server: Server) -> None:
    """The same while Redis closes the connection again and again, with questions on it."""
    chance = random.Random(1)
    right: list[bool] = []

    async def read_on(is_over: asyncio.Event) -> None:
        while not is_over.is_set():
            with suppress(*driver.faults, TimeoutError):
                reading = reads_own(driver, chance.choice(NAMES))
                right.append(await asyncio.wait_for(reading, chance.choice((None, 0, 0.001))))

    async def read_all() -> None:
        is_over = asyncio.Event()
        readers = [asyncio.ensure_future(read_on(is_over)) for _ in range(20)]
        for _ in range(10):
            seen = len(right)
            while len(right) < seen + 100:
                await asyncio.sleep(0.01)
            await in_thread(lambda: ask_redis(server, "client", "kill", "type", "normal"))
        is_over.set()
        await asyncio.gather(*readers)

    asyncio.run(read_all())
    assert all(right)


@pytest.mark.short_deadline
def test_answer_that_came_too_late_is_for_nobody(driver: RedisDriver, server: Server) -> None:
    """After Redis hung, the next question is not answered with what was asked before."""

    async def ask() -> None:
        assert await reads_own_at_last(driver, NAMES[0])
        server.pause()
        late = [asyncio.ensure_future(driver.aread(name)) for name in NAMES]
        for read in late:
            with pytest.raises(driver.faults):
                await read
        server.resume()
        assert await reads_own_at_last(driver, NAMES[1])

    asyncio.run(ask())


def test_what_cannot_be_sent_takes_no_answer(driver: RedisDriver) -> None:
    """A name that no connection can carry is its own sender's fault, and nobody else's."""

    async def ask() -> None:
        client = await client_of(driver)
        assert await reads_own(driver, NAMES[0])
        with pytest.raises(UnicodeEncodeError):
            await client.ask("GET", "\ud800")
        assert all(await asyncio.gather(*(reads_own(driver, name) for name in NAMES)))

    asyncio.run(ask())


END = b""


class Scripted:
    """A server that says what it is told to, whatever it is asked; ``END`` closes."""

    def __init__(self) -> None:
        self.said: asyncio.Queue[list[bytes]] = asyncio.Queue()

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            for part in await self.said.get():
                if part == END:
                    return
                writer.write(part)
                await writer.drain()
                await asyncio.sleep(0)
            await asyncio.Event().wait()
        finally:
            writer.close()

    @asynccontextmanager
    async def pipeline(self) -> AsyncIterator[Pipeline]:
        listening = await asyncio.start_server(self.answer, HOST)
        _, port, *_ = listening.sockets[0].getsockname()
        _, writer = await asyncio.open_connection(HOST, port)
        made = Pipeline(writer.transport)
        try:
            yield made
        finally:
            made.end()
            listening.close()
            await asyncio.sleep(0)


def soon() -> float:
    return asyncio.get_running_loop().time() + WAIT_SECONDS


def run_scripted(said: list[bytes], ask: Callable[[Pipeline], Awaitable[None]]) -> None:
    async def run() -> None:
        server = Scripted()
        async with server.pipeline() as pipeline:
            server.said.put_nowait(said)
            await ask(pipeline)

    asyncio.run(run())


def bytewise(said: bytes) -> list[bytes]:
    return [bytes([byte]) for byte in said]


def test_answers_in_pieces() -> None:
    """Answers are told whole, in whichever pieces they come."""

    async def ask(pipeline: Pipeline) -> None:
        answers = [pipeline.ask(("GET", "x"), soon()) for _ in range(4)]
        assert await answers[0] == b"one\r\n2"
        assert await answers[1] is None
        with pytest.raises(redis.exceptions.OutOfMemoryError):
            await answers[2]
        assert await answers[3] == 7

    run_scripted(bytewise(b"$6\r\none\r\n2\r\n$-1\r\n-OOM it is full\r\n:7\r\n"), ask)


@pytest.mark.parametrize(
    "said",
    [
        pytest.param([b"$3\r\none\r\n", b"$3\r\ntwo\r\n"], id="more answers than questions"),
        pytest.param([b"$3\r\none\r\n", b"HTTP/1.1 400 Bad Request\r\n"], id="another protocol"),
        pytest.param([b"$3\r\none\r\n", b"$9\r\nha", END], id="half an answer, then the end"),
        pytest.param([b"$3\r\none\r\n", END], id="the end"),
    ],
)
def test_what_disturbs_the_order_ends_the_connection(said: list[bytes]) -> None:
    """No answer counts after one that nobody asked for, or that cannot be read."""

    async def ask(pipeline: Pipeline) -> None:
        first = pipeline.ask(("GET", "x"), soon())
        assert await first == b"one"
        async with asyncio.timeout(WAIT_SECONDS):
            while not pipeline.is_over:
                await asyncio.sleep(0)

    run_scripted(said, ask)


def test_all_who_wait_learn_of_the_end() -> None:
    """Nobody waits for a connection that is gone, also not who was cancelled."""

    async def ask(pipeline: Pipeline) -> None:
        answers = [pipeline.ask(("GET", "x"), soon()) for _ in range(5)]
        answers[1].cancel()
        for answer in (answers[0], *answers[2:]):
            with pytest.raises(Unanswered):
                await answer
        assert pipeline.is_over

    run_scripted([b"?"], ask)


def test_replica_is_left() -> None:
    """Where the server says that it is no primary any more, the next command asks for a new one."""

    async def ask(pipeline: Pipeline) -> None:
        refused, behind = (pipeline.ask(("SET", "x", "y"), soon()) for _ in range(2))
        with pytest.raises(redis.exceptions.ReadOnlyError):
            await refused
        assert pipeline.is_over
        with pytest.raises(Unanswered):
            await behind

    run_scripted([b"-READONLY You can't write against a read only replica.\r\n"], ask)


# Connecting


def with_password(server: Server) -> dict[str, Any]:
    ask_redis(server, "config", "set", "requirepass", "a secret")
    return caches.core_redis(server.url.replace("//", "//:a%20secret@"))


def with_user(server: Server) -> dict[str, Any]:
    ask_redis(server, "acl", "setuser", "ann", "on", ">hers", "~*", "+@all")
    ask_redis(server, "acl", "setuser", "default", "off")
    return caches.core_redis(server.url.replace("//", "//ann:hers@"))


def over_tls(get: Callable[[str], Any]) -> dict[str, Any]:
    return caches.core_redis(get("redis_tls").tls_url)


def behind_sentinels(get: Callable[[str], Any]) -> dict[str, Any]:
    group: RedisSentinel = get("redis_sentinel")
    return caches.redis_sentinel(group)


SITES: dict[str, Callable[[Callable[[str], Any]], dict[str, Any]]] = {
    "plain": lambda get: caches.core_redis(get("redis").url),
    "another database": lambda get: caches.core_redis(get("redis").url.replace("/0", "/3")),
    "password": lambda get: with_password(get("redis")),
    "user": lambda get: with_user(get("redis")),
    "TLS": over_tls,
    "Sentinel": behind_sentinels,
}


async def served(driver: RedisDriver) -> LoopClient:
    """Read, write and remove by way of the loop's client, and return that."""
    name = stem(new_public_id())
    copy = slots.copy(1, name.encode())
    assert await driver.aread(name) is slots.VACANT
    assert await driver.areserve(name, copy, seconds=600)
    assert not await driver.areserve(name, b"another", seconds=600)
    assert driver.read(name).entry == name.encode()  # where the other world looks as well
    assert all(await asyncio.gather(*(reads_own(driver, name) for _ in range(20))))
    await driver.aclear([name])
    assert await driver.aread(name) is slots.VACANT
    client = await driver._loops.get()
    assert client is not None
    return client


@pytest.mark.parametrize("kind", list(SITES))
def test_all_that_is_one_server(kind: str, start_server: Callable[[str], Any]) -> None:
    """With a password, as a user, over TLS, behind sentinels: all on one connection of a loop."""
    with caches.site_with(SITES[kind](start_server)) as tier:
        driver: Any = tier.driver
        client = asyncio.run(served(driver))

    assert type(client) is PipelinedClient


def test_unix_socket(tmp_path: Path) -> None:
    """The same without a network."""
    path = tmp_path / "redis.sock"
    server = start_redis("--unixsocket", str(path))
    try:
        with caches.site_with(caches.core_redis(f"unix://{path}?db=1")) as tier:
            driver: Any = tier.driver
            assert type(asyncio.run(served(driver))) is PipelinedClient
    finally:
        server.stop()


def test_cluster_is_asked_as_before(start_server: Callable[[str], Any]) -> None:
    """Each name may be on another node: redis-py knows on which."""
    cluster: RedisCluster = start_server("redis_cluster")
    with caches.site_with(caches.redis_cluster(cluster.url)) as tier:
        driver: Any = tier.driver
        client = asyncio.run(served(driver))

    assert isinstance(client, redis_loops.ClusterClient)


def test_without_hiredis(driver: RedisDriver, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where it is not installed redis-py is asked, and parses by itself."""
    monkeypatch.setattr(pipelined, "is_available", False)

    assert type(asyncio.run(served(driver))) is PooledClient


def test_with_another_redis_py(driver: RedisDriver, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where one shows its stream elsewhere, it is asked itself."""

    async def client() -> LoopClient | None:
        return client_for(driver._configuration)

    monkeypatch.setattr(redis.asyncio.ConnectionPool, "make_connection", lambda pool: object())

    assert type(asyncio.run(client())) is PooledClient


def test_wrong_password_is_a_fault(server: Server) -> None:
    """Who is not let in learns so at once, and everybody else who waits for that connection."""
    site = with_password(server)
    with caches.site_with(site) as tier:
        ask_redis(server, "-a", "a secret", "config", "set", "requirepass", "other")

        async def ask() -> list[Any]:
            reads = (tier.driver.aread(name) for name in NAMES)
            return await asyncio.gather(*reads, return_exceptions=True)

        answers = asyncio.run(ask())
    assert {type(answer) for answer in answers} == {redis.exceptions.AuthenticationError}


def test_all_at_once_connect_once(driver: RedisDriver, server: Server) -> None:
    """A loop that begins with many reads opens one connection for them."""
    before = connections_to(server)

    async def ask() -> list[bool]:
        first = asyncio.ensure_future(driver.aread(NAMES[0]))
        others = [asyncio.ensure_future(reads_own(driver, name)) for name in NAMES]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        first.cancel()  # who began to connect is gone; those who wait for it are not
        return await asyncio.gather(*others)

    assert all(asyncio.run(ask()))
    assert connections_to(server) == before + 1 + 1  # that, and who asks


class Request:
    """What belongs to one request."""


REQUEST: ContextVar[Request] = ContextVar("REQUEST")


def test_connection_keeps_nothing_of_a_request(driver: RedisDriver) -> None:
    """Who asks first gives the connection nothing that it would hold on to."""

    async def first() -> weakref.ref[Request]:
        REQUEST.set(request := Request())
        await driver.aread(NAMES[0])
        return weakref.ref(request)

    async def ask() -> None:
        request = await asyncio.ensure_future(first())
        assert await reads_own(driver, NAMES[1])
        gc.collect()
        assert request() is None

    asyncio.run(ask())


def test_one_that_was_closed_is_opened_again(driver: RedisDriver, server: Server) -> None:
    """Whether nobody or somebody waits on it when Redis closes it, nobody notices."""

    async def ask() -> None:
        assert await reads_own(driver, NAMES[0])
        await in_thread(lambda: ask_redis(server, "client", "kill", "type", "normal"))
        assert await reads_own(driver, NAMES[1])
        before = connections_to(server)
        ask_redis(server, "client", "pause", "600000", "WRITE")
        names = [stem(new_public_id()) for _ in range(20)]
        waiting = [asyncio.ensure_future(driver.areserve(name, b"s", seconds=60)) for name in names]
        await asyncio.sleep(0)
        await in_thread(lambda: ask_redis(server, "client", "kill", "type", "normal"))
        await in_thread(lambda: ask_redis(server, "client", "unpause"))
        assert all(await asyncio.gather(*waiting))
        assert connections_to(server) == before + 1 + 3 + 1  # another, and who asks

    asyncio.run(ask())


def test_server_that_came_back_is_noticed(driver: RedisDriver, server: Server, tier: Tier) -> None:
    """A connection that is opened again tells of a restart, as copies may be of before."""
    trusted: list[float] = []

    async def ask() -> None:
        await driver.aread(NAMES[0])
        trusted.append(tier.trusted_since)
        server.kill()
        server.start()
        while True:
            with suppress(*driver.faults):
                await driver.aread(NAMES[0])
                break
        trusted.append(tier.trusted_since)

    asyncio.run(ask())
    assert trusted[1] > trusted[0]


# One deadline


@pytest.mark.short_deadline
@pytest.mark.parametrize("is_kept", [True, False], ids=["kept", "new"])
def test_frozen_server(driver: RedisDriver, server: Server, is_kept: bool) -> None:
    """Connecting, greeting and asking a server that does nothing are over together, in time."""

    async def ask() -> None:
        if is_kept:
            assert await reads_own_at_last(driver, NAMES[0])
        server.pause()
        async with asyncio.timeout(LONGEST_SECONDS):
            reads = (driver.aread(name) for name in NAMES)
            answers = await asyncio.gather(*reads, return_exceptions=True)
        assert all(isinstance(answer, driver.faults) for answer in answers)

    try:
        asyncio.run(ask())
    finally:
        server.resume()


@pytest.mark.short_deadline
def test_cancelled_read_still_tells_of_a_frozen_server(driver: RedisDriver, server: Server) -> None:
    """A connection is given up though all are gone who asked on it."""

    async def ask() -> None:
        assert await reads_own_at_last(driver, NAMES[0])
        pipeline = (await client_of(driver))._pipeline
        server.pause()
        reading = asyncio.ensure_future(driver.aread(NAMES[0]))
        await asyncio.sleep(0)
        reading.cancel()
        async with asyncio.timeout(WAIT_SECONDS):
            while not pipeline.is_over:
                await asyncio.sleep(0.01)
        server.resume()
        assert await reads_own_at_last(driver, NAMES[1])

    asyncio.run(ask())


def test_timer_that_is_late_blames_the_loop() -> None:
    """Where the loop came to its timer too late, the answer may be there: it is asked for again."""

    async def ask(pipeline: Pipeline) -> None:
        loop = asyncio.get_running_loop()
        answer = pipeline.ask(("GET", "x"), loop.time() + TIMEOUT_SECONDS)
        time.sleep(TIMEOUT_SECONDS + 2 * LATE_SECONDS)
        with pytest.raises(Unanswered):
            await answer

    async def run() -> None:
        async with Scripted().pipeline() as pipeline:
            await ask(pipeline)

    asyncio.run(run())


# Loops and processes


def test_several_loops(driver: RedisDriver, server: Server) -> None:
    """Each loop has a connection of its own, whatever the others do."""
    before = connections_to(server)

    async def read_many() -> bool:
        results = [
            await asyncio.gather(*(reads_own(driver, name) for name in NAMES)) for _ in range(20)
        ]
        return all(all(result) for result in results)

    with ThreadPoolExecutor(4) as threads:
        runs = [threads.submit(lambda: asyncio.run(read_many())) for _ in range(4)]
        assert all(run.result() for run in runs)
    assert connections_to(server) == before + 4 + 1


def test_loop_that_ends_while_it_asks(driver: RedisDriver, server: Server) -> None:
    """A loop takes its connection with it, also one that it is only making."""
    before = len(ask_redis(server, "client", "list").splitlines())

    async def leave(*, is_kept: bool) -> None:
        if is_kept:
            await driver.aread(NAMES[0])
        asyncio.ensure_future(driver.aread(NAMES[1]))  # noqa: RUF006 - nobody waits for it
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    for is_kept in (True, False):
        asyncio.run(leave(is_kept=is_kept))
    gc.collect()

    wait_until(
        lambda: len(ask_redis(server, "client", "list").splitlines()) <= before,
        what="the end of the connections",
    )


def test_driver_that_was_given_up(tier: Tier, server: Server) -> None:
    """The loop goes on after the site has another cache: the connection is closed, in silence."""

    async def ask() -> None:
        await tier.driver.aread(NAMES[0])
        before = len(ask_redis(server, "client", "list").splitlines())
        client = weakref.ref(await client_of(tier.driver))  # type: ignore[arg-type]
        given_up(tier)
        while client() is not None:
            gc.collect()
            await asyncio.sleep(0.01)
        while len(ask_redis(server, "client", "list").splitlines()) >= before:
            await asyncio.sleep(0.01)

    asyncio.run(ask())


def given_up(tier: Tier) -> None:
    """Do what a change of the settings does, for all who have this tier."""
    copies.reset()
    tier.driver._loops = LoopClients(tier.driver._configuration)  # type: ignore[attr-defined]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.filterwarnings("ignore::ResourceWarning")  # a connection that its loop left open
def test_loop_that_was_only_closed(driver: RedisDriver) -> None:
    """One that was not shut down as asyncio.run does it is let go of, with its connection."""
    loop = asyncio.new_event_loop()
    assert loop.run_until_complete(reads_own(driver, NAMES[0]))
    loop.close()
    ended = weakref.ref(loop)
    del loop

    assert asyncio.run(reads_own(driver, NAMES[1]))

    gc.collect()
    assert ended() is None


def test_child_process_has_its_own(driver: RedisDriver) -> None:
    """After a fork in the middle of a loop, parent and child each go on by themselves."""

    async def read_many() -> bool:
        return all([await reads_own(driver, name) for name in NAMES * 10])

    async def part() -> tuple[bool, bool]:
        await driver.aread(NAMES[0])
        child = forked(lambda: asyncio.run(read_many()))
        is_right = await read_many()
        return is_right, await in_thread(lambda: was_right(child))

    assert asyncio.run(part()) == (True, True)


# A read beside a revocation


class HeldBack:
    """While entered, this loop does not see what Redis answers; Redis goes on."""

    def __init__(self, pipeline: Any) -> None:
        self._transport = pipeline._transport

    def __enter__(self) -> None:
        self._transport.pause_reading()

    def __exit__(self, *_: object) -> None:
        self._transport.resume_reading()


@pytest.fixture
def key(tier: Tier, db: None) -> str:
    """That of a session with a copy."""
    store = SessionStore()
    store["color"] = "red"
    store.save()
    key = str(store.session_key)
    assert SessionStore(key).get("color") == "red"
    return key


def slot_of_the_session(tier: Tier) -> str:
    return tier.driver.name_of(Session.objects.get().public_id)


def kind_at(server: Server, name: str) -> str:
    """What stands there, by its first letter. See slots."""
    return ask_redis(server, "getrange", name, "0", "0").strip()


async def until_asked(server: Server, count: int, command: str = "get") -> None:
    while await in_thread(lambda: asked(server, command)) < count:
        await asyncio.sleep(0.01)


def end_session() -> None:
    assert revoke(Session.objects.get()).cache_reached


def end_session_elsewhere() -> None:
    with caches.as_another_process():
        end_session()


transactional = pytest.mark.django_db(transaction=True)


@transactional
def test_answer_of_before_a_revocation_lets_nobody_in(tier: Tier, server: Server, key: str) -> None:
    """A copy that was on its way while this process revoked the session does not serve."""
    driver: Any = tier.driver
    name = slot_of_the_session(tier)

    async def read_while_it_ends() -> Any:
        await driver.aread(name)  # connects
        count = asked(server)
        with HeldBack((await client_of(driver))._pipeline):
            reading = asyncio.ensure_future(SessionStore(key).aget("color"))
            await until_asked(server, count + 1)  # what comes is the copy
            await sync_to_async(end_session)()
        return await reading

    assert asyncio.run(read_while_it_ends()) is None
    assert kind_at(server, name) == "t"


@transactional
@pytest.mark.parametrize("has_copy", [True, False], ids=["copy", "empty slot"])
def test_answer_of_before_a_revocation_is_not_kept(
    tier: Tier, server: Server, key: str, has_copy: bool
) -> None:
    """Whatever was on its way while another process revoked it, the tombstone stays."""
    driver: Any = tier.driver
    name = slot_of_the_session(tier)
    if not has_copy:
        driver.clear([name])

    async def read_while_it_ends() -> Any:
        await driver.aread(stem(new_public_id()))  # connects
        count = asked(server)
        with HeldBack((await client_of(driver))._pipeline):
            reading = asyncio.ensure_future(SessionStore(key).aget("color"))
            await until_asked(server, count + 1)
            await sync_to_async(end_session_elsewhere)()
        return await reading, await SessionStore(key).aget("color")

    # A request that began before it may have been served: as if it had been quicker.
    during, after = asyncio.run(read_while_it_ends())
    assert during == ("red" if has_copy else None)
    assert after is None
    assert kind_at(server, name) == "t"


@transactional
def test_read_that_has_reserved_the_slot_keeps_nothing(
    tier: Tier, server: Server, key: str
) -> None:
    """The row that is read beside a revocation puts no copy over its tombstone."""
    name = slot_of_the_session(tier)
    tier.driver.clear([name])

    async def read() -> Any:
        return await SessionStore(key).aget("color")

    with stopped(lambda: asyncio.run(read()), at=Pause(reading_module, "settle", before=True)):
        assert kind_at(server, name) == "s"
        end_session_elsewhere()

    assert kind_at(server, name) == "t"


@transactional
@pytest.mark.short_deadline
def test_answer_that_lay_there_is_asked_for_again(tier: Tier, server: Server, key: str) -> None:
    """A busy loop finds what Redis said long ago, and does not go by it."""
    driver: Any = tier.driver

    async def read_after_it_ended() -> Any:
        await driver.aread(stem(new_public_id()))  # connects
        count = asked(server)
        reading = asyncio.ensure_future(SessionStore(key).aget("color"))
        await asyncio.sleep(0)
        wait_until(lambda: asked(server) > count, what="the question")  # the loop stands still
        end_session_elsewhere_beside_a_loop()
        time.sleep(TIMEOUT_SECONDS)
        return await reading

    with suppress(*driver.faults):
        assert asyncio.run(read_after_it_ended()) is None


def end_session_elsewhere_beside_a_loop() -> None:
    with ThreadPoolExecutor(1) as thread:
        thread.submit(end_session_elsewhere).result()
