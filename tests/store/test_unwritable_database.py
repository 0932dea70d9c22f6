"""A database that takes no writes: who reads goes on, who writes is told, what ended stays so."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth.models import User
from django.core.cache import caches
from django.db import DatabaseError, OperationalError, connection, transaction
from django.http import HttpRequest, HttpResponse
from django.test import override_settings
from django.urls import path
from django.utils import timezone

from sessions_plus.conf import conf
from sessions_plus.exceptions import SessionNotStored
from sessions_plus.lifecycle import revoke, revoke_all
from sessions_plus.models import Session
from sessions_plus.rows.write_faults import NUMBERS, RESULTS, SQLSTATES, Fault, fault_of
from sessions_plus.signals import database_unwritable
from sessions_plus.store import unwritable
from tests.conftest import World, people
from tests.support import sites
from tests.support.browsers import SAFARI, Browser
from tests.support.pauses import in_thread
from tests.support.refusals import READ_ONLY, WAYS, refusing
from tests.support.stores import signed_in, under_way

DJANGO = "django.contrib.sessions.backends.cached_db"
AGES_AGO = timedelta(days=40)

# As the tests' SQLite begins each transaction as one that writes.
ONLY_READS_ALONE = connection.vendor == "sqlite"
READING = ["who"] if ONLY_READS_ALONE else ["who", "in_a_transaction"]
WRITING = ["write"] if ONLY_READS_ALONE else ["write", "save_in_a_transaction"]


def in_a_transaction(request: HttpRequest) -> HttpResponse:
    """Look at the session in a transaction, and then at something else, as a view does."""
    with transaction.atomic():
        name = str(request.user)
        return HttpResponse(f"{name} of {people().count()}")


def save_in_a_transaction(request: HttpRequest) -> HttpResponse:
    with transaction.atomic():
        request.session["color"] = "red"
        request.session.save()
    return HttpResponse("saved")


def sign_out_everywhere(request: HttpRequest) -> HttpResponse:
    revoke_all(request.user)  # type: ignore[arg-type]  # somebody is signed in
    return HttpResponse("signed out")


VIEWS = [in_a_transaction, save_in_a_transaction, sign_out_everywhere]

urlpatterns = [
    *sites.urlpatterns,
    *[path(f"sync/{view.__name__}/", view) for view in VIEWS],
    *[path(f"async/{view.__name__}/", sync_to_async(view)) for view in VIEWS],
]

pytestmark = [pytest.mark.urls(__name__), pytest.mark.django_db(transaction=True)]


@pytest.fixture(autouse=True)
def _not_warned_yet() -> Iterator[None]:
    unwritable.warning.reset()
    yield
    unwritable.warning.reset()


@pytest.fixture
def ann(engine: str, world: World, user: User) -> Browser:
    """Ann's browser, signed in, whose lease is over."""
    caches["default"].clear()
    browser = Browser(world)
    browser.get("sign-in", name="ann")
    age(timedelta(minutes=5))
    return browser


def age(by: timedelta) -> None:
    """Let the sessions have been used last that long ago, as their copies know, too."""
    Session.objects.update(last_activity=timezone.now() - by)


def last_activity() -> datetime:
    return Session.objects.get().last_activity


@pytest.mark.parametrize("way", WAYS)
def test_who_reads_goes_on(ann: Browser, way: str) -> None:
    """Somebody whose lease is over is served all the same, and nothing is renewed."""
    before = last_activity()

    with refusing(way):
        assert [ann.text("who") for _ in range(3)] == ["ann"] * 3
        assert ann.text("read") == "none"

    assert last_activity() == before
    assert ann.text("who") == "ann"
    assert last_activity() > before


def test_who_reads_from_a_copy_goes_on(ann: Browser) -> None:
    """So it is where a copy would be renewed without reading the row."""
    ann.text("who")
    keeps_copies = override_settings(SESSIONS_PLUS_ACTIVITY_INTERVAL=timedelta(0))

    with keeps_copies, refusing(READ_ONLY):
        assert [ann.text("who") for _ in range(3)] == ["ann"] * 3


