"""``adopt_sessions``: what the old table holds is taken over before its owners come."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session as DjangosSession
from django.core.cache import caches
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from sessions_plus.devices.overview import overview
from sessions_plus.lifecycle import revoke_all
from sessions_plus.models import AdoptedKey, Authenticator, Device, Session, SessionEvent
from sessions_plus.moving import in_bulk, rehearsal
from sessions_plus.moving.in_bulk import batches, take_over
from tests.conftest import World, people
from tests.moving.conftest import Arrive
from tests.support.authenticators import enrol
from tests.support.old_engines import DJANGOS, is_there, old_session
from tests.support.pauses import Pause, in_thread

pytestmark = [
    pytest.mark.urls("tests.support.sites"),
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("engine"),
]

DAY = timedelta(days=1)


@pytest.fixture
def world() -> World:
    """One of the two: a command has no other, and a browser's first request is shown elsewhere."""
    return World("sync")


@pytest.fixture(params=["db", "cached_db"])
def table(request: pytest.FixtureRequest, moved_in: Callable[[str], str]) -> str:
    """Each engine of Django's that has a table."""
    return moved_in(f"{DJANGOS}{request.param}")


def adopt(*arguments: str) -> dict[str, int]:
    out = StringIO()
    call_command("adopt_sessions", "--json", *arguments, stdout=out)
    counts: dict[str, int] = json.loads(out.getvalue())["sessions"]
    return counts


@pytest.mark.parametrize("engine", ["shop.nowhere", "json", "sessions_plus.backends.db"])
def test_engine_that_is_none(table: str, engine: str) -> None:
    """An engine on the command line that cannot be the old one is an error that names it."""
    with pytest.raises(CommandError, match=engine):
        adopt("--engine", engine)


@pytest.mark.parametrize(
    ("command", "arguments"),
    [
        ("adopt_sessions", ["--batch", "0"]),
        ("adopt_sessions", ["--batch", "-5"]),
        ("sessionsdoctor", ["--sample", "-1"]),
        ("sessionsdoctor", ["--sample", "9999999999"]),
    ],
)
def test_numbers(command: str, arguments: list[str]) -> None:
    """A number that cannot be meant is an error that says what can."""
    with pytest.raises(CommandError, match="no whole number from"):
        call_command(command, *arguments)


def test_taken_over_before_they_come(table: str, arrive: Arrive, user: User) -> None:
    """Sessions are here with all that they held; whoever comes later is signed in, once."""
    ann, visitor = arrive(user, color="red"), arrive(color="green")
    old_key = ann.key

    assert adopt() == {"signed_in": 1, "visit": 1}
    assert not is_there(table, old_key)
    assert not DjangosSession.objects.exists()
    session = Session.objects.get(user=user)
    assert (session.methods, session.get_decoded()["color"]) == (["pwd"], "red")

    assert ann.text("who") == "ann"
    assert ann.text("read") == "red"
    assert visitor.text("read") == "green"
    assert Session.objects.count() == 2
    assert Device.objects.get().browser == "Firefox"
    assert [event.event for event in SessionEvent.objects.all()] == ["session.adopted"]


def test_the_browser_is_its_device(table: str, arrive: Arrive, user: User) -> None:
    """The device that was made for a session is its browser's: signing in again makes no other."""
    ann = arrive(user)
    adopt()
    ann.text("who")
    ann.get("sign-in", name="ann")

    assert Device.objects.count() == 1


def test_they_can_be_ended_and_seen(table: str, arrive: Arrive, user: User) -> None:
    """Before its owner has come, a session is in the list, and ends like any other."""
    ann = arrive(user)
    adopt()
    shown = overview(user, current=None, now=timezone.now())
    assert len(shown.signed_in) == 1
    assert revoke_all(user).count == 1

    assert ann.text("who") == "AnonymousUser"


def test_run_twice(table: str, arrive: Arrive, user: User) -> None:
    """A second run finds nothing more to do, and who came meanwhile stays."""
    ann = arrive(user)
    adopt()
    ann.text("who")

    assert adopt() == {}
    assert ann.text("who") == "ann"


def test_in_batches(table: str, arrive: Arrive, user: User, other_user: User) -> None:
    """All are taken over, however small a batch is."""
    for number in range(7):
        old_session(table, user if number % 2 else other_user)

    assert adopt("--batch", "2") == {"signed_in": 7}
    assert Session.objects.count() == 7


