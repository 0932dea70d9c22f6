"""The clean-up: what goes, what stays, and that it harms nobody."""

from __future__ import annotations

import io
import sys
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.test import override_settings
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from sessions_plus.backends.db import SessionStore
from sessions_plus.maintenance import batch_delete, key_ranges
from sessions_plus.maintenance.cleanup import cleanup
from sessions_plus.management.commands.clearsessions import Command
from sessions_plus.models import (
    Authenticator,
    Challenge,
    Device,
    DeviceKey,
    HourCount,
    Notice,
    Scope,
    Session,
    SessionEvent,
    Throttle,
    UsedNonce,
)
from tests.conftest import World
from tests.support.authenticators import a_passkey

DAY = timedelta(days=1)


@pytest.fixture
def now() -> datetime:
    return timezone.now()


@pytest.fixture(autouse=True)
def _small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a few rows are many ranges and batches."""
    monkeypatch.setattr(batch_delete, "BATCH_ROWS", 3)
    monkeypatch.setattr(key_ranges, "KEYS", 3)
    monkeypatch.setattr(key_ranges, "MOST_KEYS", 7)
    monkeypatch.setattr(key_ranges, "PAGES", 1)
    monkeypatch.setattr(key_ranges, "MOST_PAGES", 1)


def a_session(now: datetime, user: User | None = None, **columns: Any) -> Session:
    facts = {
        "user": user,
        "last_activity": now - DAY,
        "expire_date": now + DAY,
        "data": b"sealed",
        **columns,
    }
    return Session.objects.create(**facts)


def many_expired(now: datetime, count: int) -> None:
    Session.objects.bulk_create(
        Session(last_activity=now - DAY, expire_date=now - DAY, data=b"x" * 300)
        for _ in range(count)
    )


def block_of_each_session() -> dict[int, int]:
    """Say in which block of the table each lies: seven keys, or a page of PostgreSQL."""
    if connection.vendor != "postgresql":
        keys = Session.objects.values_list("pk", flat=True)
        return {pk: pk // key_ranges.MOST_KEYS for pk in keys}
    with connection.cursor() as cursor:
        cursor.execute("SELECT id, (ctid::text::point)[0]::int FROM sessions_plus_session")
        return dict(cursor.fetchall())


def on_ranges(captured: CaptureQueriesContext) -> list[str]:
    """Return what was asked about many sessions at once."""
    statements = [query["sql"] for query in captured]
    about = [sql for sql in statements if "sessions_plus_session" in sql and "expire_date" in sql]
    return [sql for sql in about if "LIMIT 1" not in sql]


@pytest.mark.django_db
class TestSessions:
    def test_expired_anonymous_sessions_go(self, now: datetime) -> None:
        """A visitor's expired session is removed; one that goes on is not."""
        a_session(now, expire_date=now)
        live = a_session(now, expire_date=now + timedelta(microseconds=1))

        assert cleanup(now)["sessions"] == 1

        assert Session.objects.get() == live

    @pytest.mark.parametrize(
        ("last_activity", "expire_date", "reason"),
        [
            pytest.param(-15 * DAY, -DAY, "idle_timeout", id="idle"),
            pytest.param(-2 * DAY, -DAY, "absolute_lifetime", id="absolute"),
        ],
    )
    def test_expired_signed_in_sessions_end(
        self,
        now: datetime,
        user: User,
        last_activity: timedelta,
        expire_date: timedelta,
        reason: str,
    ) -> None:
        """A signed-in session is kept with the reason why it ended, and without its data."""
        a_session(
            now, user, last_activity=now + last_activity, expire_date=now + expire_date, version=5
        )

        cleanup(now)

        session = Session.objects.get()
        assert session.revoked_reason == reason
        assert session.revoked_at == session.expire_date
        assert (bytes(session.data), session.version) == (b"", 6)

    def test_ended_sessions_go_after_their_retention(self, now: datetime, user: User) -> None:
        """A session that ended is kept for thirty days."""
        a_session(now, user, revoked_at=now - 30 * DAY)
        kept = a_session(now, user, revoked_at=now - 30 * DAY + timedelta(seconds=1))

        assert cleanup(now)["sessions"] == 1

        assert Session.objects.get() == kept

    def test_live_sessions_stay_as_they_are(self, now: datetime, user: User) -> None:
        """Nothing of a session that goes on is changed."""
        a_session(now, user)
        before = Session.objects.values().get()

        cleanup(now)

        assert Session.objects.values().get() == before

    def test_many_rows_take_many_short_statements(self, now: datetime) -> None:
        """No statement removes more than a small part, and all is removed."""
        many_expired(now, 300)
        live = a_session(now)

        with CaptureQueriesContext(connection) as captured:
            removed = cleanup(now)

        assert removed["sessions"] == 300
        assert Session.objects.get() == live
        deletes = [query for query in captured if query["sql"].startswith("DELETE")]
        assert len(deletes) >= 5

    def test_an_interrupted_run_is_simply_begun_again(self, now: datetime) -> None:
        """What was removed before an error stays removed, and the next run does the rest."""
        many_expired(now, 300)

        def interrupt(done: float) -> None:
            if Session.objects.count() < 300:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            cleanup(now, report=lambda name: interrupt)
        assert 0 < Session.objects.count() < 300

        cleanup(now)

        assert not Session.objects.exists()

    def test_device_keys_go_with_their_sessions(self, now: datetime, user: User) -> None:
        """A session that is bound to a device can be removed, and its key goes with it."""
        gone, live = a_session(now, user, expire_date=now - 30 * DAY), a_session(now, user)
        for session in (gone, live):
            DeviceKey.objects.create(session=session, algorithm="ES256", sealed_jwk=b"sealed")

        removed = cleanup(now)
        connection.check_constraints()

        assert (removed["sessions"], removed["device_keys"]) == (1, 1)
        assert DeviceKey.objects.get().session == live

    def test_what_expired_long_ago_goes_at_once(self, now: datetime, user: User) -> None:
        """A session whose retention is over when it is found expired is removed."""
        a_session(now, user, expire_date=now - 30 * DAY)

        assert cleanup(now)["sessions"] == 1

        assert not Session.objects.exists()