def test_once_a_minute_it_is_told(
    ann: Browser, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process warns and sends its signal once a minute, however many requests there are."""
    told: list[Any] = []

    def listen(alias: str, error: Exception, **_: object) -> None:
        told.append((alias, error))

    clock = SimpleNamespace(monotonic=lambda: 1000.0)
    monkeypatch.setattr(unwritable, "time", clock)
    database_unwritable.connect(listen)
    try:
        with refusing(READ_ONLY), caplog.at_level(logging.WARNING, "sessions_plus"):
            for _ in range(3):
                ann.text("who")
            assert len(told) == len(caplog.records) == 1

            clock.monotonic = lambda: 1000.0 + unwritable.SECONDS_BETWEEN_WARNINGS
            ann.text("who")
    finally:
        database_unwritable.disconnect(listen)

    assert len(told) == len(caplog.records) == 2
    assert told[0][0] == "default"
    assert isinstance(told[0][1], DatabaseError)
    assert "refused to write" in caplog.text


def test_revocation_holds(ann: Browser) -> None:
    """What was revoked before, or is meanwhile where that is possible, opens for nobody."""
    session = Session.objects.get()
    with refusing(READ_ONLY):
        assert ann.text("who") == "ann"
        in_thread(lambda: revoke(session)).result(120)  # with a connection of its own

        assert ann.text("who") == "AnonymousUser"

    assert Session.objects.get().revoked_at is not None


def test_disabled_user_is_kept_out(ann: Browser, user: User) -> None:
    """The row that was read proves nothing of a user who may not sign in any more."""
    people().filter(pk=user.pk).update(is_active=False)

    with refusing(READ_ONLY):
        assert ann.text("read") == "none"
        assert ann.text("who") == "AnonymousUser"


def test_user_who_was_disabled_unnoticed(ann: Browser, user: User) -> None:
    """Nor is it a fault where Django itself does not find them, and their end is to be written."""
    ann.text("who")  # whose lease is not over, so that nothing else asks for the user
    people().filter(pk=user.pk).update(is_active=False)

    with refusing(READ_ONLY):
        assert ann.text("who") == "AnonymousUser"
    assert Session.objects.get().revoked_at is None
    ann.text("who")

    assert Session.objects.get().revoked_at is not None


@pytest.mark.parametrize("others", [0, 2])
def test_revoking_is_told(ann: Browser, user: User, others: int) -> None:
    """Nobody is told that sessions ended, one or many, where they go on."""
    for _ in range(others):
        signed_in(user)
    with refusing(READ_ONLY):
        assert ann.get("sign_out_everywhere").status_code == 503
        assert ann.text("who") == "ann"

    assert ann.get("sign_out_everywhere").status_code == 200
    assert ann.text("who") == "AnonymousUser"


@pytest.mark.parametrize("view", READING)
@pytest.mark.parametrize("way", [READ_ONLY, *WAYS[2:3]])
def test_what_expired_is_over(ann: Browser, view: str, way: str) -> None:
    """Whoever comes too late is a stranger, though the end cannot be written."""
    age(AGES_AGO)

    with refusing(way):
        assert ann.text(view).startswith("AnonymousUser")

    assert Session.objects.get().revoked_at is None


@pytest.mark.parametrize("view", READING)
def test_old_key_opens_nothing(ann: Browser, view: str) -> None:
    """Whoever comes with a stolen key is a stranger, though the session cannot be ended."""
    thief = ann.twin()
    for _ in range(2):
        long_ago = timezone.now() - timedelta(days=2)
        Session.objects.update(rotated_at=long_ago, authenticated_at=long_ago)
        ann.text("who")

    with refusing(READ_ONLY):
        assert thief.text(view).startswith("AnonymousUser")

    assert ann.text("who") == "ann"


def test_another_browser_has_to_prove_itself(ann: Browser) -> None:
    """What cannot be written of a changed client holds for the request that found it."""
    with override_settings(SESSIONS_PLUS_CLIENT_CHANGE="reauthenticate"):
        thief = ann.twin()
        thief.user_agent = SAFARI
        with refusing(READ_ONLY):
            for _ in range(2):
                thief.get("who")
                assert thief.text("who") != "ann"

        assert Session.objects.get().must_reauthenticate is False
        assert ann.text("who") == "ann"


def test_change_of_browser_is_only_recorded_later(ann: Browser) -> None:
    """Where such a change is merely recorded, the person is served."""
    ann.user_agent = SAFARI
    with refusing(READ_ONLY):
        assert ann.text("who") == "ann"
    ann.text("who")

    assert Session.objects.get().client_changed_at is not None


def test_key_stays_where_it_cannot_be_rotated(ann: Browser) -> None:
    """A rotation that is due waits until it can be written."""
    long_ago = timezone.now() - (conf.ROTATION_INTERVAL or timedelta(0))
    Session.objects.update(rotated_at=long_ago, authenticated_at=long_ago)
    before = ann.key

    with refusing(READ_ONLY):
        assert ann.text("who") == "ann"
        assert ann.key == before
    assert ann.text("who") == "ann"

    assert ann.key != before


@pytest.mark.skipif(ONLY_READS_ALONE, reason="SQLite begins no transaction then")
def test_reading_in_a_transaction(ann: Browser) -> None:
    """A view's own transaction is not spoiled by what could not be written."""
    with refusing(READ_ONLY):
        assert ann.text("in_a_transaction") == "ann of 1"


def test_saving_with_every_request(ann: Browser) -> None:
    """Where sessions are saved though nothing changed, nobody misses it."""
    with override_settings(SESSION_SAVE_EVERY_REQUEST=True), refusing(READ_ONLY):
        assert ann.text("who") == "ann"


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("view", WRITING)
def test_who_writes_is_told(ann: Browser, way: str, view: str) -> None:
    """A request that has something to store answers 503, calmly, and says when to try again."""
    with refusing(way):
        response = ann.get(view)

    assert response.status_code == 503
    assert int(response.headers["Retry-After"]) >= 1
    assert b"could not be saved" in response.content
    assert ann.text("who") == "ann"
    assert ann.text("read") == "none"
    assert ann.get(view).status_code == 200


def test_program_is_told_its_code(ann: Browser) -> None:
    """Who asks for JSON gets the same as JSON."""
    ann.headers["accept"] = "application/json"
    with refusing(READ_ONLY):
        response = ann.get("write")

    assert response.status_code == 503
    assert response.json()["code"] == SessionNotStored.code


def test_signing_out(ann: Browser) -> None:
    """Nobody is told that they are signed out where they are not."""
    with refusing(READ_ONLY):
        assert ann.get("sign-out").status_code == 503
        assert ann.text("who") == "ann"

    assert ann.get("sign-out").status_code == 200
    assert ann.text("who") == "AnonymousUser"


@pytest.mark.parametrize("has_session", [True, False], ids=["session", "none"])
def test_signing_in(engine: str, world: World, user: User, has_session: bool) -> None:
    """Whoever signs in is told, whichever of the tables was the first that could not be written."""
    visitor = Browser(world)
    if has_session:
        visitor.get("write")
    with refusing(READ_ONLY):
        assert visitor.get("sign-in", name="ann").status_code == 503
        assert visitor.text("who") == "AnonymousUser"

    assert visitor.get("sign-in", name="ann").status_code == 200
    assert visitor.text("who") == "ann"


def test_new_session_is_told(engine: str, world: World) -> None:
    """So is who begins a session."""
    visitor = Browser(world)
    with refusing(READ_ONLY):
        assert visitor.get("write").status_code == 503

    assert not visitor.has_key
    assert visitor.get("write").status_code == 200


@pytest.mark.parametrize("engine", [DJANGO, "sessions_plus.backends.cached_db"])
def test_as_with_django(engine: str, world: World, user: User) -> None:
    """Django's own engine reads on as well; it tells who writes that the session was deleted."""
    caches["default"].clear()
    with override_settings(SESSION_ENGINE=engine):
        browser = Browser(world)
        browser.get("sign-in", name="ann")
        age(timedelta(minutes=5))
        with refusing(READ_ONLY):
            assert browser.text("who") == "ann"
            status = browser.get("write").status_code

    assert status == (400 if engine == DJANGO else 503)


def test_error_of_another_kind_is_none_of_ours(ann: Browser) -> None:
    """A mistake, such as a table that is missing, is not told calmly."""
    store = under_way(ann.key)
    store["color"] = "red"
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE sessions_plus_session RENAME TO elsewhere")
    try:
        with pytest.raises(DatabaseError) as caught:
            store.save()
    finally:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE elsewhere RENAME TO sessions_plus_session")

    assert not isinstance(caught.value, SessionNotStored)


def caused_by(cause: object, *arguments: object) -> DatabaseError:
    error = OperationalError(*arguments)
    error.__cause__ = cause  # type: ignore[assignment]
    return error


class Psycopg(Exception):
    sqlstate = ""


class Psycopg2(Exception):
    pgcode = ""


class Sqlite(Exception):
    sqlite_errorcode = 0


def raised(kind: type[Any], name: str, code: object) -> DatabaseError:
    cause = kind()
    setattr(cause, name, code)
    return caused_by(cause, "told")


FAULTS = [
    *((raised(Psycopg, "sqlstate", code), fault) for code, fault in SQLSTATES.items()),
    *((raised(Psycopg2, "pgcode", code), fault) for code, fault in SQLSTATES.items()),
    *((raised(Sqlite, "sqlite_errorcode", code), fault) for code, fault in RESULTS.items()),
    *((caused_by(Exception(), number, "told"), fault) for number, fault in NUMBERS.items()),
    (raised(Sqlite, "sqlite_errorcode", 1032), Fault.UNWRITABLE),  # SQLITE_READONLY_DBMOVED
    (raised(Psycopg, "sqlstate", "42P01"), None),
    (raised(Sqlite, "sqlite_errorcode", 1), None),
    (caused_by(Exception(), 1146, "no such table"), None),
    (caused_by(None), None),
    (caused_by(Exception(), "text"), None),
]


@pytest.mark.parametrize(("error", "fault"), FAULTS)
def test_what_an_error_says(error: DatabaseError, fault: Fault | None) -> None:
    """Each database's codes, as psycopg 2 and 3, sqlite3 and the MySQL clients give them."""
    assert fault_of(error) is fault
