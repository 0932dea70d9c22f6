"""Sessions and events in partitions by month, as the documents tell how: nothing is different."""

from __future__ import annotations

import os
from datetime import datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.utils import timezone

from sessions_plus.keys import new_public_id
from sessions_plus.lifecycle import revoke
from sessions_plus.maintenance import batch_delete
from sessions_plus.maintenance.cleanup import cleanup
from sessions_plus.models import Device, Session, SessionEvent
from tests.conftest import PASSWORD
from tests.support.partitions import move_into_partitions, partitions_of

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.skipif(bool(os.environ.get("TEST_PARTITIONS")), reason="all are in partitions"),
]

DAY = timedelta(days=1)
SESSIONS, EVENTS = "sessions_plus_session", "sessions_plus_sessionevent"


@pytest.fixture
def now() -> datetime:
    return timezone.now()


def a_session(created_at: datetime, **columns: Any) -> Session:
    with time_machine.travel(created_at, tick=False):
        public_id = new_public_id()
    facts = {"last_activity": created_at, "expire_date": created_at + DAY, **columns}
    return Session.objects.create(public_id=public_id, created_at=created_at, **facts)


@pytest.fixture
def rows(now: datetime, user: User) -> list[Session]:
    """One session and one event of each of three months, the oldest first."""
    if connection.vendor != "postgresql":
        pytest.skip("only PostgreSQL has these partitions")
    device = Device.objects.create(user=user)
    made = []
    for age in (70 * DAY, 35 * DAY, timedelta()):
        made.append(a_session(now - age, user=user, device=device, expire_date=now + DAY))
        SessionEvent.objects.create(at=now - age, event="session.started", user=user)
    return made


@pytest.fixture
def divided(rows: list[Session]) -> list[Session]:
    """The rows, in partitions. All of it is rolled back."""
    connection.check_constraints()
    move_into_partitions()
    return rows


def test_rows_lie_in_their_months(divided: list[Session], now: datetime) -> None:
    """Every row is in the partition of its own month, and a year of months is made."""
    for table in (SESSIONS, EVENTS):
        found = partitions_of(table)

        assert {name: count for name, count in found.items() if count} == {
            f"{table}_{now - age:%Y_%m}": 1 for age in (70 * DAY, 35 * DAY, timedelta())
        }
        assert len(found) >= 15
    assert set(Session.objects.all()) == set(divided)


def indexes_of(table: str) -> dict[str, str]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT indexname, indexdef FROM pg_indexes WHERE tablename = %s", [table])
        return {name: text.replace(" ON ONLY ", " ON ") for name, text in cursor.fetchall()}


def foreign_keys_of(table: str) -> set[tuple[str, str]]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint "
            "WHERE conrelid = %s::regclass AND contype = 'f'",
            [table],
        )
        return set(cursor.fetchall())


@pytest.mark.parametrize(("table", "divided_by"), [(SESSIONS, "public_id"), (EVENTS, "at")])
def test_tables_are_as_before(rows: list[Session], table: str, divided_by: str) -> None:
    """All indexes and foreign keys are there under their names; the primary key has one more."""
    connection.check_constraints()
    indexes, foreign_keys = indexes_of(table), foreign_keys_of(table)

    move_into_partitions()

    key = f"{table}_pkey"
    expected = {**indexes, key: indexes[key].replace("(id)", f"(id, {divided_by})")}
    assert indexes_of(table) == expected
    assert foreign_keys_of(table) == foreign_keys


@pytest.mark.usefixtures("divided", "engine")
def test_a_session_lives_and_ends(client: Client, user: User, now: datetime) -> None:
    """Signing in, reading, proving, a new key and the end of a session work as ever."""
    assert client.login(username=user.username, password=PASSWORD)
    key = client.cookies["sessionid"].value
    own = Session.objects.latest("pk")
    assert partitions_of(SESSIONS)[f"{SESSIONS}_{now:%Y_%m}"] == 2

    store = client.session
    store["color"] = "blue"
    store.save()
    assert type(store)(key)["color"] == "blue"
    store = type(store)(key)
    assert store.renew(timezone.now())  # type: ignore[attr-defined]
    store.cycle_key()
    assert store.session_key != key

    own.refresh_from_db()
    assert revoke(own)
    assert type(store)(store.session_key).get("color") is None
    assert SessionEvent.objects.filter(session_public_id=own.public_id).count() >= 2


def test_engine_finds_a_session_in_one_partition(divided: list[Session]) -> None:
    """What looks for a session by its name reads the partition of its month alone."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"EXPLAIN SELECT * FROM {SESSIONS} WHERE public_id = %s",  # noqa: S608 - a constant
            [divided[0].public_id],
        )
        plan = "\n".join(line for (line,) in cursor.fetchall())

    assert plan.count(" on sessions_plus_session_") == 1, plan


@pytest.mark.parametrize("is_slow", [False, True], ids=["quickly", "row by row"])
def test_clean_up_takes_the_rows_that_it_means(
    divided: list[Session], now: datetime, is_slow: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows that lie at the same place of other partitions stay."""
    if is_slow:
        monkeypatch.setattr(batch_delete, "_quickly", lambda steps, path: None)
    gone, *live = divided
    Session.objects.filter(pk=gone.pk).update(revoked_at=now - 31 * DAY, revoked_reason="revoked")
    SessionEvent.objects.filter(session_public_id=None).update(user=None)
    oldest = SessionEvent.objects.order_by("at")[0]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sessions_plus.conf.conf.RETENTION_EVENTS", 60 * DAY, raising=False)
        removed = cleanup(now)

    assert (removed["sessions"], removed["events"]) == (1, 1)
    assert set(Session.objects.all()) == set(live)
    assert not SessionEvent.objects.filter(pk=oldest.pk).exists()
    assert SessionEvent.objects.count() == 2
