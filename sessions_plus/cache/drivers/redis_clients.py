"""
Clients of a Redis, with the site's configuration and manners of our own.

The address, the credentials, TLS, Sentinel and the cluster are those of the cache
alias. The pools are ours: short timeouts whatever the alias has, no retries (the
database is the retry), bytes in and out, and one asyncio client per event loop.
"""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import redis
import redis.asyncio
from django.core.cache.backends.base import BaseCache
from django.core.cache.backends.redis import RedisCache as DjangoRedisCache
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import NoBackoff
from redis.retry import Retry
from redis.sentinel import SentinelConnectionPool

from sessions_plus.cache.drivers.contract import TIMEOUT_SECONDS

# Of what a pool was given, this says where the server is and who we are.
ADDRESS = (
    "host", "port", "path", "db", "username", "password", "credential_provider", "client_name",
    "socket_keepalive", "socket_keepalive_options", "socket_type", "health_check_interval",
)  # fmt: skip
TLS = "ssl_"

# One loop's connections: others wait for one, for a command takes a fraction of a millisecond.
# More would keep no loop busier, but all would be opened at once when it begins.
CONNECTIONS_PER_LOOP = 16

# A timer that is this late tells of a loop that was busy, so that it may have missed an answer.
LATE_SECONDS = 0.005

UNREACHABLE = (redis.ConnectionError, redis.TimeoutError, OSError)

ASYNC_CONNECTIONS: Mapping[type, type] = {
    redis.Connection: redis.asyncio.Connection,
    redis.SSLConnection: redis.asyncio.SSLConnection,
    redis.UnixDomainSocketConnection: redis.asyncio.UnixDomainSocketConnection,
}


def ours(connect: Callable[..., Any] | None, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of our connections: the site's address, our manners."""
    options = {name: given[name] for name in given if name in ADDRESS or name.startswith(TLS)}
    for name in ("socket_timeout", "socket_connect_timeout"):
        options[name] = min(given.get(name) or TIMEOUT_SECONDS, TIMEOUT_SECONDS)
    # RESP2 needs no handshake of its own, and all that we exchange are strings.
    options["protocol"] = 2
    if connect is not None:
        options["redis_connect_func"] = connect
    return options


@dataclass
class Configuration:
    """
    One Redis, as a cache alias describes it.

    ``on_connect`` is called with each new synchronous connection, ``aon_connect``
    with each asynchronous one; each has to greet the server itself.
    """

    kind: str
    given: Mapping[str, Any]
    connection_class: type = redis.Connection
    on_connect: Callable[[Any], None] | None = None
    aon_connect: Callable[[Any], Any] | None = None
    is_many_servers = False

    @property
    def timeout(self) -> float:
        """Seconds to wait for an answer."""
        return float(ours(None, self.given)["socket_timeout"])

    def client(self) -> Any:
        """Return a client for all threads. Typed Any: redis-py's answers are unions."""
        pool = redis.ConnectionPool(
            connection_class=self.connection_class,
            max_connections=2**15,  # one per thread that is in a command; the server limits them
            retry=Retry(NoBackoff(), 0),
            **ours(self.on_connect, self.given),
        )
        return redis.Redis.from_pool(pool)

    def async_client(self) -> Any | None:
        """Return a client for the running loop; None: this kind of connection has none."""
        connection_class = ASYNC_CONNECTIONS.get(self.connection_class)
        if connection_class is None:
            return None
        pool = redis.asyncio.ConnectionPool(
            connection_class=connection_class,
            max_connections=2**15,
            retry=AsyncRetry(NoBackoff(), 0),
            **ours(self.aon_connect, self.given),
        )
        return redis.asyncio.Redis.from_pool(pool)


@dataclass
class SentinelConfiguration(Configuration):
    """A Redis whose primary the sentinels name."""

    service_name: str = ""
    sentinels: list[Mapping[str, Any]] = field(default_factory=list)
    uses_tls: bool = False

    def client(self) -> Any:
        retry = Retry(NoBackoff(), 0)
        manager: Any = redis.Sentinel([])  # type: ignore[no-untyped-call]
        manager.sentinels = [
            redis.Redis(connection_pool=redis.ConnectionPool(retry=retry, **ours(None, sentinel)))
            for sentinel in self.sentinels
        ]
        return manager.master_for(
            self.service_name, ssl=self.uses_tls, retry=retry, **self._primary(self.on_connect)
        )

    def async_client(self) -> Any:
        retry = AsyncRetry(NoBackoff(), 0)
        manager: Any = redis.asyncio.Sentinel([])  # type: ignore[no-untyped-call]
        manager.sentinels = [
            redis.asyncio.Redis.from_pool(
                redis.asyncio.ConnectionPool(retry=retry, **ours(None, sentinel))
            )
            for sentinel in self.sentinels
        ]
        return manager.master_for(
            self.service_name, ssl=self.uses_tls, retry=retry, **self._primary(self.aon_connect)
        )

    def _primary(self, connect: Callable[[Any], Any] | None) -> dict[str, Any]:
        options = ours(connect, self.given)
        return {name: options[name] for name in options if name not in ("host", "port")}


@dataclass
class ClusterConfiguration(Configuration):
    """A Redis Cluster: ``given`` are the arguments of ``redis.RedisCluster``."""

    is_many_servers = True

    def client(self) -> Any:
        retry = Retry(NoBackoff(), 0)
        return redis.RedisCluster(retry=retry, **self._arguments(self.on_connect))

    def async_client(self) -> Any:
        retry = AsyncRetry(NoBackoff(), 0)
        return redis.asyncio.RedisCluster(retry=retry, **self._arguments(None))

    def _arguments(self, connect: Callable[[Any], Any] | None) -> dict[str, Any]:
        return {**self.given, **ours(connect, self.given)}


def configuration_of(cache: BaseCache) -> Configuration | None:
    """Return how to reach the Redis behind a cache; None: it is none that we know."""
    cluster = getattr(cache, "cluster_arguments", None)
    if cluster is not None:
        return ClusterConfiguration("Redis Cluster", cluster)
    pool = _django_pool(cache) or _django_redis_pool(cache)
    if pool is None:
        return None
    if isinstance(pool, SentinelConnectionPool):
        return _behind_sentinels(pool)
    return Configuration("Redis", dict(pool.connection_kwargs), pool.connection_class)


def _behind_sentinels(pool: Any) -> SentinelConfiguration:
    sentinels = pool.sentinel_manager.sentinels
    return SentinelConfiguration(
        "Redis behind Sentinel",
        dict(pool.connection_kwargs),
        service_name=pool.service_name,
        sentinels=[dict(sentinel.connection_pool.connection_kwargs) for sentinel in sentinels],
        uses_tls=issubclass(pool.connection_class, redis.SSLConnection),
    )


def _django_pool(cache: BaseCache) -> Any | None:
    if not isinstance(cache, DjangoRedisCache):
        return None
    return cache._cache._get_connection_pool(write=True)  # type: ignore[attr-defined]


def _django_redis_pool(cache: BaseCache) -> Any | None:
    try:
        from django_redis.cache import RedisCache
        from django_redis.client import DefaultClient, ShardClient
    except ImportError:
        return None
    if not isinstance(cache, RedisCache):
        return None
    client = cache.client
    if not isinstance(client, DefaultClient) or isinstance(client, ShardClient):
        return None
    return client.get_client(write=True).connection_pool


def close(client: Any) -> None:
    """Give up the connections of a synchronous client."""
    client.close()
    for sentinel in _sentinels_of(client):
        sentinel.close()


class LoopClients:
    """One asyncio client per event loop, closed when its loop is."""

    def __init__(self, configuration: Configuration) -> None:
        self._configuration = configuration
        self._clients: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, LoopClient] = (
            weakref.WeakKeyDictionary()
        )

    async def get(self) -> LoopClient | None:
        """Return the running loop's client; None: there is none for this kind of Redis."""
        loop = asyncio.get_running_loop()
        found = self._clients.get(loop)
        if found is None:
            client = self._configuration.async_client()
            if client is None:
                return None
            found = self._clients[loop] = LoopClient(client, self._configuration.timeout)
            await found.open()
        return found


