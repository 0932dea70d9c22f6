"""The name by which a browser means one of its device-bound sessions."""

from __future__ import annotations

from uuid import UUID

from sessions_plus.crypto import Purpose, tag, tag_is_ours
from sessions_plus.device_proof.spelling import read, spell

ID_BYTES = 16
TAG_BYTES = 9


def identifier_of(device_key_id: UUID) -> str:
    """Return the ``session_identifier`` of a device key: it grants nothing."""
    made = tag(device_key_id.bytes, purpose=Purpose.DEVICE_KEY_NAME, size=TAG_BYTES)
    return spell(device_key_id.bytes + made)


def read_identifier(text: str | None) -> UUID | None:
    """Return the device key that is meant; None where we never named one so. No I/O."""
    whole = read(text, length=ID_BYTES + TAG_BYTES) if text else None
    if whole is None:
        return None
    name, given = whole[:ID_BYTES], whole[ID_BYTES:]
    if not tag_is_ours(name, given, purpose=Purpose.DEVICE_KEY_NAME):
        return None
    return UUID(bytes=name)
