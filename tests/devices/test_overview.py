"""Which devices and sessions a person is shown, and in what order."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from sessions_plus.devices import overview
from sessions_plus.models import Device, Session
from tests.conftest import World


def session_on(user: User, device: Device | None, *, minutes_ago: int = 0) -> Session:
    now = timezone.now()
    return Session.objects.create(
        user=user,
        device=device,
        key_hash="k" * 64,
        last_activity=now - timedelta(minutes=minutes_ago),
        expire_date=now + timedelta(days=9),
    )


@pytest.mark.django_db(transaction=True)
def test_the_device_in_hand_comes_first(user: User, world: World) -> None:
    """The device that asks leads; the others follow by last activity, each with its sessions."""
    phone, laptop, tablet = (Device.objects.create(user=user, name=name) for name in "PLT")
    current = session_on(user, phone, minutes_ago=9)
    session_on(user, tablet, minutes_ago=5)
    session_on(user, laptop, minutes_ago=6)
    session_on(user, laptop, minutes_ago=2)

    found = world(overview, "overview", user, current=current.public_id, now=timezone.now())

    assert [(entry.label, len(entry.sessions)) for entry in found.signed_in] == [
        ("P", 1),
        ("L", 2),
        ("T", 1),
    ]
    assert [entry.is_current for entry in found.signed_in] == [True, False, False]
    assert found.has_others


def test_sessions_without_device_stand_alone(user: User) -> None:
    """Sessions whose device's row is gone are shown, and not as one device."""
    for _ in range(2):
        session_on(user, None)

    found = overview.overview(user, current=None, now=timezone.now())

    assert [entry.label for entry in found.signed_in] == ["Unknown browser"] * 2


def test_each_device_is_in_one_place(user: User) -> None:
    """A device is signed in or signed out; one that was removed is in neither list."""
    now = timezone.now()
    live, idle = (Device.objects.create(user=user, name=name) for name in ("live", "idle"))
    Device.objects.create(user=user, name="removed", revoked_at=now)
    session = session_on(user, live)
    ended = session_on(user, idle)
    Session.objects.filter(pk=ended.pk).update(expire_date=now - timedelta(days=1))

    found = overview.overview(user, current=session.public_id, now=now)

    assert [entry.label for entry in found.signed_in] == ["live"]
    assert [device.label for device in found.signed_out] == ["idle"]
    assert [session.pk for session in found.ended] == [ended.pk]
    assert not found.has_others


def test_a_crowd_is_cut(user: User) -> None:
    """Whoever has more sessions than any person is shown the latest, and told so."""
    for _ in range(overview.LIVE_SHOWN + 1):
        session_on(user, None)

    found = overview.overview(user, current=None, now=timezone.now())

    assert found.is_cut
    assert len(found.signed_in) == overview.LIVE_SHOWN
