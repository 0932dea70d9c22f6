"""Lists judge by the limits of today, not by those of when a session was last written."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.test import Client
from django.utils import timezone

from sessions_plus.devices.overview import overview
from sessions_plus.lifecycle.in_force import ended_at, goes_on, is_live, live_sessions
from sessions_plus.models import Session
from sessions_plus.policy import Limits, SessionFacts
from sessions_plus.testing import sign_in

HOUR = timedelta(hours=1)


@pytest.fixture
def session(user: User) -> Session:
    """One that was signed in to ten hours ago and used three hours ago, under two weeks."""
    now = timezone.now()
    sign_in(Client(), user)
    Session.objects.update(authenticated_at=now - 10 * HOUR, last_activity=now - 3 * HOUR)
    return Session.objects.get()


def short_for_people(facts: SessionFacts) -> Limits | None:
    return Limits(HOUR, None) if facts.data.get("short") else None


def shown(user: User, now: datetime) -> dict[str, bool]:
    """Say by which list it is live."""
    [session] = Session.objects.for_user(user)
    found = overview(user, current=None, now=now)
    return {
        "of the user": live_sessions(user, now=now).exists(),
        "overview": bool(found.signed_in),
        "not ended": not found.ended,
        "itself": is_live(session, now=now),
        "any": goes_on(Session.objects.all(), now=now).exists(),
    }


@pytest.mark.parametrize(
    ("stricter", "lives"),
    [
        pytest.param({}, True, id="as it was"),
        pytest.param({"IDLE_TIMEOUT": 4 * HOUR}, True, id="idle, within"),
        pytest.param({"IDLE_TIMEOUT": 2 * HOUR}, False, id="idle, over"),
        pytest.param({"ABSOLUTE_LIFETIME": 11 * HOUR}, True, id="absolute, within"),
        pytest.param({"ABSOLUTE_LIFETIME": 9 * HOUR}, False, id="absolute, over"),
    ],
)
def test_a_stricter_policy_shows_at_once(
    user: User, session: Session, settings: Any, stricter: dict[str, timedelta], lives: bool
) -> None:
    """What the next request will end is signed in nowhere, whichever list is asked."""
    for name, value in stricter.items():
        setattr(settings, f"SESSIONS_PLUS_{name}", value)

    assert set(shown(user, timezone.now()).values()) == {lives}


def test_sites_own_function_is_asked(user: User, session: Session, settings: Any) -> None:
    """``SESSIONS_PLUS_LIMITS`` decides of each session by its data, in the lists of a person."""
    client = Client()
    sign_in(client, user)
    stored = client.session
    stored["short"] = True
    stored.save()
    Session.objects.update(last_activity=timezone.now() - 2 * HOUR)
    settings.SESSIONS_PLUS_LIMITS = short_for_people

    live = live_sessions(user, now=timezone.now())

    assert [row.pk for row in live] == [session.pk]


def test_it_ended_when_the_limit_was_over(session: Session, settings: Any) -> None:
    """The end that is told is the one of today's limits."""
    settings.SESSIONS_PLUS_IDLE_TIMEOUT = HOUR

    assert ended_at(session) == session.last_activity + HOUR


def test_command_and_admin_agree(
    user: User, staff: User, session: Session, settings: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """The server's list and the admin's show no such session as active either."""
    settings.SESSIONS_PLUS_IDLE_TIMEOUT = HOUR
    desk = Client()
    desk.force_login(staff)
    url = "/admin/sessions_plus/session/"

    call_command("list_sessions", "ann")

    assert "not signed in anywhere" in capsys.readouterr().out
    assert str(session.public_id) not in desk.get(url, {"state": "active"}).content.decode()
    expired = desk.get(url, {"state": "expired"})
    assert [row.pk for row in expired.context["cl"].result_list] == [session.pk]
    assert "Expired" in expired.content.decode()
