"""
Copies in Memcached, through pymemcache: one name per session, stored by compare-and-swap.

The values are bytes with no flags, so that nothing that stands there is ever unpickled.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import copy
from functools import partial
from typing import Any
from uuid import UUID

from pymemcache.client.base import Client
from pymemcache.exceptions import MemcacheError

from sessions_plus.cache import slots
from sessions_plus.cache.drivers import contract
from sessions_plus.cache.drivers.compare_and_swap import CompareAndSwapDriver, Decision
from sessions_plus.cache.drivers.contract import ServerState, stem
from sessions_plus.cache.drivers.deadline import connected_in_time, in_time
from sessions_plus.cache.drivers.idle import IdleConnections
from sessions_plus.cache.drivers.turns import Crowded, LoopThreads
from sessions_plus.cache.slots import Reading
from sessions_plus.named_types import Arguments

# Of the alias's options, what says how to reach the servers.
OPTIONS = ("tls_context", "no_delay", "socket_keepalive", "socket_module")
ATTEMPTS = 5

Address = str | tuple[str, int]


class TimedClient(Client):
    """A connection to one server, each of whose waits ends with the operation."""

    def _connect(self) -> None:
        def connect() -> Any:  # a socket: pymemcache has no types
            twin = copy(self)  # who comes too late must not touch a client in use
            Client._connect(twin)
            return twin.sock

        self.close()
        self.sock = connected_in_time(connect)


class KeptClient:
    """One server, asked by all threads on connections that are kept."""

    def __init__(self, address: Address, options: Arguments) -> None:
        self.address = address if isinstance(address, str) else "{}:{}".format(*address)
        self._idle = IdleConnections(partial(_client, address, options), TimedClient.close)

    def __getattr__(self, command: str) -> Callable[..., Any]:  # see _ask()
        return partial(self._ask, command)

    def _ask(self, command: str, *args: object, **kwargs: object) -> Any:  # as the command has them
        client = self._idle.take()
        try:
            answer = getattr(client, command)(*args, **kwargs)
        except BaseException:
            client.close()
            raise
        self._idle.give_back(client)
        return answer

    def close(self) -> None:
        self._idle.close()


def _client(address: Address, options: Arguments) -> TimedClient:
    return TimedClient(
        address,
        connect_timeout=contract.TIMEOUT_SECONDS,
        timeout=contract.TIMEOUT_SECONDS,
        default_noreply=False,
        allow_unicode_keys=True,
        **options,
    )


class MemcachedDriver(CompareAndSwapDriver):
    """
    A ``Driver`` for one or several Memcached servers.

    Each session has its server for good: should that fail, its sessions are read from
    the database, rather than from a neighbour whose copies nobody would know of later.
    """

    kind = "Memcached"
    faults: tuple[type[Exception], ...] = (MemcacheError, OSError)

    def __init__(self, cache: Any) -> None:  # Django's, with its private options
        given = {name: cache._options[name] for name in OPTIONS if name in cache._options}
        self._make_key: Callable[[str], str] = cache.make_key
        self._clients = [KeptClient(_address(server), given) for server in cache.client_servers]
        self.timeout = contract.TIMEOUT_SECONDS
        self._threads = LoopThreads(self.timeout, faults=self.faults)

    @in_time
    def clock(self) -> float | None:
        # It tells whole seconds, and counts them itself: half a one is the best guess.
        return float(self._clients[0].stats()[b"time"]) + 0.5

    def servers(self) -> Sequence[ServerState]:
        return [self._state_of(client) for client in self._clients]

    @in_time
    def _state_of(self, client: KeptClient) -> ServerState:
        evicts = client.stats("settings").get(b"evictions") != b"off"
        return ServerState(client.address, None, "lru" if evicts else "noeviction")

    def watch(self, lost: Callable[[], None]) -> None:
        """A server that restarts is empty: nothing to tell."""

    def name_of(self, public_id: UUID) -> str:
        return str(self._make_key(stem(public_id)))

    def _at(self, name: str) -> KeptClient:
        number = int(name.rpartition("{")[2].partition("}")[0][:8], 16)
        return self._clients[number % len(self._clients)]

    @in_time
    def read(self, name: str) -> Reading:
        return slots.read(self._at(name).get(name))

    async def aread(self, name: str) -> Reading:
        try:
            return await self._threads.run(partial(self.read, name))
        except Crowded:
            return slots.BARRED

    @in_time
    def reserve(self, name: str, value: bytes, *, seconds: float) -> bool:
        return bool(self._at(name).add(name, value, expire=_whole(seconds)))

    async def areserve(self, name: str, value: bytes, *, seconds: float) -> bool:
        try:
            return await self._threads.run(partial(self.reserve, name, value, seconds=seconds))
        except Crowded:
            return False

    fill = in_time(CompareAndSwapDriver.fill)
    replace = in_time(CompareAndSwapDriver.replace)

    @in_time
    def occupy(self, name: str, value: bytes, *, seconds: float) -> None:
        if not self._at(name).add(name, value, expire=_whole(seconds)):
            super().occupy(name, value, seconds=seconds)

    def _swap(self, name: str, decide: Decision, *, seconds: float) -> bool:
        client = self._at(name)
        for _ in range(ATTEMPTS):
            held, token = client.gets(name)
            value = decide(held)
            if value is None or token is None:
                return False
            if client.cas(name, value, token, expire=_whole(seconds)):
                return True
        client.delete(name)  # so many at once: let the next reader begin anew
        return False

    @in_time
    def mark_ended(self, name: str, *, seconds: float) -> None:
        self._at(name).set(name, slots.TOMBSTONE, expire=_whole(seconds))

    def mark_ended_many(self, names: Sequence[str], *, seconds: float) -> None:
        by_server: dict[KeptClient, dict[str, bytes]] = {}
        for name in names:
            by_server.setdefault(self._at(name), {})[name] = slots.TOMBSTONE
        for client, marks in by_server.items():
            client.set_many(marks, expire=_whole(seconds))

    def clear(self, names: Sequence[str]) -> None:
        for name in names:
            self._remove(name)

    @in_time
    def _remove(self, name: str) -> None:
        self._at(name).delete(name)

    async def aclear(self, names: Sequence[str]) -> None:
        await self._threads.run(partial(self.clear, names))

    def close(self) -> None:
        for client in self._clients:
            client.close()


def _address(server: Address) -> Address:
    """Read ``host:port``, ``unix:/path`` or a path as Django does."""
    if not isinstance(server, str):
        return server
    if server.startswith(("unix:", "/")):
        return server.removeprefix("unix:")
    host, _, port = server.rpartition(":")
    return (host.strip("[]"), int(port)) if host and port.isdigit() else (server, 11211)


def _whole(seconds: float) -> int:
    return max(1, int(seconds))
