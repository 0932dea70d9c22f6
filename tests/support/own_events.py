"""
The rules of a site whose events have a database of their own.

Run by ``tests/devices/test_own_events.py``, in a process with ``tests.settings_own_events``.
"""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from sessions_plus.events import password_changed_after
from sessions_plus.models import Device, Event, Session, SessionEvent
from sessions_plus.rows import together
from tests.support.pauses import Pause, in_thread, stopped
from tests.support.stores import signed_in

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "events"])


def counts() -> tuple[int, int, int]:
    def count() -> tuple[int, int, int]:
        events = SessionEvent.objects.using("events").count()
        return Device.objects.count(), events, Session.objects.count()

    return in_thread(count).result(20)


def test_sign_in(user: User) -> None:
    """Its events are there, and name the session and the device."""
    signed_in(user)

    started = SessionEvent.objects.using("events").get(event=Event.SESSION_STARTED)
    session = Session.objects.get()
    assert (started.session_public_id, started.device_id) == (session.public_id, session.device_id)


def test_what_rests_on_them(user: User) -> None:
    """That somebody's password was changed, or was told of lately, is known from there."""
    before = timezone.now()
    user.set_password("another")
    user.save()
    changed = SessionEvent.objects.using("events").get(event=Event.PASSWORD_CHANGED)

    assert password_changed_after(user.pk, before) == changed.at
    assert password_changed_after(user.pk, changed.at) is None


def test_order(user: User) -> None:
    """The events are there before the session: who dies in between leaves nothing else."""
    with stopped(lambda: signed_in(user), at=Pause(together, "_write_session", before=True)):
        assert counts() == (0, 2, 0)

    assert counts() == (1, 2, 1)
