"""
What a key opens that another engine made: the session that was taken over from it.

Off the path of our own keys. An old key that was adopted once is to its session here what a
rotated key is: the one before, which is told its successor until that was seen.
"""

from __future__ import annotations

import ipaddress
import threading
from collections import OrderedDict
from datetime import datetime, timedelta
from enum import Enum, auto
from typing import NamedTuple, Protocol
from uuid import UUID

from sessions_plus.cache.copies import NOTHING
from sessions_plus.client_info import ClientInfo
from sessions_plus.conf import conf
from sessions_plus.crypto import (
    Purpose,
    context,
    digest,
    seal_under,
    unseal_under,
)
from sessions_plus.exceptions import SealBroken
from sessions_plus.models import AdoptedKey
from sessions_plus.named_types import Columns
from sessions_plus.rows import session_row
from sessions_plus.store import old_engine, old_tables, reading
from sessions_plus.store.copies import Copies
from sessions_plus.store.kept_old_keys import sealed
from sessions_plus.store.old_engine import OldSession
from sessions_plus.store.presentation import Caller, KeyState
from sessions_plus.store.presented_key import seal_successor
from sessions_plus.store.reading import Found

MISSES = 60
MISSES_COUNTED_FOR = timedelta(minutes=1)
ADDRESSES_KNOWN = 10_000


class Outcome(Enum):
    """What became of an old session that a request came with."""

    ADOPTED = auto()
    """It was taken over, by this request or by another one at the same time."""
    REFUSED = auto()
    """It names somebody who is not let in: it is over, with all that it held."""
    EMPTY = auto()
    """There is nothing in it to take over."""


class Adopter(Protocol):
    """Decides what becomes of an old session, and stores what it becomes."""

    def adopt(
        self, old: OldSession, *, client: ClientInfo | None, device_token: str | None, now: datetime
    ) -> Outcome:
        """Take it over, if it may be. Together with its ``AdoptedKey``, or not at all."""

    def meet(self, device_id: int, *, client: ClientInfo, now: datetime) -> None:
        """Write down which browser a device is whose session was taken over without one."""


class Arrival(NamedTuple):
    """What an old key opened, and the device token that its holder has to be told, or None."""

    found: Found
    device_token: str | None = None


def arrive(
    key: str, caller: Caller, now: datetime, copies: Copies, adopter: Adopter
) -> Arrival | None:
    """
    Return what a key opens that is none of ours. None: the old engine does not know it, either.

    Whoever asks for too much that is not there is a stranger for a while, and keeps their
    cookie: an address is many people's.
    """
    if caller.client is None or not old_engine.is_adopting(now) or not old_engine.may_be_key(key):
        return None
    arrival = follow(key, caller, now, copies, adopter)
    if arrival is not None:
        return arrival
    address = subject_of(caller.client.ip_address)
    if not misses.may_look_up(address, now):
        return Arrival(reading.nobody(caller, key_state=KeyState.SUPERSEDED))
    old = old_engine.read(key)
    if old is not None:
        outcome = adopter.adopt(
            old, client=caller.client, device_token=caller.device_token, now=now
        )
        if outcome is not Outcome.ADOPTED:
            is_over = outcome is Outcome.REFUSED
            return Arrival(reading.nobody(caller, has_ended=True)) if is_over else None
    # Adopted just now; or by another request, which ended the old one before we looked.
    arrival = follow(key, caller, now, copies, adopter)
    if arrival is None:
        misses.count(address, now)
    return arrival


def follow(
    key: str, caller: Caller, now: datetime, copies: Copies, adopter: Adopter
) -> Arrival | None:
    """Return what an old key opens that was adopted before; None: it was not."""
    rows = AdoptedKey.objects.using(session_row.database())
    adopted = rows.filter(key_hash=digest(key)).first()
    if adopted is None:
        return None
    # The old engine knew of no devices: its keys are sealed for none.
    unbound = caller._replace(device_token=None)
    found = reading.settle(adopted.session_public_id, None, unbound, now, NOTHING, copies)
    row = found.row
    if row is None or found.caller.key_state is not KeyState.TOLD:
        return Arrival(found)
    if row.device_id is not None and not row.user_agent and caller.client is not None:
        adopter.meet(row.device_id, client=caller.client, now=now)
    return Arrival(found, open_device_token(adopted, key))


