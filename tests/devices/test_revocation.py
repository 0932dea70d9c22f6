"""Removing a device ends all that hangs on it."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from django.contrib.auth.models import User

from sessions_plus.crypto import Purpose
from sessions_plus.devices import revocation
from sessions_plus.keys import new_public_id, new_token
from sessions_plus.models import Device, Event, Reason, Session, SessionEvent
from tests.conftest import World
from tests.support.stores import signed_in


def device_of(user: User, now: datetime) -> Device:
    """A trusted device with a token."""
    return Device.objects.create(
        user=user, token_hash="d" * 64, trust_hash="t" * 64, trusted_until=now + timedelta(days=9)
    )


def session_on(device: Device, now: datetime) -> Session:
    return Session.objects.create(
        user=device.user, device=device, key_hash="k" * 64, expire_date=now + timedelta(days=9)
    )


@pytest.mark.django_db(transaction=True)
def test_one_act_ends_all(user: User, now: datetime, world: World) -> None:
    """Sessions, trust and recognition end together, and each end is recorded."""
    device = device_of(user, now)
    sessions = [session_on(device, now) for _ in range(2)]
    elsewhere = session_on(Device.objects.create(user=user), now)

    result = world(revocation, "revoke_device", device, now=now)

    assert result.count == 2
    stored = Device.objects.get(pk=device.pk)
    assert (stored.revoked_at, stored.token_hash, stored.trusted_until) == (now, None, None)
    assert stored.trust_hash == ""
    assert (device.revoked_at, device.token_hash) == (now, None)
    for session in sessions:
        session.refresh_from_db()
        assert (session.revoked_at, session.revoked_reason) == (now, Reason.DEVICE_REVOKED)
    elsewhere.refresh_from_db()
    assert elsewhere.revoked_at is None
    events = list(SessionEvent.objects.order_by("id").values_list("event", flat=True))
    assert events == [Event.DEVICE_REVOKED, Event.SESSION_REVOKED, Event.SESSION_REVOKED]


def test_actor_is_recorded(user: User, staff: User, now: datetime) -> None:
    """What staff did names them, on the device's event and on each session's."""
    device = device_of(user, now)
    session_on(device, now)

    revocation.revoke_device(device, actor=staff, now=now)

    assert list(SessionEvent.objects.values_list("actor", flat=True)) == [staff.pk, staff.pk]
    assert Session.objects.get().revoked_by == staff


def test_a_second_call_finishes_the_first(user: User, now: datetime) -> None:
    """Calling it again records nothing more, but ends whatever was left."""
    device = device_of(user, now)
    revocation.revoke_device(device, now=now)
    assert not revocation.revoke_device(device, now=now + timedelta(days=1))
    left = session_on(device, now)

    result = revocation.revoke_device(device, now=now)

    assert result.count == 1
    left.refresh_from_db()
    assert left.revoked_at == now
    assert SessionEvent.objects.filter(event=Event.DEVICE_REVOKED).count() == 1
    assert Device.objects.get().revoked_at == now


def test_the_browser_is_new_afterwards(user: User, now: datetime) -> None:
    """The cookie of a removed device finds no device; its next sign-in makes one."""
    token = new_token(new_public_id(), purpose=Purpose.DEVICE_TOKEN)
    signed_in(user, device_token=token)
    device = Device.objects.get()
    revocation.revoke_device(device, now=now)

    signed_in(user, device_token=token)

    assert Device.objects.active().get() != device
