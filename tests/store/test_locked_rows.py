"""A row that somebody holds locked: who reads never waits for it, who writes waits so long."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session as DjangoSession
from django.core.cache import caches
from django.db import connection, transaction
from django.http import HttpRequest, HttpResponse
from django.test import override_settings
from django.urls import path
from django.utils import timezone

from sessions_plus.conf import conf
from sessions_plus.exceptions import SessionNotStored
from sessions_plus.lifecycle import keep_other_sessions, revoke, revoke_all
from sessions_plus.lifecycle.passwords import end_or_keep_others
from sessions_plus.models import Session
from sessions_plus.rows.lock_wait import LONGEST_WAIT
from tests.conftest import World
from tests.support import sites
from tests.support.browsers import SAFARI, Browser
from tests.support.locks import locked_rows, wait_until_somebody_waits
from tests.support.pauses import PATIENCE_SECONDS, in_thread
from tests.support.stores import signed_in

DJANGO = "django.contrib.sessions.backends.cached_db"


def save_in_a_transaction(request: HttpRequest) -> HttpResponse:
    """Save in a transaction, and tell how long what follows there would wait."""
    with transaction.atomic():
        request.session["color"] = "red"
        request.session.save()
        return HttpResponse(lock_timeout())


def lock_timeout() -> str:
    if connection.vendor != "postgresql":
        return "0"
    with connection.cursor() as cursor:
        cursor.execute("SHOW lock_timeout")
        return str(cursor.fetchone()[0])


urlpatterns = [
    *sites.urlpatterns,
    path("sync/save_in_a_transaction/", save_in_a_transaction),
]

pytestmark = [pytest.mark.urls(__name__), pytest.mark.django_db(transaction=True)]

needs_row_locks = pytest.mark.skipif(
    connection.vendor == "sqlite", reason="SQLite locks the whole database"
)


@pytest.fixture
def ann(engine: str, world: World, user: User) -> Browser:
    """Ann's browser, signed in, whose lease is over."""
    caches["default"].clear()
    browser = Browser(world)
    browser.get("sign-in", name="ann")
    Session.objects.update(last_activity=timezone.now() - timedelta(minutes=5))
    return browser


@pytest.fixture
def _impatient_sqlite() -> Any:
    """Wait for SQLite's lock as long as a site might, and not as long as the tests do."""
    if connection.vendor != "sqlite":
        yield
        return
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA busy_timeout = 200")
    yield
    connection.close()


def last_activity() -> datetime:
    return Session.objects.get().last_activity


def make_rotation_due() -> None:
    long_ago = timezone.now() - (conf.ROTATION_INTERVAL or timedelta(0))
    Session.objects.update(rotated_at=long_ago, authenticated_at=long_ago)


def sessions_of(user: User, count: int) -> list[Session]:
    caches["default"].clear()
    for _ in range(count):
        signed_in(user)
    return list(Session.objects.order_by("pk"))


def in_time(act: Callable[[], Any]) -> Any:
    """
    Return what ``act`` does, in a thread, so that whoever waits for ever fails its test alone.

    Where the test's own connection is the impatient one, it asks with that.
    """
    return act() if connection.vendor == "sqlite" else in_thread(act).result(PATIENCE_SECONDS)


def text_of(browser: Browser, view: str) -> str:
    """Ask, in a thread, so that a request that waits fails its test and not the whole run."""
    return in_thread(lambda: browser.text(view)).result(PATIENCE_SECONDS)


def test_who_reads_does_not_wait(ann: Browser) -> None:
    """Somebody whose lease is over is served while the row is locked; it is renewed later."""
    before = last_activity()

    with locked_rows():
        assert [text_of(ann, "who") for _ in range(3)] == ["ann"] * 3

    assert last_activity() == before
    assert ann.text("who") == "ann"
    assert last_activity() > before


def test_who_reads_from_a_copy_does_not_wait(ann: Browser) -> None:
    """So it is where a copy would be renewed without reading the row."""
    ann.text("who")

    with override_settings(SESSIONS_PLUS_ACTIVITY_INTERVAL=timedelta(0)), locked_rows():
        assert text_of(ann, "who") == "ann"


@needs_row_locks
def test_row_of_the_user_may_be_locked(ann: Browser) -> None:
    """Nor is anybody waited for who changes the user: the lease only asks for them."""
    with locked_rows("auth_user"):
        assert text_of(ann, "read") == "none"


def test_revoked_session_is_over(ann: Browser) -> None:
    """What the locked row says counts."""
    Session.objects.update(revoked_at=timezone.now(), revoked_reason="revoked")

    with locked_rows():
        assert text_of(ann, "who") == "AnonymousUser"


def test_rotation_waits_for_the_next_request(ann: Browser) -> None:
    """A key that is due is replaced once the row is free."""
    make_rotation_due()
    before = ann.key

    with locked_rows():
        assert text_of(ann, "who") == "ann"
        assert ann.key == before
    assert ann.text("who") == "ann"

    assert ann.key != before


def test_what_expired_is_over(ann: Browser) -> None:
    """Whoever comes too late is a stranger at once, and the session ends once the row is free."""
    Session.objects.update(last_activity=timezone.now() - timedelta(days=40))
    late = ann.twin()

    with locked_rows():
        assert text_of(late, "who") == "AnonymousUser"
        assert Session.objects.get().revoked_at is None
    assert ann.text("who") == "AnonymousUser"

    assert Session.objects.get().revoked_at is not None


