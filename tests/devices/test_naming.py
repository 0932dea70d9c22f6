"""What people call their devices."""

from __future__ import annotations

from datetime import datetime

import pytest
from django.contrib.auth.models import User

from sessions_plus.client_info import ClientInfo
from sessions_plus.devices import naming
from sessions_plus.devices.naming import clean_name
from sessions_plus.models import Device, Event, SessionEvent
from tests.conftest import World


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        pytest.param("  Work \t laptop\n", "Work laptop", id="blanks"),
        pytest.param("Laptop\u202egnp", "Laptop gnp", id="bidirectional override"),
        pytest.param("a\x00b\x1b[31m", "a b [31m", id="control characters"),
        pytest.param("Küche 🍳", "Küche 🍳", id="any script"),
        pytest.param("x" * 150, "x" * 100, id="too long"),
        pytest.param(" \n ", "", id="nothing"),
    ],
)
def test_names_are_one_printable_line(given: str, kept: str) -> None:
    """A name can forge neither lines nor another name."""
    assert clean_name(given) == kept


@pytest.mark.django_db(transaction=True)
def test_renaming_is_recorded_once(user: User, world: World) -> None:
    """A new name is stored with an event; the same name again changes nothing."""
    device = Device.objects.create(user=user)
    client = ClientInfo.of(ip_address="203.0.113.7")

    assert world(naming, "rename", device, " Desk ", client=client)
    assert not world(naming, "rename", device, "Desk", client=client)

    device.refresh_from_db()
    assert device.name == "Desk"
    event = SessionEvent.objects.get()
    assert (event.event, event.device, event.user_id, event.ip_address) == (
        Event.DEVICE_RENAMED,
        device,
        user.pk,
        "203.0.113.7",
    )


def test_removed_device_keeps_its_name(user: User, now: datetime) -> None:
    """A device that was removed is history, and history is not renamed."""
    device = Device.objects.create(user=user, name="Desk", revoked_at=now)

    assert not naming.rename(device, "Other")

    device.refresh_from_db()
    assert device.name == "Desk"
