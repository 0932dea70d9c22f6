"""Sites whose views run in transactions (``ATOMIC_REQUESTS``): no lock, no lost activity."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth.models import User
from django.core.cache import caches
from django.db import connection, transaction
from django.http import HttpRequest, HttpResponse
from django.test.utils import CaptureQueriesContext
from django.urls import path
from django.utils import timezone

from sessions_plus.lifecycle import revoke
from sessions_plus.models import Session
from tests.conftest import World, people
from tests.support import sites
from tests.support.browsers import Browser
from tests.support.pauses import Pause, in_thread, stopped
from tests.support.stores import stored, under_way

pytestmark = [
    pytest.mark.urls(__name__),
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("engine"),
]

needs_row_locks = pytest.mark.skipif(
    connection.vendor == "sqlite", reason="SQLite locks the whole database"
)


class Report:
    """What a slow view does after it looked at its session."""

    def make(self) -> None:
        """Take long, where a test says so."""


def report(request: HttpRequest) -> HttpResponse:
    """Only reads the session, in a transaction, as each view under ATOMIC_REQUESTS."""
    with transaction.atomic():
        name = str(request.user)
        Report().make()
    return HttpResponse(name)


urlpatterns = [
    *sites.urlpatterns,
    path("sync/report/", report),
    path("async/report/", sync_to_async(report)),
]


@pytest.fixture
def ann(world: World, user: User) -> Browser:
    """Ann's browser, signed in, whose next request is to be recorded as activity."""
    caches["default"].clear()
    browser = Browser(world)
    browser.get("sign-in", name="ann")
    Session.objects.update(last_activity=timezone.now() - timedelta(minutes=5))
    return browser


@pytest.fixture
def repeatable_read() -> Iterator[None]:
    """Every transaction of the test's connection sees the database as it was at its first read."""
    if connection.vendor == "postgresql":
        statement, undo = "SET SESSION CHARACTERISTICS AS TRANSACTION", "READ COMMITTED"
    else:
        statement, undo = "SET SESSION TRANSACTION", "READ COMMITTED"
    with connection.cursor() as cursor:
        cursor.execute(f"{statement} ISOLATION LEVEL REPEATABLE READ")
    yield
    with connection.cursor() as cursor:
        cursor.execute(f"{statement} ISOLATION LEVEL {undo}")


def verb_of(sql: str) -> str:
    """Return what a statement does, also where MariaDB is told how long to wait for it."""
    if sql.startswith("SET STATEMENT "):
        sql = sql.partition(" FOR ")[2]
    return sql.split()[0]


def last_activity() -> Any:
    return Session.objects.get().last_activity


def test_reading_writes_nothing_until_the_view_is_over(ann: Browser) -> None:
    """Activity is recorded after the transaction of a view that only reads, not in it."""
    with CaptureQueriesContext(connection) as captured:
        assert ann.text("report") == "ann"

    statements = [verb_of(query["sql"]) for query in captured if query["sql"]]
    assert "UPDATE" not in statements[: statements.index("COMMIT")]
    assert "UPDATE" in statements
    assert timezone.now() - last_activity() < timedelta(minutes=1)


def test_postponed_activity_revives_nothing(ann: Browser) -> None:
    """A session that was revoked while the view ran stays revoked."""
    before = last_activity()

    with stopped(lambda: ann.get("report"), at=Pause(transaction.Atomic, "__exit__")):
        revoke(Session.objects.get())

    assert last_activity() == before
    assert Session.objects.get().revoked_at is not None
    assert ann.text("who") == "AnonymousUser"


@needs_row_locks
def test_slow_view_does_not_block_a_revocation(ann: Browser) -> None:
    """A session is revoked at once, however long a view takes that only reads it."""
    with stopped(lambda: ann.get("report"), at=Pause(Report, "make")):
        in_thread(lambda: revoke(Session.objects.get())).result(120)

    assert ann.text("who") == "AnonymousUser"


@needs_row_locks
def test_slow_view_does_not_block_another_tab(ann: Browser) -> None:
    """Nor do other requests of the same session wait for it."""
    tab = ann.twin()

    with stopped(lambda: ann.get("report"), at=Pause(Report, "make")):
        assert in_thread(lambda: tab.text("report")).result(120) == "ann"


@needs_row_locks
@pytest.mark.usefixtures("repeatable_read")
def test_snapshot_from_before_another_tabs_request(ann: Browser) -> None:
    """Whoever is signed in stays so in a transaction that does not see the newest activity."""
    key = ann.key
    with transaction.atomic():
        list(people().all())  # from here on, what others write is not seen
        in_thread(lambda: ann.text("who")).result(120)

        assert under_way(key).get("_auth_user_id") is not None


@needs_row_locks
@pytest.mark.usefixtures("repeatable_read")
@pytest.mark.skipif(connection.vendor == "postgresql", reason="which refuses such a write itself")
def test_change_of_key_that_cannot_see_the_newer_row(world: World) -> None:
    """Changing the key where the newer row is not to be seen comes to an end."""
    mine = under_way(stored(color="blue"))
    key = mine.session_key

    def write() -> None:
        other = under_way(key)
        other["size"] = "large"
        other.save()

    with transaction.atomic():
        list(people().all())
        in_thread(write).result(120)
        world(mine, "cycle_key")
        world(mine, "save")

    assert under_way(mine.session_key)["color"] == "blue"


@pytest.mark.skipif(connection.vendor != "postgresql", reason="others have none such")
def test_transaction_that_may_not_write(ann: Browser) -> None:
    """A session is read in a transaction that was declared to be read-only."""
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION READ ONLY")

        assert under_way(ann.key).get("_auth_user_id") is not None