@pytest.mark.django_db
class TestParts:
    """Of the large tables one part is looked through, each time the next."""

    def test_as_many_runs_remove_all(self, now: datetime) -> None:
        """Each run removes about as much, and the last of them the rest."""
        many_expired(now, 200)
        live = a_session(now)

        removed = [cleanup(now, parts=4)["sessions"] for _ in range(4)]

        assert sum(removed) == 200
        assert all(30 < count < 80 for count in removed), removed
        assert Session.objects.get() == live

    def test_what_lies_in_other_blocks_is_left(self, now: datetime) -> None:
        """A run takes all that is over in its blocks, and nothing behind them."""
        many_expired(now, 200)
        blocks = block_of_each_session()

        cleanup(now, parts=4)

        left = set(Session.objects.values_list("pk", flat=True))
        assert {block % 4 for pk, block in blocks.items() if pk in left} == {1, 2, 3}
        assert {block % 4 for pk, block in blocks.items() if pk not in left} == {0}

    def test_each_block_has_its_turn_again(self, now: datetime) -> None:
        """What is over by the second time round goes then, wherever it lies."""
        many_expired(now + 2 * DAY, 200)
        for _ in range(3):
            assert not cleanup(now, parts=3)["sessions"]

        removed = [cleanup(now + 2 * DAY, parts=3)["sessions"] for _ in range(3)]

        assert sum(removed) == 200
        assert min(removed) > 20, removed

    def test_what_comes_and_goes_meanwhile_moves_no_block(self, now: datetime) -> None:
        """Each row is looked at in as many runs, whatever happens to those before and behind it."""
        many_expired(now, 60)
        waiting = set(Session.objects.order_by("-pk").values_list("pk", flat=True)[:30])

        for _ in range(3):
            cleanup(now, parts=3)
            Session.objects.exclude(pk__in=waiting).filter(expire_date__lt=now).delete()
            many_expired(now, 20)

        assert not Session.objects.filter(pk__in=waiting).exists()

    def test_a_run_reads_no_more_than_its_part(self, now: datetime) -> None:
        """It asks about a part of the ranges that a run of all asks about, and of no more."""
        many_expired(now + 2 * DAY, 200)  # which are not over yet

        with CaptureQueriesContext(connection) as of_a_part:
            cleanup(now, parts=10)
        with CaptureQueriesContext(connection) as of_all:
            cleanup(now)

        assert 0 < 4 * len(on_ranges(of_a_part)) < len(on_ranges(of_all))

    def test_devices_are_taken_in_parts_too(self, now: datetime, user: User) -> None:
        """Other large tables likewise; what is short-lived goes whole each time."""
        old: dict[str, Any] = {"user": user, "name": "x" * 60, "last_seen_at": now - 365 * DAY}
        Device.objects.bulk_create(Device(**old) for _ in range(600))
        Challenge.objects.bulk_create(Challenge(user=user, expires_at=now) for _ in range(600))

        removed = cleanup(now, parts=4)

        assert 50 < removed["devices"] < 300
        assert removed["challenges"] == 600

    def test_a_run_of_all_takes_all(self, now: datetime) -> None:
        """Wherever the parts have come to, one without them goes through the whole."""
        many_expired(now, 100)
        cleanup(now, parts=4)

        cleanup(now)

        assert not Session.objects.exists()

    def test_interrupted_it_takes_the_same_part_again(self, now: datetime) -> None:
        """The place moves when a part is done, so that nothing is passed by."""
        many_expired(now, 200)

        def interrupt(done: float) -> None:
            if Session.objects.count() < 190:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            cleanup(now, parts=2, report=lambda name: interrupt)

        assert sum(cleanup(now, parts=2)["sessions"] for _ in range(2)) > 150
        assert not Session.objects.exists()

    def test_nobody_is_measured_for_it(self, now: datetime) -> None:
        """Counting all sessions that go on is left to `count_events`, which reads them all."""
        cleanup(now, parts=2)
        assert not HourCount.objects.measured().exists()

        cleanup(now)
        assert HourCount.objects.measured().exists()

    @pytest.mark.parametrize("parts", ["0", "-1", "half"])
    def test_a_wrong_number_is_refused(self, parts: str) -> None:
        """The message names the option and the value."""
        with pytest.raises(CommandError, match=f"--parts.*{parts}"):
            call_command("clearsessions", "--parts", parts)

    def test_the_command_takes_the_next_part(self, now: datetime) -> None:
        """The option is handed on."""
        many_expired(now, 200)

        call_command(Command(), parts=2)
        assert 60 < Session.objects.count() < 140

        call_command(Command(), "--parts", "2")
        assert not Session.objects.exists()


