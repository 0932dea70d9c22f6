"""
A cache that dies in every way: nobody is signed out, nothing revoked comes back, no error.

Each test has a Redis of its own to harm.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.contrib.auth.models import User

from sessions_plus.cache import copies
from sessions_plus.cache.tier import Tier
from sessions_plus.keys import new_public_id
from sessions_plus.lifecycle import revoke, revoke_all
from sessions_plus.models import Session
from sessions_plus.signals import cache_recovered, cache_unavailable
from tests.conftest import World
from tests.support import caches
from tests.support.browsers import Browser
from tests.support.services.caches import RedisSentinel, ask_redis
from tests.support.services.process import PATIENCE_SECONDS, Server, wait_until

pytestmark = [
    pytest.mark.urls("tests.support.sites"),
    pytest.mark.django_db(transaction=True),
    pytest.mark.services,
    pytest.mark.short_deadline,
]

# One timeout of 250 ms, and what a slow machine adds to two requests.
LONGEST_SECONDS = 0.9


LOCAL_MEMORY = "django.core.cache.backends.locmem.LocMemCache"


@pytest.fixture
def server(start_server: Callable[[str], Any]) -> Server:
    found: Server = start_server("redis")
    return found


@pytest.fixture(params=["plain", "IGNORE_EXCEPTIONS"])
def tier(request: pytest.FixtureRequest, server: Server) -> Iterator[Tier]:
    options = {"IGNORE_EXCEPTIONS": True} if request.param != "plain" else {}
    with caches.site_with(caches.django_redis(server.url, **options)) as found:
        yield found


@pytest.fixture
def visitor(tier: Tier, world: World, user: User) -> Browser:
    visitor = Browser(world)
    visitor.get("sign-in", name="ann")
    assert visitor.text("who") == "ann"
    return visitor


def kill(server: Server) -> None:
    server.kill()


def pause(server: Server) -> None:
    server.pause()


def turn_into_replica(server: Server) -> None:
    ask_redis(server, "replicaof", "127.0.0.1", "1")


def fill_up(server: Server) -> None:
    ask_redis(server, "config", "set", "maxmemory-policy", "noeviction")
    ask_redis(server, "config", "set", "maxmemory", "1")


def demand_password(server: Server) -> None:
    ask_redis(server, "config", "set", "requirepass", "other")
    ask_redis(server, "-a", "other", "client", "kill", "type", "normal")


FAULTS = {
    "stopped": kill,
    "black-holed": pause,
    "read-only": turn_into_replica,
    "full": fill_up,
    "refusing": demand_password,
}


@pytest.fixture(params=list(FAULTS))
def fault(request: pytest.FixtureRequest) -> Callable[[Server], None]:
    return FAULTS[request.param]


def test_nobody_notices(
    fault: Callable[[Server], None], visitor: Browser, server: Server, world: World
) -> None:
    """Reading, writing, signing in and out go on, quickly, and no cookie is lost."""
    fault(server)

    began = time.monotonic()
    assert visitor.text("who") == "ann"
    visitor.get("write", color="red")
    assert time.monotonic() - began < LONGEST_SECONDS

    assert visitor.text("read") == "red"
    assert visitor.has_key
    other = Browser(world)
    other.get("sign-in", name="ann")
    assert other.text("who") == "ann"
    other.get("sign-out")
    assert other.text("who") == "AnonymousUser"
    assert visitor.text("who") == "ann"


def test_a_dead_cache_costs_one_timeout(visitor: Browser, server: Server) -> None:
    """After the first timeout requests do not wait for the cache at all."""
    server.pause()
    visitor.get("read")

    began = time.monotonic()
    for _ in range(10):
        assert visitor.text("who") == "ann"
    took = time.monotonic() - began

    assert took < LONGEST_SECONDS


def test_revocation_does_not_need_the_cache(
    fault: Callable[[Server], None], visitor: Browser, server: Server
) -> None:
    """What is revoked while the cache is in any trouble is over at once in this process."""
    fault(server)
    visitor.get("read")

    revoke(Session.objects.get())

    assert visitor.text("who") == "AnonymousUser"


@pytest.fixture
def other(visitor: Browser, world: World) -> Browser:
    """A second browser of the visitor's; its session ends together with theirs."""
    other = Browser(world)
    other.get("sign-in", name="ann")
    assert other.text("who") == "ann"
    return other


def test_ending_many_does_not_need_the_cache(
    fault: Callable[[Server], None], visitor: Browser, other: Browser, server: Server, user: User
) -> None:
    """The same, of sessions that end together."""
    fault(server)

    assert revoke_all(user).count == 2

    assert {visitor.text("who"), other.text("who")} == {"AnonymousUser"}


def test_revocation_says_that_the_cache_was_not_reached(visitor: Browser, server: Server) -> None:
    """The caller learns that other processes may take until the next touch."""
    server.pause()

    result = revoke(Session.objects.get())

    assert (result.count, result.cache_reached) == (1, False)


def test_all_that_the_cache_was_not_told_stays_pending(
    visitor: Browser, other: Browser, server: Server, tier: Tier, user: User
) -> None:
    """Of sessions that ended together, each is told of once the cache is back."""
    server.pause()

    result = revoke_all(user)

    assert (result.count, result.cache_reached) == (2, False)
    names = {tier.driver.name_of(session.public_id) for session in Session.objects.all()}
    assert set(tier.pending.outstanding()) == names


def test_a_full_cache_still_forgets(visitor: Browser, server: Server, tier: Tier) -> None:
    """Where no tombstone can be stored, what stands there is removed, and that suffices."""
    visitor.get("read")
    fill_up(server)

    assert revoke(Session.objects.get()).cache_reached

    assert not tier.breaker.is_open
    with caches.as_another_process():
        assert visitor.text("who") == "AnonymousUser"


