"""``sessionsdoctor``: what it tells, and when it fails."""

from __future__ import annotations

import json
from collections.abc import Callable
from io import StringIO
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import override_settings

from sessions_plus.backends.cached_db import SessionStore
from sessions_plus.cache import slots
from sessions_plus.cache.tier import Tier
from sessions_plus.models import Session
from tests.support import caches
from tests.support.authenticators import a_passkey
from tests.support.services.caches import ask_redis, start_memcached
from tests.support.services.process import Server

pytestmark = pytest.mark.django_db(transaction=True)

CACHED = "sessions_plus.backends.cached_db"


@pytest.fixture(autouse=True)
def _good_settings() -> Any:
    """The settings of the tests are no model: what the checks say of them is not the subject."""
    silenced = [f"sessions_plus.{kind}{number:03}" for kind in "EWI" for number in range(100)]
    with override_settings(SILENCED_SYSTEM_CHECKS=silenced):
        yield


def doctor(*arguments: str) -> tuple[int, str]:
    out = StringIO()
    try:
        call_command("sessionsdoctor", *arguments, stdout=out)
    except SystemExit as end:
        return int(end.code or 0), out.getvalue()
    return 0, out.getvalue()


def facts() -> tuple[int, dict[str, Any]]:
    code, text = doctor("--json")
    return code, json.loads(text)


def stored() -> Session:
    store = SessionStore()
    store["color"] = "red"
    store.save()
    return Session.objects.get(public_id=store.public_id)  # type: ignore[misc]


def test_all_is_well(redis_tier: Tier) -> None:
    """A site whose cache answers and agrees is told so, and the command succeeds."""
    stored()

    code, found = facts()

    assert (code, found["problems"]) == (0, [])
    assert found["cache_kind"] == "Redis"
    assert found["breaker"] == "closed"
    assert (found["sampled"], found["copies"], found["disagreeing"]) == (1, 1, [])
    assert (found["database_takes_writes"], found["cache_takes_writes"]) == (True, True)
    assert found["cache_servers"][0]["role"] == "primary"
    assert found["cache_servers"][0]["eviction_policy"] == "noeviction"  # Redis' default
    assert abs(found["cache_clock_seconds"]) < 1
    assert found["round_trip_seconds"] < 0.25


def test_key_that_is_none(tier: Tier, user: User) -> None:
    """A setting with which nothing can be looked at is an error that names it."""
    stored()
    with (
        override_settings(SESSIONS_PLUS_ENCRYPTION_KEYS=["short"]),
        pytest.raises(CommandError, match="SESSIONS_PLUS_ENCRYPTION_KEYS must be base64"),
    ):
        doctor()


def test_text_names_everything(tier: Tier) -> None:
    """For a person the same stands in lines, for every kind of cache."""
    stored()

    code, text = doctor()

    assert tier.driver.kind in text
    assert "0 not of their rows" in text
    is_slow = "is it far away?" in text  # a machine that is busy with other tests
    assert code == (1 if "local memory" in text or is_slow else 0), text


def test_disagreement_is_a_problem(redis_tier: Tier) -> None:
    """A row that was changed past the app while its copy stands is found."""
    session = stored()
    with connection.cursor() as cursor:
        cursor.execute("UPDATE sessions_plus_session SET revoked_at = last_activity")

    code, found = facts()

    assert code == 1
    assert found["disagreeing"] == [str(session.public_id)]


@pytest.mark.services
@pytest.mark.short_deadline
def test_dead_cache_is_a_problem(start_server: Callable[[str], Any], user: User) -> None:
    """Where the cache does not answer the command says so, and comes to an end."""
    server = start_server("redis")
    with caches.site_with(caches.django_redis(server.url)):
        stored()
        server.pause()

        code, found = facts()

    assert code == 1
    assert found["breaker"] == "open"
    assert found["cache_alias"] in found["problems"][0]


@pytest.mark.parametrize("kind", ["redis", "redis_cluster", "redis_sentinel", "memcached"])
def test_nothing_is_left_of_what_it_writes(kind: str, request: pytest.FixtureRequest) -> None:
    """What is written to find out whether it can be is gone afterwards."""
    server = request.getfixturevalue(kind if kind.startswith("redis_") else f"{kind}_server")
    cache: dict[str, Callable[[], dict[str, Any]]] = {
        "redis": lambda: caches.django_redis(server.url),
        "redis_cluster": lambda: caches.redis_cluster(server.url),
        "redis_sentinel": lambda: caches.redis_sentinel(server),
        "memcached": lambda: caches.memcached(server.url),
    }
    with caches.site_with(cache[kind]()) as tier:
        names: list[str] = []
        with pytest.MonkeyPatch.context() as patch:
            mark_ended = tier.driver.mark_ended

            def noting(name: str, *, seconds: float) -> None:
                names.append(name)
                mark_ended(name, seconds=seconds)

            patch.setattr(tier.driver, "mark_ended", noting)
            _, found = facts()

        assert (found["database_takes_writes"], found["cache_takes_writes"]) == (True, True)
        assert [tier.driver.read(name) for name in names] == [slots.VACANT]
        assert not Session.objects.exists()


def fill_up(server: Server) -> None:
    ask_redis(server, "config", "set", "maxmemory-policy", "noeviction")
    ask_redis(server, "config", "set", "maxmemory", "1")


def turn_into_replica(server: Server) -> None:
    ask_redis(server, "replicaof", "127.0.0.1", "1")


def forbid_to_write(server: Server) -> None:
    ask_redis(server, "acl", "setuser", "default", "-@write")


def forbid_to_delete(server: Server) -> None:
    ask_redis(server, "acl", "setuser", "default", "-del")