@pytest.mark.django_db
class TestTheRest:
    def test_events_go_after_their_retention(self, now: datetime) -> None:
        """Events are kept for ninety days."""
        for age in (100, 90, 89, 0):
            SessionEvent.objects.create(at=now - age * DAY, event="session.started")

        assert cleanup(now)["events"] == 2

        assert SessionEvent.objects.count() == 2

    def test_devices_go_after_their_retention(self, now: datetime, user: User) -> None:
        """A device that nobody signed in on for a year is forgotten, unless something names it."""
        old = [Device.objects.create(user=user, last_seen_at=now - 365 * DAY) for _ in range(4)]
        Device.objects.create(user=user, last_seen_at=now - 364 * DAY)
        a_session(now, user, device=old[0])
        SessionEvent.objects.create(event="device.renamed", user=user, device=old[1])
        Notice.objects.create(
            user=user, event="device.first_seen", device=old[2], expires_at=now + DAY
        )

        assert cleanup(now)["devices"] == 1

        assert not Device.objects.filter(pk=old[3].pk).exists()

    def test_what_can_be_used_no_more_goes(self, now: datetime, user: User) -> None:
        """Expired challenges, links in mails and counters that forgot are removed."""
        for expires_at in (now, now + DAY):
            Challenge.objects.create(user=user, expires_at=expires_at)
            Notice.objects.create(user=user, event="key.reused", expires_at=expires_at)
        for scope in Scope:
            Throttle.objects.create(scope=scope, subject="x", window_started_at=now - 9 * DAY)

        removed = cleanup(now)

        assert (removed["challenges"], removed["notices"]) == (1, 1)
        kept = set(Throttle.objects.values_list("scope", flat=True))
        assert kept == {"account", "authenticator", "recovery", "password"}
        assert removed["counters"] == len(Scope) - len(kept)

    def test_nonces_go_when_nobody_could_use_them(self, now: datetime) -> None:
        """A used nonce is remembered until it would not be taken anyway."""
        for number in range(10):
            UsedNonce.objects.create(hash=str(number), expires_at=now + (number - 6) * DAY)

        assert cleanup(now)["used_nonces"] == 7

        assert UsedNonce.objects.filter(expires_at__gt=now).count() == 3

    def test_enrolments_go_that_nobody_completed(self, now: datetime, user: User) -> None:
        """What was begun a day ago and never confirmed is removed; what is in use never is."""
        for age in (2, 0):
            a_passkey(user, confirmed_at=None, created_at=now - age * DAY)
        a_passkey(user, created_at=now - 900 * DAY)

        assert cleanup(now)["enrolments"] == 1

        assert Authenticator.objects.count() == 2

    def test_none_keeps_for_ever(self, now: datetime, user: User) -> None:
        """Each kind of data can be kept without an end."""
        long_ago = now - 9999 * DAY
        a_session(now, user, revoked_at=long_ago)
        SessionEvent.objects.create(at=long_ago, event="session.started")
        Device.objects.create(user=user, last_seen_at=long_ago)

        with override_settings(
            SESSIONS_PLUS_RETENTION_SESSIONS=None,
            SESSIONS_PLUS_RETENTION_EVENTS=None,
            SESSIONS_PLUS_RETENTION_DEVICES=None,
        ):
            cleanup(now)

        assert Session.objects.exists()
        assert SessionEvent.objects.exists()
        assert Device.objects.exists()


