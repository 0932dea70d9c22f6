"""
A row as a cache entry: sealed bytes, bound to the session they are of.

An entry that is forged, cut, foreign or of another release is no entry: it is read
as a miss.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib.auth import get_user_model

from sessions_plus.backends.rows import ATTRIBUTES, Row
from sessions_plus.crypto import Purpose, context, seal, unseal
from sessions_plus.exceptions import SealBroken

LAYOUT = 1
SEPARATOR = b"\n"  # JSON without indentation has none
MOMENTS = ("rotated_at", "created_at", "authenticated_at", "reauthenticated_at",
           "last_activity", "expire_date", "revoked_at")  # fmt: skip
LEFT_OUT = ("data", "sealed_successor", "public_id")
HEAD = tuple(name for name in ATTRIBUTES if name not in LEFT_OUT)
_POSITIONS = tuple(HEAD.index(name) for name in MOMENTS)
_USER = HEAD.index("user_id")


def encode(row: Row, *, proven_at: float) -> bytes:
    """
    Return the sealed copy of a row whose data is open.

    ``proven_at`` is a Unix time at which the row was not yet read: it lived then or later.
    """
    head: list[Any] = [getattr(row, name) for name in HEAD]
    for position in _POSITIONS:
        head[position] = _to_number(head[position])
    if head[_USER] is not None:
        head[_USER] = str(head[_USER])
    whole = json.dumps([LAYOUT, proven_at, head]).encode() + SEPARATOR + (row.payload or b"")
    return seal(whole, purpose=Purpose.CACHE_ENTRY, bound_to=_context(row.public_id))


def decode(envelope: bytes, public_id: UUID, *, proven_since: float = 0.0) -> Row | None:
    """
    Return the row that an entry is a copy of.

    None where the entry is none of ours, or was proven before ``proven_since``.
    """
    try:
        whole = unseal(envelope, purpose=Purpose.CACHE_ENTRY, bound_to=_context(public_id))
    except SealBroken:
        return None
    front, _, payload = whole.partition(SEPARATOR)
    layout, *content = json.loads(front)
    if layout != LAYOUT:
        return None
    proven_at, head = content
    if proven_at < proven_since:
        return None
    for position in _POSITIONS:
        head[position] = _to_moment(head[position])
    if head[_USER] is not None:
        head[_USER] = _user_pk_parser()(head[_USER])
    facts = dict(zip(HEAD, head, strict=True))
    return Row(**facts, public_id=public_id, data=b"", sealed_successor=None, payload=payload)


def _context(public_id: UUID) -> bytes:
    return context("sessions_plus_session", "entry", public_id)


def _to_number(moment: datetime | None) -> float | None:
    return None if moment is None else moment.timestamp()


def _to_moment(number: float | None) -> datetime | None:
    return (
        None
        if number is None
        else datetime.fromtimestamp(number, tz=UTC if settings.USE_TZ else None)
    )


def _user_pk_parser() -> Callable[[str], Any]:
    return get_user_model()._meta.pk.to_python
