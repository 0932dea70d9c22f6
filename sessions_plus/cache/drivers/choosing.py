"""Which driver speaks to which kind of cache."""

from __future__ import annotations

from django.core.cache import caches
from django.core.cache.backends.base import BaseCache
from django.core.cache.backends.locmem import LocMemCache

from sessions_plus.cache.drivers.contract import Driver


def driver_for(alias: str) -> Driver:
    """
    Return the driver that gets the most out of a cache alias.

    Raises:
        InvalidCacheBackendError: ``CACHES`` has no such alias.
    """
    cache = caches[alias]
    return _redis(cache) or _memcached(cache) or _local_memory(alias) or _portable(alias)


def _redis(cache: BaseCache) -> Driver | None:
    if "redis" not in f"{type(cache).__mro__}".lower():
        return None  # spares a site without Redis the import
    from sessions_plus.cache.drivers.redis import RedisDriver
    from sessions_plus.cache.drivers.redis_clients import configuration_of

    configuration = configuration_of(cache)
    return RedisDriver(configuration, cache.make_key) if configuration is not None else None


def _memcached(cache: BaseCache) -> Driver | None:
    if not any(base.__name__ == "PyMemcacheCache" for base in type(cache).__mro__):
        return None
    from sessions_plus.cache.drivers.memcached import MemcachedDriver

    return MemcachedDriver(cache)


def _local_memory(alias: str) -> Driver | None:
    if not isinstance(caches[alias], LocMemCache):
        return None
    from sessions_plus.cache.drivers.local_memory import LocalMemoryDriver

    return LocalMemoryDriver(alias)


def _portable(alias: str) -> Driver:
    from sessions_plus.cache.drivers.portable import PortableDriver

    return PortableDriver(alias)
