"""Each kind of cache in turn."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sessions_plus.cache.drivers import contract
from sessions_plus.cache.tier import Tier
from tests.support import caches

KINDS: dict[str, Callable[[pytest.FixtureRequest], dict[str, Any]]] = {
    "django-redis": lambda r: caches.django_redis(r.getfixturevalue("redis_server").url),
    "core Redis": lambda r: caches.core_redis(r.getfixturevalue("redis_server").url),
    "Sentinel": lambda r: caches.redis_sentinel(r.getfixturevalue("redis_sentinel")),
    "cluster": lambda r: caches.redis_cluster(r.getfixturevalue("redis_cluster").url),
    "Memcached": lambda r: caches.memcached(r.getfixturevalue("memcached_server").url),
    "local memory": lambda r: caches.local(),
    "files": lambda r: caches.files(str(r.getfixturevalue("tmp_path"))),
}

# One for each way in which the tier decides what may be put where.
RACED = ("django-redis", "Memcached", "files")

PATIENCE_SECONDS = 20.0


@pytest.fixture(autouse=True)
def _patience(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Give a cache so long to answer that no machine is too busy, but where that is the subject."""
    if request.node.get_closest_marker("short_deadline") is None:
        monkeypatch.setattr(contract, "TIMEOUT_SECONDS", PATIENCE_SECONDS)


@pytest.fixture(params=list(KINDS))
def tier(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Tier]:
    """The cache tier of a site, over each kind of cache in turn."""
    with caches.site_with(KINDS[request.param](request)) as found:
        yield found


@pytest.fixture(params=RACED)
def raced_tier(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Tier]:
    """The same, over one of each way to decide."""
    with caches.site_with(KINDS[request.param](request)) as found:
        yield found


@pytest.fixture
def redis_tier(redis_server: Any) -> Iterator[Tier]:
    """The cache tier of a site with one Redis, through django-redis."""
    with caches.site_with(caches.django_redis(redis_server.url)) as found:
        yield found
