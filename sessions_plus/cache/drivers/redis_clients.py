"""
Clients of a Redis, with the site's configuration and manners of our own.

The address, the credentials, TLS, Sentinel and the cluster are those of the cache
alias. The pools are ours: one short deadline for each command whatever the alias has, no
retries (the database is the retry), bytes in and out, and one asyncio client per event loop.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import redis
import redis.asyncio
from django.core.cache.backends.base import BaseCache
from django.core.cache.backends.redis import RedisCache as DjangoRedisCache
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import NoBackoff
from redis.retry import Retry
from redis.sentinel import (
    SentinelConnectionPool,
    SentinelManagedConnection,
    SentinelManagedSSLConnection,
)

from sessions_plus.cache.drivers import contract
from sessions_plus.cache.drivers.deadline import TimedSocket, connected_in_time
from sessions_plus.named_types import Arguments, RedisClient, Values

# Of what a pool was given, this says where the server is and who we are.
ADDRESS = (
    "host", "port", "path", "db", "username", "password", "credential_provider", "client_name",
    "socket_keepalive", "socket_keepalive_options", "socket_type", "health_check_interval",
)  # fmt: skip
TLS = "ssl_"

ASYNC_CONNECTIONS: Mapping[type, type] = {
    redis.Connection: redis.asyncio.Connection,
    redis.SSLConnection: redis.asyncio.SSLConnection,
    redis.UnixDomainSocketConnection: redis.asyncio.UnixDomainSocketConnection,
}


Greeting = Callable[[RedisClient], object]
"""What is done with a connection of redis-py when it is new; awaited in async code."""


def ours(connect: Greeting | None, given: Values) -> Arguments:
    """Return the arguments of our connections: the site's address, our manners."""
    options = {name: given[name] for name in given if name in ADDRESS or name.startswith(TLS)}
    longest = contract.TIMEOUT_SECONDS
    for name in ("socket_timeout", "socket_connect_timeout"):
        options[name] = min(given.get(name) or longest, longest)
    # RESP2 needs no handshake of its own, and all that we exchange are strings.
    options["protocol"] = 2
    if connect is not None:
        options["redis_connect_func"] = connect
    return options


def ours_async(connect: Greeting | None, given: Values) -> Arguments:
    """See ours(). The deadline is that of the command, so a read has no timeout of its own."""
    return {**ours(connect, given), "socket_timeout": None}


class TimedConnection:
    """What makes a connection of redis-py end each of its waits with the operation."""

    was_used = False
    """Whether an answer came on it, so that the server may have closed it since."""

    def _connect(self) -> TimedSocket:
        return connected_in_time(super()._connect)  # type: ignore[misc]  # the other base's


@lru_cache(maxsize=32)
def timed(connection_class: type) -> type:
    """Return a class of synchronous connections, whichever it is, that keeps to the deadline."""
    return type(f"Timed{connection_class.__name__}", (TimedConnection, connection_class), {})


@dataclass
class Configuration:
    """
    One Redis, as a cache alias describes it.

    ``on_connect`` is called with each new synchronous connection, ``aon_connect``
    with each asynchronous one; each has to greet the server itself.
    """

    kind: str
    given: Values
    connection_class: type = redis.Connection
    on_connect: Greeting | None = None
    aon_connect: Greeting | None = None
    is_many_servers = False

    @property
    def timeout(self) -> float:
        """Seconds that an operation may take: connecting, greeting, asking, being answered."""
        return float(ours(None, self.given)["socket_timeout"])

    @property
    def address(self) -> str:
        """Where the server is, for a person to read."""
        given = self.given
        return str(given.get("path") or f"{given.get('host', 'localhost')}:{given.get('port')}")

    def client(self) -> RedisClient:
        """Return a client for all threads."""
        pool = redis.ConnectionPool(
            connection_class=timed(self.connection_class),
            max_connections=2**15,  # one per thread that is in a command; the server limits them
            retry=Retry(NoBackoff(), 0),
            **ours(self.on_connect, self.given),
        )
        return redis.Redis.from_pool(pool)

    def async_client(self) -> RedisClient | None:
        """Return a client for the running loop; None: this kind of connection has none."""
        connection_class = ASYNC_CONNECTIONS.get(self.connection_class)
        if connection_class is None:
            return None
        pool = redis.asyncio.ConnectionPool(
            connection_class=connection_class,
            max_connections=2**15,
            retry=AsyncRetry(NoBackoff(), 0),
            **ours_async(self.aon_connect, self.given),
        )
        return redis.asyncio.Redis.from_pool(pool)


