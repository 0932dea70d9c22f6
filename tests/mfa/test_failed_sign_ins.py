"""Failed sign-ins on record: a few one by one, many of a kind as one event with their number."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from threading import Barrier
from typing import Any

import pytest
import time_machine
from django.contrib.auth.models import User
from django.core.management import call_command
from django.db import connections
from django.test import Client, override_settings
from django.utils import timezone

from sessions_plus.client_info import ClientInfo
from sessions_plus.maintenance.counting import count_events
from sessions_plus.mfa.failed_sign_ins import DUE_AT_ONCE, SINGLY, record_failure, write_due
from sessions_plus.mfa.throttle import of_name
from sessions_plus.models import Event, FailureCount, HourCount, Outcome, SessionEvent
from sessions_plus.models.hour_count import Span
from sessions_plus.signals import event_recorded
from tests.support.browsers import FIREFOX
from tests.support.moments import START

pytestmark = pytest.mark.django_db(transaction=True)

SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)
HERE = ClientInfo.of(ip_address="198.51.100.7", user_agent=FIREFOX)
THERE = ClientInfo.of(ip_address="203.0.113.9")
ANN, NOBODY = of_name("ann"), of_name("nobody")


def fail(times: int, user: User | None, *, at: datetime, client: ClientInfo = HERE) -> None:
    for _ in range(times):
        record_failure(ANN if user is not None else NOBODY, user, client=client, now=at)


def counts() -> list[int]:
    """Return what each event stands for, in the order in which they were written."""
    return list(SessionEvent.objects.order_by("pk").values_list("count", flat=True))


@pytest.fixture(autouse=True)
def clock() -> Iterator[Any]:
    with time_machine.travel(START, tick=False) as clock:
        yield clock


def test_a_few_are_events_of_their_own(user: User) -> None:
    """Whoever mistypes a password finds each time on record, at once."""
    fail(SINGLY, user, at=START)

    assert counts() == [1] * SINGLY
    assert set(SessionEvent.objects.values_list("event", "outcome", "user")) == {
        (Event.SIGN_IN_FAILED, Outcome.FAILURE, user.pk)
    }


def test_many_are_one_event_once_the_minute_is_over(user: User) -> None:
    """Those beyond the first few are one event; before the minute is over it is not written."""
    fail(40, user, at=START)
    assert counts() == [1] * SINGLY

    fail(1, user, at=START + MINUTE)

    assert counts() == [*[1] * SINGLY, 35, 1]


def test_the_event_says_what_a_single_one_says(user: User) -> None:
    """It tells whose, from where and when: the last time."""
    fail(40, user, at=START)
    fail(1, user, at=START + 20 * SECOND)
    heard: list[SessionEvent] = []

    def hear(event: SessionEvent, **_: object) -> None:
        heard.append(event)

    event_recorded.connect(hear)
    try:
        write_due(START + MINUTE)
    finally:
        event_recorded.disconnect(hear)

    (event,) = heard
    assert event == SessionEvent.objects.get(count=36)
    assert (event.at, event.user_id) == (START + 20 * SECOND, user.pk)
    assert (event.ip_address, event.user_agent) == ("198.51.100.7", FIREFOX)
    assert (event.event, event.outcome) == (Event.SIGN_IN_FAILED, Outcome.FAILURE)


def test_accounts_and_networks_are_told_apart(user: User) -> None:
    """Each name from each network has its own."""
    fail(10, user, at=START)
    fail(20, user, at=START, client=THERE)
    fail(30, None, at=START)

    write_due(START + MINUTE)

    found = SessionEvent.objects.filter(count__gt=1).values_list("user", "ip_address", "count")
    assert set(found) == {
        (user.pk, "198.51.100.7", 10 - SINGLY),
        (user.pk, "203.0.113.9", 20 - SINGLY),
        (None, "198.51.100.7", 30 - SINGLY),
    }


def test_minutes_are_told_apart(user: User) -> None:
    """An attack of three minutes is three such events, and the first few of each minute."""
    for minute in range(3):
        fail(10, user, at=START + minute * MINUTE)

    write_due(START + 3 * MINUTE)

    assert sorted(counts()) == [1] * 3 * SINGLY + [10 - SINGLY] * 3
    assert sum(counts()) == 30


def test_any_failure_writes_down_what_is_due(user: User) -> None:
    """The next failed sign-in on the site, whoever's it is, writes it down."""
    fail(40, user, at=START)

    fail(1, None, at=START + 10 * MINUTE, client=THERE)

    assert counts() == [*[1] * SINGLY, 35, 1]


