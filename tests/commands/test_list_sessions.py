"""``list_sessions``: where somebody is signed in."""

from __future__ import annotations

import io

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.test import override_settings

from sessions_plus.lifecycle import revoke
from sessions_plus.models import Device, Session
from tests.conftest import World
from tests.support.browsers import FIREFOX, SAFARI, Browser
from tests.tokens.factories import new_tokens

pytestmark = [pytest.mark.urls("tests.support.sites"), pytest.mark.django_db(transaction=True)]


def run(name: str) -> list[str]:
    out = io.StringIO()
    call_command("list_sessions", name, stdout=out)
    return out.getvalue().splitlines()


def sign_in(name: str, user_agent: str) -> Browser:
    browser = Browser(World("sync"), user_agent=user_agent)
    browser.get("sign-in", name=name)
    return browser


def test_each_live_session_is_a_line(engine: str, user: User, other_user: User) -> None:
    """It tells kind, device, address and times of each, the one used last first."""
    first = sign_in("ann", FIREFOX)
    sign_in("ben", FIREFOX)
    program = new_tokens(user).session
    Device.objects.filter(user=user, browser="Firefox").update(name="My laptop")
    session = Session.objects.get(kind="browser", user=user)

    heading, newest, oldest = run("ann")

    assert heading.split()[:4] == ["SESSION", "KIND", "DEVICE", "ADDRESS"]
    assert newest.startswith(f"{program.public_id}  api ")
    assert oldest.startswith(f"{session.public_id}  browser  My laptop")
    assert f"{session.last_activity:%Y-%m-%d %H:%M}" in oldest
    assert str(session.ip_address) in oldest
    assert heading.index("KIND") == newest.index("api") == oldest.index("browser")
    assert all(first.key not in line for line in (newest, oldest))


def test_ended_ones_are_left_out(engine: str, user: User) -> None:
    """Whoever is signed in nowhere is told of as such."""
    sign_in("ann", SAFARI)
    revoke(Session.objects.get())

    assert run("ann") == ["ann is not signed in anywhere."]


@pytest.mark.skipif(not settings.USE_TZ, reason="such a site stores its own time")
def test_times_are_the_sites(user: User) -> None:
    """Moments are told in the time zone of the site."""
    sign_in("ann", SAFARI)
    Session.objects.update(authenticated_at="2030-01-02T23:30:00+00:00")

    with override_settings(TIME_ZONE="Asia/Tokyo"):
        assert "2030-01-03 08:30" in run("ann")[1]


def test_it_costs_one_statement_for_all(user: User, django_assert_num_queries: object) -> None:
    """Two statements, one for the user, however many sessions there are."""
    for number in range(5):
        sign_in("ann", f"{SAFARI} {number}")

    with django_assert_num_queries(2):  # type: ignore[operator]
        assert len(run("ann")) == 6


def test_nobody_of_that_name(db: None) -> None:
    """An unknown name is an error."""
    with pytest.raises(CommandError, match="There is no user 'nobody'"):
        run("nobody")
