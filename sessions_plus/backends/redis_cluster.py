"""
A Django cache backend for a Redis Cluster, as neither Django nor django-redis has one.

``BACKEND``: ``sessions_plus.backends.redis_cluster.RedisClusterCache``; ``LOCATION``: the
URL of any node, or several. It serves a site's other caching too.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from django.core.cache.backends.redis import RedisCache, RedisCacheClient
from django.utils.functional import cached_property
from redis import RedisCluster
from redis.cluster import ClusterNode
from redis.connection import parse_url

from sessions_plus.named_types import Arguments


def cluster_arguments(servers: list[str], options: Mapping[str, object]) -> Arguments:
    """Return the arguments of ``redis.RedisCluster`` for the nodes at these URLs."""
    nodes, arguments = [], dict(options)
    for server in servers:
        url: dict[str, object] = dict(parse_url(server))
        host, port = url.pop("host", "localhost"), url.pop("port", 6379)
        nodes.append(ClusterNode(host, port))
        arguments["ssl"] = "connection_class" in url  # rediss://
        url.pop("connection_class", None)
        arguments.update(url)
    return {**arguments, "startup_nodes": nodes}


class RedisClusterClient(RedisCacheClient):
    """Django's client, where each key may live on another node."""

    def __init__(
        self,
        servers: list[str],
        serializer: Any = None,  # this and the next two as RedisCacheClient has them
        pool_class: Any = None,  # as there
        parser_class: Any = None,  # as there
        **options: object,
    ) -> None:
        super().__init__(servers, serializer, pool_class, parser_class)
        self._arguments = cluster_arguments(servers, options)

    @cached_property
    def _cluster(self) -> RedisCluster:
        return RedisCluster(**self._arguments)

    def get_client(self, key: object = None, *, write: bool = False) -> Any:  # no Redis
        return self._cluster

    def get_many(self, keys: Iterable[Any]) -> dict[Any, Any]:  # the site's
        names = list(keys)
        values = self._cluster.mget_nonatomic(names)
        loads = self._serializer.loads  # type: ignore[attr-defined]  # the stubs don't know it
        found = zip(names, values, strict=True)
        return {name: loads(value) for name, value in found if value is not None}

    def clear(self) -> bool:
        return bool(self._cluster.flushdb(target_nodes=RedisCluster.PRIMARIES))


class RedisClusterCache(RedisCache):
    """Django's Redis cache over a cluster. ``OPTIONS`` are those of ``redis.RedisCluster``."""

    def __init__(self, server: str, params: dict[str, object]) -> None:
        super().__init__(server, params)
        self._class = RedisClusterClient

    @property
    def cluster_arguments(self) -> Arguments:
        """How to reach the cluster, for the session tier to use in its own way."""
        known = ("serializer", "pool_class", "parser_class")
        cache: Any = self  # the stubs know none of Django's private names
        options = {name: cache._options[name] for name in cache._options if name not in known}
        return cluster_arguments(cache._servers, options)
