"""What people call their devices."""

from __future__ import annotations

from typing import TYPE_CHECKING

from asgiref.sync import sync_to_async

from sessions_plus.events import record
from sessions_plus.models import Device, Event
from sessions_plus.rows import session_row

if TYPE_CHECKING:
    from sessions_plus.client_info import ClientInfo

MAX_NAME_LENGTH = 100


def clean_name(text: str) -> str:
    """
    Return a name as one printable line.

    Whatever does not print goes: line breaks would forge lines in a mail, and
    bidirectional overrides would let one device look like another.
    """
    printable = "".join(sign if sign.isprintable() else " " for sign in text)
    return " ".join(printable.split())[:MAX_NAME_LENGTH].rstrip()


def rename(device: Device, name: str, *, client: ClientInfo | None = None) -> bool:
    """
    Call ``device`` by ``name`` from now on; "" names it after browser and system again.

    Return False where nothing changed: that was its name, or it was removed.
    """
    name = clean_name(name)
    devices = Device.objects.using(session_row.database()).active().filter(pk=device.pk)
    if not devices.exclude(name=name).update(name=name):
        return False
    device.name = name
    record(Event.DEVICE_RENAMED, user_id=device.user_id, device=device, client=client)
    return True


async def arename(device: Device, name: str, *, client: ClientInfo | None = None) -> bool:
    """See rename()."""
    return await sync_to_async(rename)(device, name, client=client)
