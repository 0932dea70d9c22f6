"""The page of one's own events."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import pytest
from django.contrib.auth.models import User

from sessions_plus.events import record
from sessions_plus.models import Event, Outcome, SessionEvent
from tests.views.conftest import SignIn

ACTIVITY = "/account/activity/"


def test_own_events_are_shown(user: User, other_user: User, sign_in: SignIn) -> None:
    """The page shows what happened to one's own account, and to nobody else's."""
    record(Event.SIGN_IN_FAILED, user=user, outcome=Outcome.FAILURE)
    record(Event.PASSWORD_CHANGED, user=other_user)

    html = sign_in(user).get(ACTIVITY).content.decode()

    assert "Signed in" in html
    assert "Firefox on Linux" in html
    assert "Sign-in failed" in html
    assert "Password changed" not in html


def test_a_mail_that_did_not_go_out_is_not_shown(user: User, sign_in: SignIn) -> None:
    """What only whoever runs the site can do something about is kept from people, and recorded."""
    record(Event.NOTICE_FAILED, user=user, outcome=Outcome.FAILURE, reason="password.changed")

    html = sign_in(user).get(ACTIVITY).content.decode()

    assert "Signed in" in html
    assert "Mail could not be sent" not in html
    assert SessionEvent.objects.filter(event=Event.NOTICE_FAILED).exists()


def test_staff_is_named_as_staff(user: User, staff: User, sign_in: SignIn) -> None:
    """What an administrator did is told apart, without saying which one it was."""
    record(Event.DEVICE_REVOKED, user=user, actor=staff)

    html = sign_in(user).get(ACTIVITY).content.decode()

    assert "By an administrator" in html
    assert staff.username not in html


@pytest.mark.parametrize("page", ["1", "2", "99", "-1", "x", ""])
def test_any_page_number_shows_a_page(user: User, sign_in: SignIn, page: str) -> None:
    """A page number that is none, or too high, shows the nearest page."""
    client = sign_in(user)
    for _ in range(30):
        record(Event.PASSWORD_CHANGED, user=user)

    html = client.get(ACTIVITY, {"page": page}).content.decode()

    assert f"Page {2 if page in ('2', '99', '-1') else 1} of 2" in html


@pytest.mark.parametrize("count", [1, 20], ids=["one event", "twenty events"])
def test_queries_do_not_grow(
    user: User,
    sign_in: SignIn,
    count: int,
    django_assert_num_queries: Callable[[int], AbstractContextManager[Any]],
) -> None:
    """The page costs two queries beside session and user, for any number of events."""
    client = sign_in(user)
    for _ in range(count):
        record(Event.PASSWORD_CHANGED, user=user)

    with django_assert_num_queries(4):
        client.get(ACTIVITY)