def test_an_interrupted_run_is_begun_again(table: str, user: User) -> None:
    """What was done stays done, and the next run does the rest."""
    for _ in range(5):
        old_session(table, user)
    take_over(next(batches(2, timezone.now())), now=timezone.now())
    assert Session.objects.count() == 2

    assert adopt("--batch", "2") == {"signed_in": 3}
    assert AdoptedKey.objects.count() == 5


def test_old_code_still_serves(table: str, arrive: Arrive, user: User, settings: Any) -> None:
    """Where the old sessions are kept they stay, and are taken over once."""
    settings.SESSIONS_PLUS_ADOPT_KEEP_OLD = True
    ann = arrive(user)
    old_key = ann.key
    adopt()

    assert is_there(table, old_key)
    assert adopt() == {"here": 1}
    assert ann.text("who") == "ann"
    assert Session.objects.count() == 1


def test_who_is_not_let_in(table: str, arrive: Arrive, user: User, other_user: User) -> None:
    """Each is told apart, and left where it is."""
    caches["default"].clear()
    old_session(table, user, _auth_user_backend="gone.Backend", color="x")
    old_session(table, other_user)
    old_session(table, user, hijack_history=["7"])
    people().filter(pk=other_user.pk).update(is_active=False)
    rows = DjangosSession.objects.create
    rows(session_key="a" * 32, session_data="damaged", expire_date=timezone.now() + DAY)
    rows(session_key="b" * 32, session_data="x", expire_date=timezone.now() - DAY)
    old_session(table, user)
    revoke_all(user)

    assert adopt() == {"user": 1, "acting": 1, "damaged": 1, "ended": 2}
    assert not Session.objects.exists()


def test_another_password(table: str, user: User) -> None:
    """A session of before the password was changed is over."""
    old_session(table, user)
    user.set_password("another")
    people().filter(pk=user.pk).update(password=user.password)

    assert adopt() == {"password": 1}


def test_who_waits_for_a_code_is_left(table: str, arrive: Arrive, user: User) -> None:
    """Whoever has not proved their second factor is asked for it when they come."""
    enrol(user)
    proved, waiting = "otp_totp.totpdevice/3", arrive(user)
    Authenticator.objects.update(imported_from=proved)
    old_session(table, user, otp_device_id=proved)

    assert adopt() == {"signed_in": 1, "waits": 1}
    assert Session.objects.get().methods == ["pwd", "otp"]
    assert waiting.text("who") == "AnonymousUser"
    assert Session.objects.filter(user=None).count() == 1


@pytest.mark.parametrize(
    ("left", "idle", "expected"),
    [
        pytest.param(14 * DAY, None, {"signed_in": 1}, id="as long as there"),
        pytest.param(2 * DAY, None, {"signed_in": 1}, id="idle for a while"),
        pytest.param(2 * DAY, timedelta(hours=1), {"shorter": 1}, id="a short idle timeout"),
        pytest.param(timedelta(minutes=9), timedelta(hours=1), {"signed_in": 1}, id="at its end"),
    ],
)
def test_nobody_loses_by_it(
    table: str,
    user: User,
    settings: Any,
    left: timedelta,
    idle: timedelta | None,
    expected: dict[str, int],
) -> None:
    """A session ends when it would have ended there, or is left until its owner comes."""
    if idle is not None:
        settings.SESSIONS_PLUS_IDLE_TIMEOUT = idle
    old_session(table, user)
    ends = timezone.now() + left
    DjangosSession.objects.update(expire_date=ends)

    assert adopt() == expected
    for session in Session.objects.all():
        assert session.last_activity <= timezone.now()
        assert abs(session.expire_date - ends) < timedelta(seconds=10)


def test_a_session_that_was_to_end_at_a_moment(table: str, user: User) -> None:
    """What ``set_expiry`` was told holds."""
    moment = timezone.now() + timedelta(hours=5)
    old_session(table, user, _session_expiry=moment.isoformat())

    assert adopt() == {"signed_in": 1}
    assert abs(Session.objects.get().expire_date - moment) < timedelta(seconds=1)