def test_a_full_cache_still_forgets_many(
    visitor: Browser, other: Browser, server: Server, tier: Tier, user: User
) -> None:
    """The same, of sessions that end together."""
    fill_up(server)

    assert revoke_all(user).cache_reached

    assert not tier.breaker.is_open
    with caches.as_another_process():
        assert {visitor.text("who"), other.text("who")} == {"AnonymousUser"}


@contextmanager
def heard() -> Iterator[list[str]]:
    news: list[str] = []

    def down(alias: str, **_: object) -> None:
        news.append(f"{alias} down")

    def back(alias: str, **_: object) -> None:
        news.append(f"{alias} back")

    cache_unavailable.connect(down)
    cache_recovered.connect(back)
    try:
        yield news
    finally:
        cache_unavailable.disconnect(down)
        cache_recovered.disconnect(back)


def come_back(server: Server, tier: Tier) -> None:
    """Let the server answer again, and the breaker find out."""
    if server.process is not None and server.process.poll() is not None:
        server.start()
    server.resume()

    wait_until(lambda: not tier.breaker.is_open or tier.recover(), what="recovery")


def test_each_change_is_told_once(
    visitor: Browser, server: Server, tier: Tier, caplog: pytest.LogCaptureFixture
) -> None:
    """One log line and one signal when it fails, and one of each when it is back."""
    with caplog.at_level(logging.INFO, "sessions_plus"), heard() as news:
        server.kill()
        for _ in range(5):
            visitor.get("read")
        come_back(server, tier)

    lines = [record for record in caplog.records if "cache" in record.getMessage()]
    assert news == ["default down", "default back"]
    assert [line.levelname for line in lines] == ["WARNING", "INFO"]


def test_the_cache_is_used_again(visitor: Browser, server: Server, tier: Tier) -> None:
    """After the recovery reads fill the cache, and copies serve (V8)."""
    server.kill()
    visitor.get("read")
    come_back(server, tier)
    caches.wait_for_trust(tier)

    visitor.get("read")
    visitor.get("read")

    assert tier.read(Session.objects.get().public_id).entry is not None


def test_copies_from_before_do_not_serve(visitor: Browser, server: Server, tier: Tier) -> None:
    """A server that comes back with its old data revives nothing, not even elsewhere."""
    public_id = Session.objects.get().public_id
    assert tier.read(public_id).entry is not None
    server.pause()
    visitor.get("read")
    assert not revoke(Session.objects.get()).cache_reached

    server.resume()

    def is_gone() -> bool:
        with caches.as_another_process() as other:
            return other.read(public_id).entry is None

    assert visitor.text("who") == "AnonymousUser"
    wait_until(is_gone, what="the pending invalidation", seconds=10)


def test_an_invalidation_that_died_with_its_process(
    visitor: Browser, server: Server, tier: Tier
) -> None:
    """What another process could not tell, and took to its grave, revives nothing here."""
    server.pause()
    assert visitor.text("who") == "ann"
    with caches.as_another_process() as other:
        other._start_collector = lambda: None  # type: ignore[method-assign]
        assert not revoke(Session.objects.get()).cache_reached

    tier._failed_name = "another's"  # so that the probe does not happen to clear this slot
    come_back(server, tier)

    assert tier.peek(Session.objects.get().public_id) is not None
    assert visitor.text("who") == "AnonymousUser"


def test_stale_data_after_a_restart_does_not_serve(
    visitor: Browser, server: Server, tier: Tier
) -> None:
    """
    A restart that forgot the tombstone of a revocation lets nobody in.

    The connection is closed in between without any command failing.
    """
    ask_redis(server, "save")
    assert revoke(Session.objects.get()).cache_reached

    server.kill()
    server.start()

    public_id = Session.objects.get().public_id
    assert ask_redis(server, "exists", tier.driver.name_of(public_id)).strip() == "1"
    assert visitor.text("who") == "AnonymousUser"


def test_failover_signs_nobody_out_and_revives_nothing(
    start_server: Callable[[str], Any], world: World, user: User
) -> None:
    """While sentinels name a new primary the database serves; then the new one is used."""
    group: RedisSentinel = start_server("redis_sentinel")
    with caches.site_with(caches.redis_sentinel(group)) as tier:
        stays, goes = Browser(world), Browser(world)
        for visitor in (stays, goes):
            visitor.get("sign-in", name="ann")
            assert visitor.text("who") == "ann"
        group.primary.kill()

        assert stays.text("who") == "ann"
        revoke(Session.objects.latest("pk"))
        assert goes.text("who") == "AnonymousUser"

        def is_closed() -> bool:
            assert stays.text("who") == "ann"
            assert goes.text("who") == "AnonymousUser"
            return not tier.breaker.is_open

        wait_until(is_closed, what="failover")
        caches.wait_for_trust(tier)
        stays.get("read")
        assert tier.read(Session.objects.earliest("pk").public_id).entry is not None
        assert goes.text("who") == "AnonymousUser"


def test_a_cache_that_was_given_up_is_told_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is pending is nobody's then: after the settings changed its alias names another."""
    told: list[object] = []

    def fail(*_: object, **__: object) -> None:
        raise ConnectionError("cut off")

    with caches.site_with({"BACKEND": LOCAL_MEMORY}) as tier:
        monkeypatch.setattr(tier.driver, "faults", (ConnectionError,))
        monkeypatch.setattr(tier.driver, "mark_ended", fail)
        monkeypatch.setattr(tier.driver, "clear", told.append)
        assert not copies.forget(new_public_id())
        collector = tier._collector

    assert collector is not None
    collector.join(PATIENCE_SECONDS)
    assert not collector.is_alive()
    assert told == []
