"""Hourly counts: exact, whoever counts, and however often it is interrupted."""

from __future__ import annotations

import json
from collections import Counter
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.db import connection
from django.test import override_settings
from django.utils import timezone

from sessions_plus.events import record
from sessions_plus.maintenance import counting
from sessions_plus.maintenance.cleanup import HOUR_COUNTS_KEPT, cleanup, last_cleanup
from sessions_plus.maintenance.counting import count_events
from sessions_plus.models import (
    Authenticator,
    Cursor,
    Event,
    HourCount,
    Measure,
    Outcome,
    Session,
    SessionEvent,
    Span,
)
from sessions_plus.models.hour_count import as_stored
from tests.support.pauses import PATIENCE_SECONDS, Pause, in_thread

pytestmark = pytest.mark.django_db(transaction=True)

HOUR = timedelta(hours=1)


@pytest.fixture
def now() -> datetime:
    return timezone.now()


@pytest.fixture(autouse=True)
def _begin_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Count from here on in small parts; keys go on from one test to the next."""
    monkeypatch.setattr(counting, "ROWS_AT_ONCE", 3)
    first = record(Event.SIGNING_KEY_ROTATED)
    Cursor.objects.create(name=counting.CURSOR, position=first.pk)
    first.delete()


def events(now: datetime, count: int = 20) -> None:
    for number in range(count):
        SessionEvent.objects.create(
            at=now - (number % 3) * HOUR,
            event=Event.SESSION_STARTED if number % 2 else Event.SIGN_IN_FAILED,
            outcome=Outcome.SUCCESS if number % 2 else Outcome.FAILURE,
            reason="pwd otp" if number % 4 == 1 else "",
            count=1 + number % 5,
        )


def truth(span: Span = Span.HOUR) -> dict[tuple[Any, ...], int]:
    """What there is in the table of events, added up."""
    found: Counter[tuple[Any, ...]] = Counter()
    for event in SessionEvent.objects.all():
        found[span.begin(event.at), event.event, event.outcome, event.reason] += event.count
    return dict(found)


def counts(span: Span = Span.HOUR) -> dict[tuple[Any, ...], int]:
    rows = HourCount.objects.filter(span=span).exclude(event__in=Measure.values)
    return {(row.hour, row.event, row.outcome, row.reason): row.count for row in rows}


def test_counts_are_the_events(now: datetime) -> None:
    """Each hour has each kind as often as there are events, adding up what a row stands for."""
    events(now)

    counted = count_events(now)

    assert counts() == truth()
    for span in (Span.DAY, Span.EVER):
        assert counts(span) == truth(span)
    assert counted.events == sum(truth().values())
    assert counted.position == SessionEvent.objects.latest("pk").pk


def test_what_comes_is_added(now: datetime) -> None:
    """Counting again counts what is new, and nothing twice."""
    events(now)
    count_events(now)
    assert count_events(now).events == 0
    events(now, 7)

    count_events(now)

    assert counts() == truth()


def test_an_interrupted_count_is_begun_again(
    now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was half counted is taken back; the next run comes to the same."""
    events(now)
    add = counting._add_to
    calls = 0

    def interrupted(*args: Any) -> None:
        nonlocal calls
        calls += 1
        if calls == 5:
            raise KeyboardInterrupt
        add(*args)

    monkeypatch.setattr(counting, "_add_to", interrupted)
    with pytest.raises(KeyboardInterrupt):
        count_events(now)
    assert counts() != truth()

    monkeypatch.undo()
    count_events(now)

    assert counts() == truth()


def test_two_who_count_at_once(now: datetime) -> None:
    """Of two who count the same events, one is taken back."""
    events(now)

    with Pause(counting, "_add", before=True) as pause:
        other = in_thread(lambda: count_events(now))
        pause.wait()
        count_events(now)
        pause.release()
        other.result(PATIENCE_SECONDS)

    assert counts() == truth()


def test_counts_outlive_events(now: datetime) -> None:
    """The clean-up counts what it is about to remove, so nothing is lost to the charts."""
    events(now - timedelta(days=100))
    expected = truth()

    cleanup(now)

    assert not SessionEvent.objects.exists()
    assert counts() == expected