def is_adopted(key: str) -> bool:
    """Say whether an old key was adopted before."""
    return AdoptedKey.objects.using(session_row.database()).filter(key_hash=digest(key)).exists()


def count_waiting(now: datetime) -> int | None:
    """
    Return how many old sessions have not come yet. Where they are kept, nearly.

    None: nothing is adopted, or the old engine has no table to count in.
    """
    rows = old_tables.own_rows() if old_engine.is_adopting(now) else None
    if rows is None:
        return None
    there = rows.filter(expire_date__gt=now).count()
    gone_on = AdoptedKey.objects.using(session_row.database()).exclude(sealed_old_key=b"")
    return max(0, there - gone_on.count())


def key_columns(old_key: str, new_key: str, public_id: UUID, now: datetime) -> Columns:
    """Return the columns that make an old key the one before a session's first."""
    sealed = seal_successor(new_key, under=old_key, public_id=public_id, device_token=None)
    return {
        "previous_key_hash": digest(old_key),
        "sealed_successor": sealed,
        "successor_seen": False,
        "rotated_at": now,
    }


def adopted_key(
    old: OldSession, public_id: UUID, *, device_token: str | None, now: datetime
) -> AdoptedKey:
    """Return the row that says so. Not stored yet."""
    old_key = old.key
    adopted = AdoptedKey(
        key_hash=digest(old_key),
        session_public_id=public_id,
        is_signed_in=old.is_somebodys,
        adopted_at=now,
    )
    if device_token is not None:
        adopted.sealed_device_token = seal_under(
            old_key,
            device_token.encode(),
            purpose=Purpose.SUCCESSOR,
            bound_to=_device_context(public_id),
        )
    if conf.ADOPT_KEEP_OLD:
        adopted.sealed_old_key = sealed(old_key, adopted)
    return adopted


def open_device_token(adopted: AdoptedKey, old_key: str) -> str | None:
    """Return the token of the session's device, for whoever holds the old key."""
    if not adopted.sealed_device_token:
        return None
    try:
        opened = unseal_under(
            old_key,
            bytes(adopted.sealed_device_token),
            purpose=Purpose.SUCCESSOR,
            bound_to=_device_context(adopted.session_public_id),
        )
    except SealBroken:
        return None
    return opened.decode()


def _device_context(public_id: UUID) -> bytes:
    return context("sessions_plus_adoptedkey", "sealed_device_token", public_id)


class Misses:
    """
    How many look-ups of each address found nothing lately, in this process.

    It spares the old engine. Nothing is let in or kept out by it, so it needs no database.
    """

    def __init__(self) -> None:
        self._counts: OrderedDict[str, tuple[datetime, int]] = OrderedDict()
        self._lock = threading.Lock()

    def may_look_up(self, address: str, now: datetime) -> bool:
        began, count = self._counts.get(address, (now, 0))
        return count < MISSES or now - began >= MISSES_COUNTED_FOR

    def count(self, address: str, now: datetime) -> None:
        with self._lock:
            began, count = self._counts.pop(address, (now, 0))
            if now - began >= MISSES_COUNTED_FOR:
                began, count = now, 0
            self._counts[address] = (began, count + 1)
            if len(self._counts) > ADDRESSES_KNOWN:
                self._counts.popitem(last=False)

    def forget(self) -> None:
        self._counts.clear()


misses = Misses()


def subject_of(address: str | None) -> str:
    """Return what an address is counted by: of IPv6 the first 64 bits, which one customer has."""
    try:
        parsed = ipaddress.ip_address(address or "")
    except ValueError:
        return ""
    if isinstance(parsed, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((parsed, 64), strict=False))
    return str(parsed)
