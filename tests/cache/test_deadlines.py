"""
A cache that answers a byte at a time holds nobody up: one deadline for all that a command takes.

Each case has servers of its own, behind a proxy that begins to drip when it is told to.
"""

from __future__ import annotations

import asyncio
import gc
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, suppress
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.cache import caches as django_caches
from redis._parsers import _AsyncRESP2Parser, _RESP2Parser

from sessions_plus.cache import slots
from sessions_plus.cache.drivers import pipelined, redis_clients
from sessions_plus.cache.drivers.contract import TIMEOUT_SECONDS, stem
from sessions_plus.cache.slots import Reading
from sessions_plus.cache.tier import Tier
from sessions_plus.keys import new_public_id
from sessions_plus.lifecycle import revoke
from sessions_plus.models import Session
from tests.conftest import World
from tests.support import caches
from tests.support.browsers import Browser
from tests.support.pauses import in_thread
from tests.support.services.caches import (
    RedisSentinel,
    TLSServer,
    ask_redis,
    start_redis,
    start_sentinel,
)
from tests.support.services.dripping import PAUSE_SECONDS, DrippingProxy
from tests.support.services.process import HOST, Server, free_port, wait_until

pytestmark = [
    pytest.mark.urls("tests.support.sites"),
    pytest.mark.django_db(transaction=True),
    pytest.mark.services,
    pytest.mark.short_deadline,
]

LONGEST_SECONDS = 10 * TIMEOUT_SECONDS
NAME, NEW = stem(new_public_id()), stem(new_public_id())
# At the pace of the proxy this takes ten times as long.
ENTRY = b"x" * int(10 * LONGEST_SECONDS / PAUSE_SECONDS)


class Servers:
    """What a test has started, behind proxies."""

    def __init__(self, start: Callable[[str], Any], stack: ExitStack) -> None:
        self.start = start
        self._stack = stack
        self.proxies: list[DrippingProxy] = []

    def own(self, server: Server) -> Server:
        self._stack.callback(server.stop)
        return server

    def behind(self, port: int) -> int:
        """Return the port of a new proxy."""
        self.proxies.append(DrippingProxy(port))
        self._stack.callback(self.proxies[-1].stop)
        return self.proxies[-1].port

    def drip(self) -> None:
        for proxy in self.proxies:
            proxy.drip()

    def flow(self) -> None:
        for proxy in self.proxies:
            proxy.flow()


@pytest.fixture
def servers(start_server: Callable[[str], Any]) -> Iterator[Servers]:
    with ExitStack() as stack:
        yield Servers(start_server, stack)


def redis(servers: Servers) -> dict[str, Any]:
    port = servers.behind(servers.start("redis").port)
    return caches.core_redis(f"redis://{HOST}:{port}/1")


def redis_with_tls(servers: Servers) -> dict[str, Any]:
    server: TLSServer = servers.start("redis_tls")
    port = servers.behind(server.tls_port)
    return caches.core_redis(server.tls_url.replace(str(server.tls_port), str(port)))


def sentinel(servers: Servers) -> dict[str, Any]:
    primary = servers.start("redis")
    watched = servers.own(start_sentinel(servers.behind(primary.port), quorum=1))
    addresses = [(HOST, servers.behind(watched.port))]
    return caches.sentinels(RedisSentinel.service_name, addresses)


def cluster(servers: Servers) -> dict[str, Any]:
    """One node, which says that it is to be met where the proxy is."""
    options = f"--cluster-enabled yes --cluster-config-file nodes.conf --cluster-port {free_port()}"
    node = servers.own(start_redis(*options.split()))
    port = servers.behind(node.port)
    ask_redis(node, "config", "set", "cluster-announce-ip", HOST)
    ask_redis(node, "config", "set", "cluster-announce-port", str(port))
    ask_redis(node, "cluster", "addslotsrange", "0", "16383")
    wait_until(lambda: "cluster_state:ok" in ask_redis(node, "cluster", "info"), what="cluster")
    return caches.redis_cluster(f"redis://{HOST}:{port}/0")


def memcached(servers: Servers) -> dict[str, Any]:
    port = servers.behind(servers.start("memcached").port)
    return caches.memcached(f"{HOST}:{port}")


KINDS = {
    "Redis": redis,
    "Redis, TLS": redis_with_tls,
    "Redis without hiredis": redis,
    "Sentinel": sentinel,
    "cluster": cluster,
    "Memcached": memcached,
}


@pytest.fixture(params=list(KINDS))
def tier(
    request: pytest.FixtureRequest, servers: Servers, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Tier]:
    if "without hiredis" in request.param:
        parse_in_python(monkeypatch)
    with caches.site_with(KINDS[request.param](servers)) as found:
        wait_until(lambda: holds_entry(found), what="a copy in the cache")
        yield found


def holds_entry(tier: Tier) -> bool:
    """Say whether there is something to read; see to it."""
    with suppress(*tier.driver.faults):  # of a machine so busy that it takes a deadline's time
        tier.driver.reserve(NAME, slots.copy(1, ENTRY), seconds=60)
        return tier.driver.read(NAME).entry == ENTRY
    return False