def test_nothing_uncounted_is_removed(now: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
    """An event that could not be counted stays, however old it is."""
    from sessions_plus.maintenance import cleanup as module

    monkeypatch.setattr(module, "count_events", lambda *args, **kwargs: None)
    events(now - timedelta(days=100))

    cleanup(now)

    assert SessionEvent.objects.count() == 20


def test_old_counts_go(now: datetime) -> None:
    """Three years of them are kept. The sums of all time stay, as a counter must not fall."""
    for span in Span:
        for age in (HOUR_COUNTS_KEPT, HOUR_COUNTS_KEPT - 48 * HOUR):
            hour = span.begin(now - age)
            HourCount.objects.get_or_create(
                span=span, hour=hour, event="session.started", defaults={"count": 1}
            )

    assert cleanup(now)["hour_counts"] == 2
    assert {row.span for row in HourCount.objects.filter(event="session.started")} == set(Span)


def test_the_end_of_a_clean_up_is_kept(now: datetime) -> None:
    """Whoever asks is told when one last came to its end."""
    assert last_cleanup() is None

    cleanup(now)

    assert abs((last_cleanup() or timezone.now()) - now) < timedelta(milliseconds=1)


def test_measures(now: datetime, user: User, other_user: User) -> None:
    """Once an hour it is looked at who is signed in, and who has a second factor."""
    day = timedelta(days=1)
    for person, ends, ended in (
        (user, now + day, None),
        (user, now + day, None),
        (user, now, None),
        (other_user, now + day, now),
        (None, now + day, None),
    ):
        Session.objects.create(user=person, expire_date=ends, revoked_at=ended)
    for _ in range(2):
        Authenticator.objects.create(user=user, sealed_secret=b"?", confirmed_at=now)
    Authenticator.objects.create(user=other_user, sealed_secret=b"?")

    count_events(now)
    Session.objects.all().delete()
    count_events(now)

    assert {(row.event, row.reason): row.count for row in HourCount.objects.measured()} == {
        ("sessions.active", "browser"): 2,
        ("sessions.active", "api"): 0,
        ("users.second_factor", ""): 1,
    }
    count_events(now + HOUR)
    by_day = HourCount.objects.filter(span=Span.DAY, event="sessions.active", reason="browser")
    assert by_day.order_by("hour")[0].count == 2
    later = HourCount.objects.measured().filter(hour=Span.HOUR.begin(now + HOUR))
    assert sorted(row.count for row in later) == [0, 0, 1]


@pytest.mark.parametrize("zone", ["UTC", "Asia/Kathmandu", "America/St_Johns"])
def test_hours_are_of_utc(zone: str) -> None:
    """An hour and a day begin where UTC's do, in whatever zone the site is."""
    moment = datetime(2030, 1, 2, 3, 44, 5, tzinfo=UTC)
    with override_settings(TIME_ZONE=zone), timezone.override(zone):
        local = moment.astimezone(timezone.get_current_timezone())
        assert Span.HOUR.begin(local) == as_stored(datetime(2030, 1, 2, 3, tzinfo=UTC))
        assert Span.DAY.begin(local) == as_stored(datetime(2030, 1, 2, tzinfo=UTC))


def test_no_series_for_what_clients_send(now: datetime) -> None:
    """However many browsers and addresses there are, the counts are few."""
    for number in range(50):
        SessionEvent.objects.create(
            at=now,
            event=Event.SIGN_IN_FAILED,
            outcome=Outcome.FAILURE,
            user_agent=f"agent {number}",
            ip_address=f"203.0.113.{number}",
        )

    count_events(now)

    assert len(counts()) == 1


def test_command(now: datetime) -> None:
    """It says how many it counted: one line, or one JSON object."""
    SessionEvent.objects.create(event=Event.SESSION_STARTED)
    plain, machine = StringIO(), StringIO()

    call_command("count_events", stdout=plain)
    call_command("count_events", "--json", stdout=machine)

    assert plain.getvalue() == "1 events counted.\n"
    assert json.loads(machine.getvalue())["events"] == 0


def test_counting_costs_a_fixed_number_of_statements(now: datetime) -> None:
    """A batch costs as much as it has kinds, not as it has events."""
    from django.test.utils import CaptureQueriesContext

    def cost() -> int:
        with CaptureQueriesContext(connection) as captured:
            count_events(now)
        return len(captured)

    few = SessionEvent(at=now, event=Event.SESSION_STARTED)
    few.save()
    count_events(now)
    few.pk, few._state.adding = None, True
    few.save()
    first = cost()
    counting.ROWS_AT_ONCE = 1000
    SessionEvent.objects.bulk_create(
        SessionEvent(at=now, event=Event.SESSION_STARTED) for _ in range(200)
    )

    assert cost() == first
