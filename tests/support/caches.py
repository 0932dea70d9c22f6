"""The ``CACHES`` of a site for each kind of cache that the cache tier speaks to."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest
from django.core.cache import caches
from django.test import override_settings
from django_redis.pool import ConnectionFactory

from sessions_plus.cache import copies
from sessions_plus.cache.tier import Tier
from sessions_plus.keys import new_public_id
from tests.support.services.caches import RedisSentinel
from tests.support.services.process import wait_until

ENGINE = "sessions_plus.backends.cached_db"
DJANGO_REDIS = "django_redis.cache.RedisCache"


def django_redis(url: str, **options: Any) -> dict[str, Any]:
    return {"BACKEND": DJANGO_REDIS, "LOCATION": url, "OPTIONS": options}


def core_redis(url: str) -> dict[str, Any]:
    return {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": url}


def redis_cluster(url: str) -> dict[str, Any]:
    return {
        "BACKEND": "sessions_plus.backends.redis_cluster.RedisClusterCache",
        "LOCATION": url.removesuffix("/0"),
    }


def redis_sentinel(group: RedisSentinel) -> dict[str, Any]:
    return sentinels(group.service_name, group.addresses)


def sentinels(service_name: str, addresses: list[tuple[str, int]]) -> dict[str, Any]:
    return django_redis(
        f"redis://{service_name}/0",
        CLIENT_CLASS="django_redis.client.SentinelClient",
        CONNECTION_FACTORY="django_redis.pool.SentinelConnectionFactory",
        SENTINELS=addresses,
    )


def memcached(address: str) -> dict[str, Any]:
    return {
        "BACKEND": "django.core.cache.backends.memcached.PyMemcacheCache",
        "LOCATION": address,
    }


def local() -> dict[str, Any]:
    return {"BACKEND": "django.core.cache.backends.locmem.LocMemCache", "LOCATION": "sessions"}


def files(directory: str) -> dict[str, Any]:
    return {
        "BACKEND": "django.core.cache.backends.filebased.FileBasedCache",
        "LOCATION": directory,
    }


@contextmanager
def site_with(cache: dict[str, Any], **settings: Any) -> Iterator[Tier]:
    """Let the site keep its sessions' copies in this cache, which begins empty."""
    with override_settings(SESSION_ENGINE=ENGINE, CACHES={"default": cache}, **settings):
        caches["default"].clear()
        try:
            yield connected(copies.tier())
        finally:
            copies.reset()
            caches.close_all()
            # It keeps them by URL, and all our sentinels name the same service.
            ConnectionFactory._pools.clear()


def connected(tier: Tier) -> Tier:
    """Return it once it has a connection, however busy the machine is."""

    def reads() -> bool:
        with suppress(*tier.driver.faults):
            tier.driver.read(tier.driver.name_of(new_public_id()))
            return True
        return False

    wait_until(reads, what="a connection to the cache")
    return tier


@contextmanager
def as_another_process() -> Iterator[Tier]:
    """Do the inner block as another process: own connections, breaker, pending invalidations."""
    mine = dict(copies._tiers)
    copies._tiers.clear()
    try:
        yield copies.tier()
    finally:
        copies.reset()
        copies._tiers.update(mine)


@contextmanager
def another_that_reaches_no_cache() -> Iterator[None]:
    """Do the inner block as a process that cannot tell the cache, and dies before it could."""

    def fail(*_: object, **__: object) -> None:
        raise ConnectionError("cut off")

    with as_another_process() as tier, pytest.MonkeyPatch.context() as patch:
        for telling in ("mark_ended", "mark_ended_many"):
            patch.setattr(tier.driver, telling, fail)
        patch.setattr(tier, "_start_collector", lambda: None)
        patch.setattr(tier.driver, "faults", (*tier.driver.faults, ConnectionError))
        yield


def fail_and_recover(tier: Tier) -> None:
    """Let a command fail, of a session that is not there, and then the cache answer again."""
    tier.breaker.trip()
    tier.breaker._retry_at = 0.0
    tier._failed_name = tier.driver.name_of(new_public_id())
    assert tier.recover()


def wait_for_trust(tier: Tier) -> None:
    """Wait until copies that are proven now count again after a recovery."""
    time.sleep(max(0.0, tier.trusted_since - time.time()))
