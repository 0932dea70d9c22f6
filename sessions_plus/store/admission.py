"""
May this caller go on, now? The rule, and what the answer rests on.

Values only: nothing here reads, writes or tells anybody. ``reading`` acts on the answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, auto
from typing import NamedTuple

from sessions_plus.client_info import ClientInfo
from sessions_plus.conf import conf
from sessions_plus.exceptions import SealBroken
from sessions_plus.models.session import unseal_data
from sessions_plus.named_types import SessionData
from sessions_plus.policy import Limits, Verdict, judge, touch_is_due, touch_is_near
from sessions_plus.rows import payload as payloads
from sessions_plus.rows.lifetime import limits_of, limits_of_row, may_be_touched_ahead
from sessions_plus.rows.session_row import Row
from sessions_plus.store.client_change import ClientChange, Reaction, change_to_act_on
from sessions_plus.store.presentation import Caller, Presentation
from sessions_plus.store.presented_key import Match, open_successor
from sessions_plus.store.proof import lacks_proof, shows_device_key


class Refusal(Enum):
    """Why a caller may not go on."""

    ENDED = auto()
    """It was revoked, or is of another kind than it was presented as."""
    UNPROVED = auto()
    """It is bound to a key of its browser's device, and nothing proves that key."""
    SUPERSEDED = auto()
    DEAD = auto()
    REUSED = auto()
    """The key's, as ``presented_key.Match`` tells them apart."""
    UNREADABLE = auto()
    """Its data does not open."""
    EXPIRED = auto()
    OTHER_CLIENT = auto()
    """Another client uses it, and the site ends such sessions."""


@dataclass(frozen=True, slots=True)
class Refused:
    """The caller is a stranger. ``verdict`` and ``change`` say more where they are the reason."""

    why: Refusal
    verdict: Verdict = Verdict.ALIVE
    change: ClientChange | None = None


@dataclass(frozen=True, slots=True)
class Admitted:
    """
    The caller goes on.

    ``successor``
        the key that it goes on under where it presented the one before.
    ``change``
        of client, to be written down.
    ``is_touch_due``
        whether its activity has to be written.
    """

    opened: Opened
    successor: str | None
    change: ClientChange | None
    is_touch_due: bool


class Opened(NamedTuple):
    """A row's data: the bytes, and the dictionary that they are of."""

    payload: bytes
    data: SessionData


def admit(row: Row, caller: Caller, now: datetime) -> Refused | Admitted:
    """
    Say whether whoever presents this may use the row, as it was just read.

    A proof of its device key is asked for before the key is looked at: whoever lacks it is
    told no key, accused of nothing, and renews nothing.
    """
    if row.revoked_at is not None or not caller.presentation.opens(row):
        return Refused(Refusal.ENDED)
    if lacks_proof(row, caller.presentation, caller.cookies, now) and not caller.is_excused:
        return Refused(Refusal.UNPROVED)
    found, successor = _match(row, caller, now)
    if found is not Match.CURRENT and successor is None:
        return Refused(_REFUSED[found])
    opened = open_data(row)
    if opened is None:
        return Refused(Refusal.UNREADABLE)
    limits = limits_of(
        user_id=row.user_id, data=opened.data, kind=row.kind, auth_methods=row.auth_methods
    )
    verdict = _verdict(row, limits, now)
    if verdict is not Verdict.ALIVE:
        return Refused(Refusal.EXPIRED, verdict=verdict)
    change = change_to_act_on(row, caller.client, now)
    if change is not None and change.reaction is Reaction.REVOKE:
        return Refused(Refusal.OTHER_CLIENT, change=change)
    return Admitted(opened, successor, change, _touch_is_due(row, limits, now))


_REFUSED = {
    Match.SUPERSEDED: Refusal.SUPERSEDED,
    Match.DEAD: Refusal.DEAD,
    Match.REUSED: Refusal.REUSED,
}


def _match(row: Row, caller: Caller, now: datetime) -> tuple[Match, str | None]:
    """Return what the presented key is, and the one that followed it if the caller may know it."""
    found, successor = caller.presentation.match(row, caller.key, now=now), None
    if found is Match.PREDECESSOR:
        successor = open_successor(row, under=caller.key, device_token=caller.device_token)
        found = found if successor is not None else Match.REUSED
    if found is Match.REUSED and caller.client is None:
        # A program that kept an old key (a task, a socket) is no thief: only who came with a
        # request can give a session away.
        found = Match.SUPERSEDED
    return found, successor


def open_data(row: Row) -> Opened | None:
    """Return what the row holds; None where it does not open."""
    try:
        payload = unseal_data(row.data, row.public_id, row.user_id)
        return Opened(payload, payloads.decode(payload))
    except (SealBroken, payloads.Undecodable):
        return None


def serves(
    copy: Row,
    presentation: Presentation,
    key: str,
    client: ClientInfo | None,
    now: datetime,
    *,
    cookies: Mapping[str, str] | None,
) -> bool:
    """Say whether a copy serves as it is, without asking the database."""
    if not presentation.is_current(copy, key):
        return False
    if presentation.proves_successor and not copy.successor_seen:
        return False
    if copy.device_key_id is not None and (
        lacks_proof(copy, presentation, cookies, now) or shows_device_key(copy, cookies, now)
    ):
        return False
    if change_to_act_on(copy, client, now) is not None:
        return False
    limits = limits_of_row(copy)
    return not _touch_is_due(copy, limits, now) and _verdict(copy, limits, now) is Verdict.ALIVE


def is_touched_ahead(copy: Row, now: datetime) -> bool:
    """Say whether the lease of a copy that serves is renewed once its caller was answered."""
    limits = limits_of_row(copy)
    return may_be_touched_ahead(copy, limits) and touch_is_near(
        last_activity=copy.last_activity, now=now, interval=conf.ACTIVITY_INTERVAL, limits=limits
    )


def may_renew(copy: Row, caller: Caller, now: datetime) -> bool:
    """Say whether one UPDATE that proves its row may renew the lease of a copy."""
    return (
        caller.presentation.is_current(copy, caller.key)
        and not lacks_proof(copy, caller.presentation, caller.cookies, now)
        and change_to_act_on(copy, caller.client, now) is None
        and _verdict(copy, limits_of_row(copy), now) is Verdict.ALIVE
    )


def is_within_limits(row: Row, now: datetime) -> bool:
    """Say whether a row whose data is open has reached neither of its limits."""
    return _verdict(row, limits_of_row(row), now) is Verdict.ALIVE


def _verdict(row: Row, limits: Limits, now: datetime) -> Verdict:
    return judge(started_at=row.started_at, last_activity=row.last_activity, now=now, limits=limits)


def _touch_is_due(row: Row, limits: Limits, now: datetime) -> bool:
    return touch_is_due(
        last_activity=row.last_activity,
        now=now,
        interval=conf.ACTIVITY_INTERVAL,
        limits=limits,
    )
