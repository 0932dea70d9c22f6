"""``sessionsdoctor``: what it tells, and when it fails."""

from __future__ import annotations

import json
from collections.abc import Callable
from io import StringIO
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.db import connection
from django.test import override_settings

from sessions_plus.backends.cached_db import SessionStore
from sessions_plus.cache.tier import Tier
from sessions_plus.models import Session
from tests.support import caches

pytestmark = pytest.mark.django_db(transaction=True)


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
    assert abs(found["cache_clock_seconds"]) < 1
    assert found["round_trip_seconds"] < 0.25


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