def test_the_clean_up_writes_down_what_is_due(user: User, clock: Any) -> None:
    """Where an attack was the last that happened, the clean-up writes it down."""
    fail(40, user, at=START)
    clock.shift(timedelta(hours=3))

    call_command("clearsessions", verbosity=0)

    assert counts() == [*[1] * SINGLY, 35]
    assert not FailureCount.objects.exists()


def test_nothing_is_left_of_what_was_written_down(user: User) -> None:
    """Counts are gone a few minutes later; there are never more than are going on."""
    fail(40, user, at=START)
    fail(3, None, at=START)

    write_due(START + MINUTE)
    write_due(START + 4 * MINUTE)

    assert not FailureCount.objects.exists()
    assert sum(counts()) == 43


def test_a_server_whose_clock_is_late(user: User) -> None:
    """What it counts in a minute that was written down is one event more, and none is lost."""
    fail(10, user, at=START)
    write_due(START + MINUTE)

    fail(7, user, at=START + 50 * SECOND)
    write_due(START + MINUTE)

    assert counts() == [*[1] * SINGLY, 5, 7]


def test_not_all_at_once(user: User) -> None:
    """Nobody has to wait while the whole of a flood is written down, or removed."""
    for number in range(30):
        for _ in range(SINGLY + 1):
            record_failure(of_name(f"name{number}"), None, client=HERE, now=START)
    written = SessionEvent.objects.count()

    record_failure(ANN, user, client=HERE, now=START + MINUTE)
    assert SessionEvent.objects.count() == written + DUE_AT_ONCE + 1
    record_failure(ANN, user, client=HERE, now=START + 9 * MINUTE)

    assert FailureCount.objects.count() == 30 - DUE_AT_ONCE + 2


def test_who_stores_no_address_stores_none_here(user: User) -> None:
    """What may be stored of an address is decided when it is counted."""
    with override_settings(SESSIONS_PLUS_IP_ADDRESS_PRIVACY="none"):
        fail(6, user, at=START, client=ClientInfo.of(ip_address="198.51.100.7"))

    assert FailureCount.objects.get().ip_address is None
    assert "ann" not in str(list(FailureCount.objects.values_list()))


def test_none_is_lost_or_counted_twice_at_once(user: User) -> None:
    """Of a hundred at once, in ten threads, and while others write down, a hundred are told."""
    barrier = Barrier(10)

    def run(number: int) -> None:
        try:
            connections["default"].ensure_connection()
            barrier.wait(timeout=60)
            for turn in range(10):
                # Some are a minute late: they meet those who write the minute down.
                now = START + (MINUTE if (number + turn) % 3 else timedelta(0))
                record_failure(ANN, user, client=HERE, now=now)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(10) as pool:
        list(pool.map(run, range(10)))
    write_due(START + 2 * MINUTE)

    assert sum(counts()) == 100


def test_a_deleted_user_leaves_none(user: User) -> None:
    """What waits to be written down goes with the user."""
    fail(10, user, at=START)

    user.delete()

    assert not FailureCount.objects.exists()


@pytest.mark.usefixtures("_nobody_else_writes")
def test_hourly_counts_know_of_them(user: User) -> None:
    """Of an attack that is over, too: no failure comes by any more that writes it down."""
    fail(40, user, at=START)

    count_events(START + MINUTE)

    counted = HourCount.objects.filter(event=Event.SIGN_IN_FAILED, span=Span.EVER)
    assert sum(counted.values_list("count", flat=True)) == 40


@pytest.mark.urls("tests.support.guessing")
def test_in_lists_and_pages(user: User, staff: User, password: str, clock: Any) -> None:
    """Where events are shown, so is how often: to people, to programs and to staff."""
    fail(40, user, at=START)
    clock.shift(MINUTE)
    write_due(timezone.now())
    browser, desk = Client(), Client()
    browser.post("/account/login/", {"username": "ann", "password": password})
    desk.post("/admin/login/", {"username": "root", "password": password})

    page = browser.get("/account/activity/").content.decode()
    assert "35 times" in page
    assert "1 time<" not in page

    shown = browser.get("/api/events/").json()["results"]
    assert sorted(one["count"] for one in shown if one["event"] == Event.SIGN_IN_FAILED) == [
        *[1] * SINGLY,
        35,
    ]

    table = desk.get("/admin/sessions_plus/sessionevent/").content.decode()
    assert " ×35" in table