def test_another_browser(ann: Browser) -> None:
    """A change of browser is recorded once the row is free; until then the person is served."""
    ann.user_agent = SAFARI
    with locked_rows():
        assert text_of(ann, "who") == "ann"
    ann.text("who")

    assert Session.objects.get().client_changed_at is not None


@pytest.mark.usefixtures("_impatient_sqlite")
@pytest.mark.parametrize("view", ["write", "sign-out"])
def test_who_writes_is_told(ann: Browser, view: str) -> None:
    """A request that has something to store waits, but not for ever, and then says so."""
    with locked_rows():
        response = in_time(lambda: ann.get(view))

    assert response.status_code == 503
    assert int(response.headers["Retry-After"]) >= 1
    assert ann.text("who") == "ann"
    assert ann.get(view).status_code == 200


@pytest.mark.usefixtures("_impatient_sqlite")
def test_revocation_is_told(engine: str, user: User) -> None:
    """Whoever revokes a session waits for as long, and then knows that it goes on."""
    session = sessions_of(user, 1)[0]
    with locked_rows(), pytest.raises(SessionNotStored):
        in_time(lambda: revoke(session))

    assert revoke(session)


@needs_row_locks
def test_revocation_ends_what_it_can(engine: str, user: User) -> None:
    """One locked session keeps none of the others alive."""
    locked = sessions_of(user, 4)[0]
    with locked_rows(where=f"id = {locked.pk}"), pytest.raises(SessionNotStored):
        in_time(lambda: revoke_all(user))

    assert Session.objects.filter(revoked_at=None).get() == locked
    assert revoke_all(user).count == 1


@needs_row_locks
def test_password_that_leaves_the_others_signed_in(engine: str, user: User) -> None:
    """Nor is a session waited for without end that is to go on with a new password."""
    own, other = sessions_of(user, 2)

    def change_password() -> str:
        with keep_other_sessions(user):
            user.set_password("another one entirely")
            return end_or_keep_others(user, own=own.public_id)

    with locked_rows(where=f"id = {other.pk}"), pytest.raises(SessionNotStored):
        in_time(change_password)

    assert Session.objects.filter(revoked_at=None).count() == 2


@pytest.mark.usefixtures("_impatient_sqlite")
def test_old_key_opens_nothing(ann: Browser) -> None:
    """Whoever comes with a stolen key is a stranger; the session ends where they come once more."""
    thief, again = ann.twin(), ann.twin()
    for _ in range(2):
        make_rotation_due()
        ann.text("who")
        ann.text("who")

    with locked_rows():
        assert in_time(lambda: thief.text("who")) == "AnonymousUser"
        assert Session.objects.get().revoked_at is None
    assert again.text("who") == "AnonymousUser"

    assert Session.objects.get().revoked_at is not None


@needs_row_locks
@pytest.mark.parametrize("world", [World("sync")])
def test_saving_in_a_transaction(ann: Browser) -> None:
    """There it waits as long; and for what follows in it the site's own waiting time holds."""
    with locked_rows():
        answer = in_time(lambda: ann.get("save_in_a_transaction"))

    assert answer.status_code == 503
    assert ann.text("save_in_a_transaction") == "0"


@pytest.mark.skipif(connection.vendor != "postgresql", reason="others have none for a transaction")
@pytest.mark.parametrize("world", [World("sync")])
def test_sites_own_waiting_time(ann: Browser) -> None:
    """A site that has chosen how long its statements wait is not made to wait longer."""
    with connection.cursor() as cursor:
        cursor.execute("SET lock_timeout = '50ms'")
    try:
        with locked_rows():
            assert ann.get("write").status_code == 503
            assert ann.get("save_in_a_transaction").status_code == 503
        assert ann.text("save_in_a_transaction") == "50ms"
    finally:
        with connection.cursor() as cursor:
            cursor.execute("RESET lock_timeout")


@needs_row_locks
def test_who_writes_gets_their_turn(ann: Browser) -> None:
    """Whoever holds the row for a moment only makes others late."""
    with locked_rows():
        running = in_thread(lambda: ann.get("write", color="red"))
        wait_until_somebody_waits()

    assert running.result(PATIENCE_SECONDS).status_code == 200
    assert ann.text("read") == "red"


@needs_row_locks
@pytest.mark.parametrize("world", [World("sync")])
@pytest.mark.parametrize("engine", [DJANGO])
def test_as_with_django(engine: str, world: World, user: User) -> None:
    """With Django's own engine who writes waits as long as the row is held."""
    caches["default"].clear()
    with override_settings(SESSION_ENGINE=engine):
        browser = Browser(world)
        browser.get("sign-in", name="ann")
        assert settings.SESSION_ENGINE == DJANGO
        with locked_rows(DjangoSession._meta.db_table):
            running = in_thread(lambda: browser.get("write"))
            wait_until_somebody_waits()
            with pytest.raises(TimeoutError):
                running.result(1.5 * LONGEST_WAIT.total_seconds())

        assert running.result(PATIENCE_SECONDS).status_code == 200
