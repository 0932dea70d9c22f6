"""Databases set to REPEATABLE READ or SERIALIZABLE: a lost race is merged there, too."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from importlib import import_module
from threading import Barrier
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.contrib.sessions.backends.base import UpdateError
from django.core.cache import caches
from django.db import DatabaseError, connection, transaction
from django.test import override_settings
from django.utils import timezone

from sessions_plus.lifecycle import revoke, revoke_all
from sessions_plus.models import Session
from sessions_plus.rows import table
from tests.conftest import World
from tests.support.browsers import Browser
from tests.support.locks import wait_until_somebody_waits
from tests.support.pauses import PATIENCE_SECONDS, in_thread
from tests.support.refusals import refusing_at_first
from tests.support.stores import signed_in, stored, under_way

DJANGO = "django.contrib.sessions.backends.cached_db"
WRITERS, ROUNDS = 10, 9

pytestmark = [
    pytest.mark.urls("tests.support.sites"),
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(connection.vendor == "sqlite", reason="SQLite has one writer at a time"),
]


@pytest.fixture(params=["repeatable read", "serializable"])
def level(request: pytest.FixtureRequest) -> Iterator[str]:
    """Let every connection that is made be at this level."""
    caches["default"].clear()
    options = connection.settings_dict["OPTIONS"]
    before = dict(options)
    options["isolation_level"] = _named(request.param)
    connection.close()
    yield request.param
    options.clear()
    options.update(before)
    connection.close()


def _named(level: str) -> Any:
    if connection.vendor != "postgresql":
        return level
    from django.db.backends.postgresql.psycopg_any import IsolationLevel

    return IsolationLevel[level.upper().replace(" ", "_")]


@pytest.fixture
def ann(engine: str, world: World, level: str, user: User) -> Browser:
    """Ann's browser, signed in, whose lease is over."""
    browser = Browser(world)
    browser.get("sign-in", name="ann")
    Session.objects.update(last_activity=timezone.now() - timedelta(minutes=5))
    return browser


@pytest.mark.parametrize("act", ["save", "cycle_key"])
def test_write_that_met_another_is_merged(engine: str, world: World, level: str, act: str) -> None:
    """A write that waited for another's to be committed takes its changes to the newer row."""
    key = stored(color="blue")
    mine, other = under_way(key), under_way(key)
    mine["mine"], other["other"] = 1, 1

    with transaction.atomic():
        other.save()
        running = in_thread(lambda: world(mine, act))
        wait_until_somebody_waits()
    running.result(PATIENCE_SECONDS)
    world(mine, "save")

    found = dict(under_way(mine.session_key).items())
    assert found == {"color": "blue", "mine": 1, "other": 1}


@pytest.mark.skipif(connection.vendor != "postgresql", reason="MariaDB lets such a write through")
def test_as_with_django(level: str) -> None:
    """Django's own engine tells who lost such a race that the session was deleted."""
    with override_settings(SESSION_ENGINE=DJANGO):
        store = import_module(DJANGO).SessionStore
        first = store()
        first["color"] = "blue"
        first.save()
        mine, other = store(first.session_key), store(first.session_key)
        mine["mine"], other["other"] = 1, 1

        with transaction.atomic():
            other.save()
            running = in_thread(mine.save)
            wait_until_somebody_waits()
        with pytest.raises(UpdateError):
            running.result(PATIENCE_SECONDS)


def test_many_writers_lose_nothing(engine: str, level: str) -> None:
    """Ten writers that always write at once raise nothing and lose nothing."""
    key = stored(count=0)
    barrier = Barrier(WRITERS, timeout=PATIENCE_SECONDS)

    def write(number: int) -> None:
        for turn in range(ROUNDS):
            store = under_way(key)
            store[f"{number} {turn}"] = True
            barrier.wait()
            store.save()

    running = [in_thread(lambda n=number: write(n)) for number in range(WRITERS)]  # type: ignore[misc]
    for each in running:
        each.result(6 * PATIENCE_SECONDS)

    assert len(under_way(key).keys()) == 1 + WRITERS * ROUNDS


def test_sign_out_that_met_another_write(ann: Browser) -> None:
    """Whoever ends the session while another request's write is committed ends it."""
    other = under_way(ann.key)
    other["color"] = "red"

    with transaction.atomic():
        other.save()
        running = in_thread(lambda: ann.get("sign-out"))
        wait_until_somebody_waits()

    assert running.result(PATIENCE_SECONDS).status_code == 200
    assert Session.objects.get().revoked_at is not None


def test_revocation_that_met_another_write(ann: Browser) -> None:
    """So does a revocation, which says that it did."""
    session, other = Session.objects.get(), under_way(ann.key)
    other["color"] = "red"

    with transaction.atomic():
        other.save()
        running = in_thread(lambda: revoke(session))
        wait_until_somebody_waits()

    assert running.result(PATIENCE_SECONDS)
    assert ann.text("who") == "AnonymousUser"


@pytest.mark.parametrize("times", range(1, table.CONFLICT_ATTEMPTS))
def test_ends_of_many_are_tried_again(engine: str, level: str, user: User, times: int) -> None:
    """So do those that end together, in a transaction of their own."""
    for _ in range(3):
        signed_in(user)

    with refusing_at_first(times):
        assert revoke_all(user).count == 3

    assert not Session.objects.filter(revoked_at=None).exists()


@pytest.mark.parametrize("times", range(1, table.CONFLICT_ATTEMPTS))
def test_lease_is_renewed_once_nobody_wins(ann: Browser, times: int) -> None:
    """A request that lost a race or two records its activity all the same."""
    before = Session.objects.get().last_activity

    with refusing_at_first(times):
        assert ann.text("who") == "ann"

    assert Session.objects.get().last_activity > before


def test_lease_goes_on_where_others_always_win(ann: Browser) -> None:
    """After three tries the row that was read is the proof, and the person is served."""
    before = Session.objects.get().last_activity

    with refusing_at_first(table.CONFLICT_ATTEMPTS):
        assert ann.text("who") == "ann"

    assert Session.objects.get().last_activity == before


def test_write_where_others_always_win(ann: Browser) -> None:
    """After three tries who writes is told, and may try again."""
    ann.text("who")

    with refusing_at_first(table.CONFLICT_ATTEMPTS):
        assert ann.get("write").status_code == 503

    assert ann.get("write").status_code == 200


def test_sites_own_transaction_is_not_tried_again(ann: Browser) -> None:
    """In a transaction only whoever began it can do it all again, so it is told."""
    store = under_way(ann.key)
    store["color"] = "red"

    with refusing_at_first(1), pytest.raises(DatabaseError), transaction.atomic():
        store.save()
