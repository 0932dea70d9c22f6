"""
Copies in Memcached, through pymemcache: one name per session, stored by compare-and-swap.

The values are bytes with no flags, so that nothing that stands there is ever unpickled.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID

from asgiref.sync import sync_to_async
from pymemcache.client.base import PooledClient
from pymemcache.exceptions import MemcacheError

from sessions_plus.cache import slots
from sessions_plus.cache.drivers.compare_and_swap import CompareAndSwapDriver, Decision
from sessions_plus.cache.drivers.contract import TIMEOUT_SECONDS, stem
from sessions_plus.cache.slots import Reading

# Of the alias's options, what says how to reach the servers.
OPTIONS = ("tls_context", "no_delay", "socket_keepalive", "socket_module", "max_pool_size")
ATTEMPTS = 5


class MemcachedDriver(CompareAndSwapDriver):
    """
    A ``drivers.Driver`` for one or several Memcached servers.

    Each session has its server for good: should that fail, its sessions are read from
    the database, rather than from a neighbour whose copies nobody would know of later.
    """

    kind = "Memcached"
    faults: tuple[type[Exception], ...] = (MemcacheError, OSError)

    def __init__(self, cache: Any) -> None:
        given = {name: cache._options[name] for name in OPTIONS if name in cache._options}
        self._make_key: Callable[[str], str] = cache.make_key
        self._clients = [
            PooledClient(
                _address(server),
                connect_timeout=TIMEOUT_SECONDS,
                timeout=TIMEOUT_SECONDS,
                default_noreply=False,
                allow_unicode_keys=True,
                **given,
            )
            for server in cache.client_servers
        ]

    def clock(self) -> float | None:
        # It tells whole seconds, and counts them itself: half a one is the best guess.
        return float(self._clients[0].stats()[b"time"]) + 0.5

    def watch(self, lost: Callable[[], None]) -> None:
        """A server that restarts is empty: nothing to tell."""

    def name_of(self, public_id: UUID) -> str:
        return str(self._make_key(stem(public_id)))

    def _at(self, name: str) -> Any:
        number = int(name.rpartition("{")[2].partition("}")[0][:8], 16)
        return self._clients[number % len(self._clients)]

    def read(self, name: str) -> Reading:
        return slots.read(self._at(name).get(name))

    async def aread(self, name: str) -> Reading:
        return await sync_to_async(self.read, thread_sensitive=False)(name)

    def reserve(self, name: str, value: bytes, *, seconds: float) -> bool:
        return bool(self._at(name).add(name, value, expire=_whole(seconds)))

    async def areserve(self, name: str, value: bytes, *, seconds: float) -> bool:
        reserve = sync_to_async(self.reserve, thread_sensitive=False)
        return await reserve(name, value, seconds=seconds)

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

    def mark_ended(self, name: str, *, seconds: float) -> None:
        self._at(name).set(name, slots.ENDED, expire=_whole(seconds))

    def mark_ended_many(self, names: Sequence[str], *, seconds: float) -> None:
        by_server: dict[Any, dict[str, bytes]] = {}
        for name in names:
            by_server.setdefault(self._at(name), {})[name] = slots.ENDED
        for client, marks in by_server.items():
            client.set_many(marks, expire=_whole(seconds))

    def clear(self, names: Sequence[str]) -> None:
        for name in names:
            self._at(name).delete(name)

    async def aclear(self, names: Sequence[str]) -> None:
        await sync_to_async(self.clear, thread_sensitive=False)(names)

    def close(self) -> None:
        for client in self._clients:
            client.close()


def _address(server: Any) -> Any:
    """Read ``host:port``, ``unix:/path`` or a path as Django does."""
    if not isinstance(server, str):
        return server
    if server.startswith(("unix:", "/")):
        return server.removeprefix("unix:")
    host, _, port = server.rpartition(":")
    return (host.strip("[]"), int(port)) if host and port.isdigit() else (server, 11211)


def _whole(seconds: float) -> int:
    return max(1, int(seconds))