@pytest.mark.services
@pytest.mark.parametrize(
    ("harm", "words"),
    [
        pytest.param(fill_up, "noeviction", id="full"),
        pytest.param(turn_into_replica, "is a replica", id="replica"),
        pytest.param(forbid_to_write, "NoPermission", id="forbidden to write"),
        pytest.param(forbid_to_delete, "NoPermission", id="forbidden to delete"),
    ],
)
def test_cache_that_takes_no_writes_is_a_problem(
    start_server: Callable[[str], Any], harm: Callable[[Server], None], words: str
) -> None:
    """A Redis that answers reads, and nothing else, is found out, and why it is so is said."""
    server = start_server("redis")
    with caches.site_with(caches.django_redis(server.url)):
        harm(server)

        code, found = facts()

    assert (code, found["cache_takes_writes"], found["breaker"]) == (1, False, "closed")
    assert any(words in problem for problem in found["problems"])


@pytest.mark.services
def test_server_that_says_nothing_of_itself(start_server: Callable[[str], Any]) -> None:
    """Where INFO is forbidden role and policy are unknown, and all else is found out."""
    server = start_server("redis")
    with caches.site_with(caches.django_redis(server.url)):
        ask_redis(server, "acl", "setuser", "default", "-info")

        code, found = facts()

    assert (code, found["problems"]) == (0, [])
    assert (found["cache_servers"][0]["role"], found["cache_takes_writes"]) == (None, True)


@pytest.mark.services
def test_memcached_says_whether_it_evicts() -> None:
    """Of Memcached the policy is told, too."""
    for options, policy in ((["-M"], "noeviction"), ([], "lru")):
        server = start_memcached(*options)
        try:
            with caches.site_with(caches.memcached(server.url)):
                _, found = facts()
        finally:
            server.stop()
        assert [state["eviction_policy"] for state in found["cache_servers"]] == [policy]


# What makes a database refuse writes on this connection, and what ends it.
READ_ONLY = {
    "sqlite": ("PRAGMA query_only = ON", "PRAGMA query_only = OFF"),
    "postgresql": (
        "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY",
        "SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE",
    ),
    "mysql": ("SET SESSION TRANSACTION READ ONLY", "SET SESSION TRANSACTION READ WRITE"),
}


def test_database_that_is_read_only_is_a_problem() -> None:
    """A database that only reads, as after a failover, is found out on each kind."""
    begin, end = READ_ONLY[connection.vendor]
    with connection.cursor() as cursor:
        cursor.execute(begin)
        try:
            code, found = facts()
        finally:
            cursor.execute(end)

    assert (code, found["database_takes_writes"]) == (1, False)
    assert "takes no writes" in found["problems"][0]


def test_full_disk_is_a_problem() -> None:
    """A database that can store no more is found out, though it still answers."""
    if connection.vendor != "sqlite":
        pytest.skip("only SQLite can be told that its disk is full")
    with connection.cursor() as cursor:
        cursor.execute("VACUUM")  # no room is left over from rows that were deleted
        cursor.execute("PRAGMA max_page_count")
        (before,) = cursor.fetchone()
        cursor.execute("PRAGMA page_count")
        cursor.execute(f"PRAGMA max_page_count = {cursor.fetchone()[0]}")
        try:
            code, found = facts()
        finally:
            cursor.execute(f"PRAGMA max_page_count = {before}")

    assert (code, found["database_takes_writes"]) == (1, False)
    assert "full" in found["problems"][0]


def test_memory_of_one_process_is_a_problem() -> None:
    """Local memory is no cache for a site of several processes."""
    with caches.site_with(caches.local()):
        code, found = facts()

    assert code == 1
    assert "Redis or Memcached" in found["problems"][0]


def test_engine_without_a_cache() -> None:
    """The database engine has no cache to look at, and that is fine."""
    with override_settings(SESSION_ENGINE="sessions_plus.backends.db"):
        code, found = facts()

    assert (code, found["cache_alias"]) == (0, None)


def test_settings_problems_are_listed(redis_tier: Tier) -> None:
    """What the system checks say of the app stands among the problems."""
    with override_settings(SESSIONS_PLUS_IDLE_TIMEOUT=5, SILENCED_SYSTEM_CHECKS=[]):
        code, found = facts()

    assert code == 1
    assert any("SESSIONS_PLUS_IDLE_TIMEOUT" in problem for problem in found["problems"])


@pytest.mark.parametrize(
    ("wrong", "problem"),
    [
        pytest.param(
            {"SESSION_ENGINE": "sessions_plus.backends.cache"},
            "SESSION_ENGINE is 'sessions_plus.backends.cache'",
            id="engine",
        ),
        pytest.param(
            {"SESSION_ENGINE": CACHED, "SESSION_CACHE_ALIAS": "nowhere"},
            "SESSION_CACHE_ALIAS is 'nowhere'",
            id="alias",
        ),
        pytest.param(
            {"SESSION_ENGINE": CACHED, "CACHES": {"default": {"BACKEND": "nowhere.Cache"}}},
            "The session cache 'default' cannot be made",
            id="cache",
        ),
    ],
)
def test_what_cannot_be_loaded_is_a_problem(wrong: dict[str, Any], problem: str) -> None:
    """A misspelt engine or cache is named with its setting, where a traceback would not."""
    with override_settings(**wrong, SILENCED_SYSTEM_CHECKS=[]):
        code, found = facts()

    assert code == 1
    assert any(problem in one for one in found["problems"])


def test_lost_keys_are_named(user: User) -> None:
    """What is sealed under a key that is not there any more is counted, by what it is."""
    a_passkey(user)
    assert facts()[1]["problems"] == []

    with override_settings(SECRET_KEY="another one, and nobody kept the old"):
        code, found = facts()

    assert code == 1
    assert [problem for problem in found["problems"] if "newest passkeys open with none" in problem]