class LoopClient:
    """
    The client of one loop.

    Its end hangs on an asynchronous generator that never goes on: that is the one
    thing that a loop closes by itself (``shutdown_asyncgens``), as ``asyncio.run``
    and every ASGI server have it do.
    """

    def __init__(self, client: Any, timeout: float) -> None:
        self.client = client
        self._timeout = timeout
        self._slots = asyncio.Semaphore(CONNECTIONS_PER_LOOP)
        self._failed_at = 0.0
        self._life = self._live()

    async def open(self) -> None:
        await anext(self._life)

    async def ask(self, *command: Any) -> Any:
        """
        Run one command, as soon as a connection is free.

        Who waits while another's command fails waits no longer: each would take as long
        again, one after the other.
        """
        loop = asyncio.get_running_loop()
        asked_at = loop.time()
        async with self._slots:
            if self._failed_at >= asked_at:
                raise redis.ConnectionError("Failed for others just now")
            try:
                return await self._ask_patiently(command)
            except UNREACHABLE:
                self._failed_at = loop.time()
                raise

    async def _ask_patiently(self, command: tuple[Any, ...]) -> Any:
        """
        Run a command, again where the timeout may be the loop's own fault.

        A loop that was held up by somebody's long computation finds answer and timeout at
        once, and asyncio lets the timeout win. Each of our commands may be sent twice.
        """
        loop = asyncio.get_running_loop()
        began = loop.time()
        try:
            return await self.client.execute_command(*command)
        except redis.TimeoutError:
            if loop.time() - began < self._timeout + LATE_SECONDS:
                raise
        return await self.client.execute_command(*command)

    async def _live(self) -> AsyncGenerator[None, None]:
        try:
            yield
        finally:
            await self.client.aclose()
            for sentinel in _sentinels_of(self.client):
                await sentinel.aclose()


def _sentinels_of(client: Any) -> list[Any]:
    manager = getattr(getattr(client, "connection_pool", None), "sentinel_manager", None)
    return list(manager.sentinels) if manager is not None else []