def parse_in_python(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let redis-py use the parser that it has where hiredis is not installed."""
    plain, plain_async = redis_clients.ours, redis_clients.ours_async

    def ours(*args: Any) -> dict[str, Any]:
        return {**plain(*args), "parser_class": _RESP2Parser}

    def ours_async(*args: Any) -> dict[str, Any]:
        return {**plain_async(*args), "parser_class": _AsyncRESP2Parser}

    monkeypatch.setattr(pipelined, "is_available", False)
    monkeypatch.setattr(redis_clients, "ours", ours)
    monkeypatch.setattr(redis_clients, "ours_async", ours_async)


def fails_in_time(tier: Tier, command: Callable[[], object]) -> None:
    began = time.monotonic()
    with pytest.raises(tier.driver.faults):
        command()
    assert time.monotonic() - began < LONGEST_SECONDS


def test_kept_connection(tier: Tier, servers: Servers) -> None:
    """An answer that comes too late is a fault, however steadily it comes."""
    servers.drip()

    fails_in_time(tier, lambda: tier.driver.read(NAME))


COMMANDS: dict[str, Callable[[Any], object]] = {
    "read": lambda driver: driver.read(NAME),
    "reserve": lambda driver: driver.reserve(NEW, slots.reservation(), seconds=60),
    "fill": lambda driver: driver.fill(NAME, b"", version=1, ticket=b"s", seconds=60),
    "replace": lambda driver: driver.replace(NAME, b"", version=1, hold=b"", seconds=60),
    "occupy": lambda driver: driver.occupy(NAME, slots.hold(), seconds=60),
    "mark_ended": lambda driver: driver.mark_ended(NAME, seconds=60),
    "clear": lambda driver: driver.clear([NAME]),
}


# How a connection is made and parsed is no different from command to command.
ALIKE = ("Redis, TLS", "Redis without hiredis")


def cases(commands: Iterable[str], alike: Iterable[str]) -> pytest.MarkDecorator:
    """Each kind with each of the commands; those that are alike with fewer of them."""
    pairs = [
        (kind, command) for kind in KINDS for command in (alike if kind in ALIKE else commands)
    ]
    return pytest.mark.parametrize(("tier", "command"), pairs, indirect=["tier"])


@cases(COMMANDS, ["read", "mark_ended"])
def test_new_connection(tier: Tier, servers: Servers, command: str) -> None:
    """To connect and to greet takes none of the command's time twice."""
    tier.driver.close()
    servers.drip()

    fails_in_time(tier, lambda: COMMANDS[command](tier.driver))


ASYNC_COMMANDS: dict[str, Callable[[Any], Any]] = {
    "aread": lambda driver: driver.aread(NAME),
    "areserve": lambda driver: driver.areserve(NEW, slots.reservation(), seconds=60),
    "aclear": lambda driver: driver.aclear([NAME]),
}


# A TLS handshake that is cancelled is closed by asyncio, but only some time after its loop.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@cases(ASYNC_COMMANDS, ["aread"])
@pytest.mark.parametrize("is_kept", [True, False], ids=["kept", "new"])
def test_under_asyncio(tier: Tier, servers: Servers, command: str, is_kept: bool) -> None:
    """The same for one request among others, which do not wait for it either."""

    async def ask() -> None:
        if is_kept:
            with suppress(*tier.driver.faults):
                await tier.driver.aread(NAME)
        else:
            tier.driver.close()
        servers.drip()
        began = time.monotonic()
        with pytest.raises(tier.driver.faults):
            await ASYNC_COMMANDS[command](tier.driver)
        assert time.monotonic() - began < LONGEST_SECONDS

    asyncio.run(ask())
    gc.collect()


def test_next_command_reads_its_own_answer(tier: Tier, servers: Servers) -> None:
    """What came too late is answered to nobody, and leaves no connection behind."""
    servers.drip()
    with pytest.raises(tier.driver.faults):
        tier.driver.read(NAME)

    servers.flow()
    assert answer(tier, NEW) is slots.VACANT
    assert answer(tier, NAME).entry == ENTRY


def answer(tier: Tier, name: str) -> Reading:
    """Return what is read there, once the machine is quick enough for that."""
    while True:
        with suppress(*tier.driver.faults):
            return tier.driver.read(name)


@pytest.mark.parametrize("kind", ["Redis", "Sentinel", "cluster", "Memcached"])
def test_name_that_is_not_found_in_time(
    servers: Servers, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """A resolver that does not answer holds nobody up either."""
    is_over = threading.Event()

    def stall(*_: object, **__: object) -> Any:
        is_over.wait(60)
        raise socket.gaierror("no answer")

    with caches.site_with(KINDS[kind](servers)) as tier:
        tier.driver.close()
        monkeypatch.setattr(socket, "getaddrinfo", stall)
        try:
            fails_in_time(tier, lambda: tier.driver.read(NAME))
        finally:
            is_over.set()


def test_nobody_is_held_up(servers: Servers, world: World, user: User) -> None:
    """A request is served from the database, while Django's own engine waits for each byte."""
    with caches.site_with(redis(servers)) as tier:
        visitor = Browser(world)
        visitor.get("sign-in", name="ann")
        django_caches["default"].set("other", ENTRY)
        servers.drip()

        began = time.monotonic()
        waits = in_thread(lambda: django_caches["default"].get("other"))
        assert visitor.text("who") == "ann"
        assert not revoke(Session.objects.get()).cache_reached
        assert visitor.text("who") == "AnonymousUser"

        assert time.monotonic() - began < LONGEST_SECONDS
        assert not waits.done()
        assert tier.breaker.is_open
        servers.flow()
        waits.result(60)