@dataclass
class SentinelConfiguration(Configuration):
    """A Redis whose primary the sentinels name."""

    service_name: str = ""
    sentinels: Sequence[Configuration] = ()
    uses_tls: bool = False

    @property
    def address(self) -> str:
        return self.service_name

    def client(self) -> RedisClient:
        manager: RedisClient = redis.Sentinel([])
        manager.sentinels = [sentinel.client() for sentinel in self.sentinels]
        managed = SentinelManagedSSLConnection if self.uses_tls else SentinelManagedConnection
        return manager.master_for(
            self.service_name,
            connection_class=timed(managed),
            retry=Retry(NoBackoff(), 0),
            **_without_address(ours(self.on_connect, self.given)),
        )

    def async_client(self) -> RedisClient | None:
        sentinels = [sentinel.async_client() for sentinel in self.sentinels]
        if None in sentinels:
            return None
        manager: RedisClient = redis.asyncio.Sentinel([])
        manager.sentinels = sentinels
        return manager.master_for(
            self.service_name,
            ssl=self.uses_tls,
            retry=AsyncRetry(NoBackoff(), 0),
            **_without_address(ours_async(self.aon_connect, self.given)),
        )


def _without_address(options: Values) -> Arguments:
    """Leave out where the primary was when the alias was configured."""
    return {name: options[name] for name in options if name not in ("host", "port")}


@dataclass
class ClusterConfiguration(Configuration):
    """A Redis Cluster: ``given`` are the arguments of ``redis.RedisCluster``."""

    is_many_servers = True

    def client(self) -> RedisClient:
        arguments = {**self.given, **ours(self.on_connect, self.given)}
        connection_class = redis.SSLConnection if arguments.pop("ssl", None) else redis.Connection
        first, *others = arguments.pop("startup_nodes")
        return redis.RedisCluster(
            # Only who gives a URL may say of which class the connections are.
            url=f"redis://{_in_url(first.host)}:{first.port}",
            startup_nodes=others,
            connection_class=timed(connection_class),
            retry=Retry(NoBackoff(), 0),
            **arguments,
        )

    def async_client(self) -> RedisClient:
        retry = AsyncRetry(NoBackoff(), 0)
        # With timeouts for each wait, as it learns of the nodes in the background.
        arguments = {**self.given, **ours(None, self.given)}
        return redis.asyncio.RedisCluster(retry=retry, **arguments)


def _in_url(host: str) -> str:
    return f"[{host}]" if ":" in host else host


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
    return _behind(pool)


def _behind(pool: RedisClient) -> Configuration:
    return Configuration("Redis", dict(pool.connection_kwargs), pool.connection_class)


def _behind_sentinels(pool: RedisClient) -> SentinelConfiguration:
    sentinels = pool.sentinel_manager.sentinels
    return SentinelConfiguration(
        "Redis behind Sentinel",
        dict(pool.connection_kwargs),
        service_name=pool.service_name,
        sentinels=[_behind(sentinel.connection_pool) for sentinel in sentinels],
        uses_tls=issubclass(pool.connection_class, redis.SSLConnection),
    )


def _django_pool(cache: BaseCache) -> RedisClient | None:
    if not isinstance(cache, DjangoRedisCache):
        return None
    return cache._cache._get_connection_pool(write=True)  # type: ignore[attr-defined]  # private


def _django_redis_pool(cache: BaseCache) -> RedisClient | None:
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


def close(client: RedisClient) -> None:
    """Give up the connections of a synchronous client."""
    client.close()
    if isinstance(client, redis.RedisCluster):
        # It does not do so itself where it was told of which class they are.
        client.disconnect_connection_pools()
    for sentinel in sentinels_of(client):
        sentinel.close()


def sentinels_of(client: RedisClient) -> list[RedisClient]:
    """Return the clients of the sentinels that a client asks for its server."""
    manager = getattr(getattr(client, "connection_pool", None), "sentinel_manager", None)
    return list(manager.sentinels) if manager is not None else []
