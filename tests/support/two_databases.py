"""
The rules of a site whose sessions have a database of their own, apart from its users.

Run by ``tests/store/test_own_database.py``, in a process with ``tests.settings_own_database``.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.contrib.auth import authenticate
from django.contrib.auth.models import User
from django.core.cache import caches

from sessions_plus.devices.revocation import revoke_device
from sessions_plus.keys import new_public_id
from sessions_plus.lifecycle import keep_other_sessions, revoke, revoke_all
from sessions_plus.lifecycle.passwords import end_or_keep_others
from sessions_plus.models import Device, Event, Session, SessionEvent
from tests.conftest import PASSWORD, World, people
from tests.support.browsers import Browser

pytestmark = [
    pytest.mark.urls("tests.support.sites"),
    pytest.mark.django_db(transaction=True, databases=["default", "sessions"]),
]


@pytest.fixture
def ann(engine: str, world: World, user: User) -> Browser:
    caches["default"].clear()
    browser = Browser(world)
    browser.get("sign-in", name="ann")
    return browser


def test_sign_in(ann: Browser, user: User) -> None:
    """A sign-in stores session, device and events where the sessions are."""
    assert ann.text("who") == "ann"
    assert Session.objects.using("sessions").get().user_id == user.pk
    started = SessionEvent.objects.using("sessions").filter(event=Event.SESSION_STARTED)
    assert started.get().user_id == user.pk


def test_failed_sign_in(user: User) -> None:
    """A wrong password is recorded with its user, who is in the other database."""
    assert authenticate(None, username="ann", password="wrong") is None

    assert SessionEvent.objects.get().user_id == user.pk


def test_end_by_staff(ann: Browser, staff: User) -> None:
    """Whoever ended it is named."""
    revoke(Session.objects.get(), actor=staff)

    assert ann.text("who") == "AnonymousUser"
    assert Session.objects.get().revoked_by_id == staff.pk


@pytest.mark.parametrize(
    "act",
    [
        pytest.param(revoke_all, id="all of the user"),
        pytest.param(lambda user: revoke_device(Device.objects.get()), id="the device"),
        pytest.param(lambda user: Device.objects.all().delete(), id="the device's row"),
        pytest.param(lambda user: user.delete(), id="the user"),
    ],
)
def test_other_ends(ann: Browser, user: User, act: Callable[[User], object]) -> None:
    """Every way to end a session reaches the database that it is in."""
    act(user)

    assert ann.text("who") == "AnonymousUser"
    assert not Session.objects.filter(revoked_at=None, user__isnull=False).exists()


def test_new_password(ann: Browser, world: World, user: User) -> None:
    """A new password ends the sessions, and the person can sign in with it."""
    user.set_password(PASSWORD[::-1])
    user.save()

    assert ann.text("who") == "AnonymousUser"
    ann.get("sign-in", name="ann")
    assert ann.text("who") == "ann"


def test_new_password_that_keeps(ann: Browser, user: User) -> None:
    """A session that was chosen to go on does, though its user is in the other database."""
    with keep_other_sessions(user):
        user.set_password(PASSWORD[::-1])
        end_or_keep_others(user, own=new_public_id())
    people().filter(pk=user.pk).update(password=user.password)

    assert ann.text("who") == "ann"


def test_disabled_past_the_model(ann: Browser, user: User) -> None:
    """A user who was disabled without a signal is found out with the next request."""
    people().filter(pk=user.pk).update(is_active=False)

    assert ann.text("who") == "AnonymousUser"
    assert Session.objects.get().revoked_at is not None