def test_somebody_comes_meanwhile(table: str, arrive: Arrive, user: User) -> None:
    """Whoever comes while their session is being taken over has one session, and no error."""
    ann = arrive(user)
    old_session(table, user)
    with Pause(in_bulk, "_store", before=True) as pause:
        running = in_thread(lambda: take_over(next(batches(9, timezone.now())), now=timezone.now()))
        pause.wait()
        assert ann.text("who") == "ann"
        pause.release()

        assert running.result(120) == {"signed_in": 2}
    assert ann.text("who") == "ann"
    assert AdoptedKey.objects.count() == Session.objects.count() == 2


def test_ended_meanwhile(table: str, user: User) -> None:
    """A session that is ended while it is being taken over is not."""
    old_session(table, user)
    with Pause(in_bulk, "_store", before=True) as pause:
        running = in_thread(lambda: take_over(next(batches(9, timezone.now())), now=timezone.now()))
        pause.wait()
        revoke_all(user)
        pause.release()

        assert running.result(120) == {"ended": 1}
    assert not Session.objects.exists()


def test_few_statements(table: str, user: User) -> None:
    """The number of statements grows by the events alone, not by what is read and stored."""

    def count(sessions: int) -> int:
        for _ in range(sessions):
            old_session(table, user)
        with CaptureQueriesContext(
            connection,
        ) as queries:
            adopt()
        told = [query for query in queries if "sessionevent" in query["sql"].lower()]
        return len(queries) - len(told)

    count(1)  # a process asks once which tables there are
    assert count(20) == count(5)


class TestRehearsal:
    def test_changes_nothing(self, table: str, user: User) -> None:
        """It says what would become of the old sessions, and leaves them."""
        key = old_session(table, user)
        old_session(table)

        assert adopt("--check") == {"signed_in": 1, "visit": 1}
        assert is_there(table, key)
        assert not Session.objects.exists()

    def test_what_is_over_does_not_count(self, table: str, user: User) -> None:
        """A person who changed their password is no reason against the move."""
        old_session(table, user)
        user.set_password("another")
        user.save()

        assert adopt("--check") == {"password": 1}

    def test_too_many_would_be_lost(self, table: str, user: User, settings: Any) -> None:
        """Data that does not open any more is, and the command fails."""
        old_session(table, user)
        settings.SECRET_KEY = "another key for tests, as long and as well known as the other"

        with pytest.raises(CommandError, match=r"Only 0\.0% of those"):
            adopt("--check")

    def test_a_sample_of_many(
        self, table: str, user: User, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Of many sessions some are looked at, none twice."""
        for _ in range(30):
            old_session(table)
        monkeypatch.setattr(rehearsal, "SAMPLE", 20)
        monkeypatch.setattr(rehearsal, "AT_ONCE", 5)

        assert 0 < adopt("--check")["visit"] <= 20

    def test_before_the_settings_are_written(self, table: str, user: User, settings: Any) -> None:
        """An engine can be rehearsed that is not in the settings yet."""
        old_session(table, user)
        del settings.SESSIONS_PLUS_ADOPT_FROM

        assert adopt("--check", "--engine", table) == {"signed_in": 1}


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        pytest.param({"ADOPT_FROM": None}, "Set SESSIONS_PLUS_ADOPT_FROM", id="from nowhere"),
        pytest.param({"ADOPT_FROM": f"{DJANGOS}cache"}, "has no table", id="no table"),
        pytest.param({"ADOPT_UNTIL": None}, "Set SESSIONS_PLUS_ADOPT_UNTIL", id="no end"),
    ],
)
def test_nothing_to_do(table: str, settings: Any, change: dict[str, Any], problem: str) -> None:
    """Where it cannot do anything it says what is missing."""
    for name, value in change.items():
        setattr(settings, f"SESSIONS_PLUS_{name}", value)

    with pytest.raises(CommandError, match=problem):
        adopt()


def test_for_a_person(table: str, user: User) -> None:
    """Without JSON there is a line for each kind, or one that there are none."""
    old_session(table, user)
    out = StringIO()
    call_command("adopt_sessions", stdout=out)
    call_command("adopt_sessions", stdout=out)

    first, second = out.getvalue().splitlines()
    assert first.split() == ["1", "signed", "in,", "as", "before"]
    assert second == "There are no old sessions."