def lock_timeout() -> str:
    with connection.cursor() as cursor:
        cursor.execute("SHOW lock_timeout")
        return str(cursor.fetchone()[0])


@pytest.mark.django_db
def test_callers_transaction_waits_as_before(now: datetime) -> None:
    """In somebody's transaction, what it waits for a lock is as it was afterwards."""
    if connection.vendor != "postgresql":
        pytest.skip("only PostgreSQL is told how long to wait")
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL lock_timeout = '7s'")
    a_session(now, expire_date=now - DAY)

    cleanup(now)

    assert not Session.objects.exists()
    assert lock_timeout() == "7s"


@pytest.mark.django_db(transaction=True)
def test_rows_that_others_hold_are_left(now: datetime) -> None:
    """A row that another transaction holds locked delays nobody; the next run removes it."""
    if not connection.features.has_select_for_update_skip_locked:
        pytest.skip("this database locks no single rows")
    from threading import Event, Thread

    held, free = a_session(now, expire_date=now - DAY), a_session(now, expire_date=now - DAY)
    is_held, may_go = Event(), Event()

    def hold() -> None:
        with transaction.atomic():
            Session.objects.select_for_update().get(pk=held.pk)
            is_held.set()
            may_go.wait(120)
        connection.close()

    other = Thread(target=hold)
    other.start()
    is_held.wait(120)
    try:
        cleanup(now)
        assert list(Session.objects.values_list("pk", flat=True)) == [held.pk]
        assert free.pk != held.pk
        if connection.vendor == "postgresql":
            assert lock_timeout() == "0"
    finally:
        may_go.set()
        other.join()

    cleanup(now)
    assert not Session.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_both_worlds_clear(now: datetime, world: World) -> None:
    """Django's own name for it works in both worlds."""
    a_session(now, expire_date=now - DAY)

    world(SessionStore, "clear_expired")

    assert not Session.objects.exists()


@pytest.mark.django_db
def test_djangos_command_clears_too(now: datetime) -> None:
    """Where Django's command of the same name is found first, it does the same."""
    from django.contrib.sessions.management.commands.clearsessions import Command as Djangos

    a_session(now, expire_date=now - DAY)

    call_command(Djangos())

    assert not Session.objects.exists()


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def expired(db: None) -> None:
    a_session(timezone.now(), expire_date=timezone.now() - DAY)


@pytest.mark.usefixtures("expired")
def test_whoever_wants_no_mail_of_cron(capsys: pytest.CaptureFixture[str]) -> None:
    """With ``--verbosity 0`` the command is silent, and its exit code is 0."""
    call_command(Command(), verbosity=0)

    assert capsys.readouterr() == ("", "")
    assert not Session.objects.exists()


@pytest.mark.usefixtures("expired")
def test_terminal_shows_how_far_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a terminal there is a bar, and at the end what was removed."""
    screen, out = Terminal(), io.StringIO()
    monkeypatch.setattr(sys, "stderr", screen)

    call_command(Command(), stdout=out)

    assert "[##" in screen.getvalue()
    assert "100%" in screen.getvalue()
    assert "Removed: 1 sessions," in out.getvalue()


@pytest.mark.usefixtures("expired")
def test_other_engines_are_cleared_too() -> None:
    """A site that has moved to another engine still gets its old rows removed."""
    with override_settings(SESSION_ENGINE="django.contrib.sessions.backends.signed_cookies"):
        call_command(Command())

    assert not Session.objects.exists()
