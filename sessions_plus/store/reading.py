"""
The database's part of a read: which row a key opens, and what follows where it opens none.

Invariant for whoever edits this: a request is authorised only by a copy younger than
the activity interval, or by the row itself; and no database error becomes "no session".
"""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from sessions_plus.cache.copies import Recalled
from sessions_plus.models.session import Session
from sessions_plus.named_types import Arguments, SessionData
from sessions_plus.rows import payload as payloads
from sessions_plus.rows import session_row
from sessions_plus.rows.device_binding import DeviceBinding, binding_of
from sessions_plus.rows.session_row import Row
from sessions_plus.rows.user_state import why_gone
from sessions_plus.signals import client_changed, data_unreadable, device_key_missing, key_reused
from sessions_plus.store import lease
from sessions_plus.store.admission import Admitted, Refusal, Refused, admit, may_renew
from sessions_plus.store.client_change import ClientChange, Reaction
from sessions_plus.store.copies import Copies
from sessions_plus.store.ending import end_with_its_user, expire
from sessions_plus.store.lease import Written
from sessions_plus.store.presentation import Caller, KeyState
from sessions_plus.store.proof import shows_device_key
from sessions_plus.store.unwritable import apart

# A row that changes between reading and touching it is read again. Only a rotation is
# followed by one that lives, and no two of them are this close.
SETTLE_ATTEMPTS = 3


class Found(NamedTuple):
    """
    What a read came to.

    ``row``, ``data``
        what the request goes on with; None and empty where it is nobody's.
    ``caller``
        under which key, and where that comes from.
    ``is_touched``
        activity was recorded.
    ``owes_activity``
        it is to be recorded once the view's transaction is over.
    ``has_ended``
        the key was of somebody's session that has ended, now or before.
    ``unproved``
        the device key whose proof did not come along; None where none was asked for.
    ``has_shown_key``
        the first proof since the session was bound came along.
    """

    row: Row | None
    data: SessionData
    caller: Caller
    is_touched: bool = False
    owes_activity: bool = False
    has_ended: bool = False
    unproved: UUID | None = None
    has_shown_key: bool = False


def settle(
    public_id: UUID,
    copy: Row | None,
    caller: Caller,
    now: datetime,
    recalled: Recalled,
    copies: Copies,
) -> Found:
    """
    Find out with the database whether the session lives, and renew its lease.

    A copy saves reading the row where one UPDATE can prove that it lives. Where none can be
    made, the row that was read is the proof, and the session goes on unrenewed.
    """
    has_shown_key = copy is not None and shows_device_key(copy, caller.cookies, now)
    written = _renew_copy(copy, caller, now)
    if copy is not None and written is Written.YES:
        copies.keep(copy, recalled)
        data = payloads.decode(copy.payload)
        return Found(copy, data, caller, is_touched=True, has_shown_key=has_shown_key)
    before = copy if written is not None else None
    for _ in range(SETTLE_ATTEMPTS):
        row = session_row.fetch(public_id)
        if row is None:
            return nobody(caller)
        caller, answer = _answer(row, caller, now)
        if isinstance(answer, Refused):
            return _act_on_refusal(row, answer, caller, now, copies)
        row.payload = answer.opened.payload
        if answer.successor is not None:
            caller = caller._replace(key=answer.successor, key_state=KeyState.TOLD)
        can_write = before is None or _has_moved(before, row)
        found = _go_on(row, answer, caller, now, recalled, copies, can_write=can_write)
        if found is not None:
            return found
        if end_with_its_user(row, client=caller.client):
            return nobody(caller, has_ended=True)
        before = row
    # It changes all the time, so it lives: take no cookie away.
    return nobody(caller, key_state=KeyState.SUPERSEDED)


def _answer(row: Row, caller: Caller, now: datetime) -> tuple[Caller, Admitted | Refused]:
    """Ask the rule; excuse a proof where the site only looks at what would be refused."""
    answer = admit(row, caller, now)
    if not isinstance(answer, Refused) or answer.why is not Refusal.UNPROVED:
        return caller, answer
    binding = binding_of(row.user_id)
    if binding is not DeviceBinding.OFF:
        facts = {"is_refused": binding is DeviceBinding.ENFORCE, "client": caller.client}
        with apart():
            device_key_missing.send_robust(sender=Session, row=row, **facts)
    if binding is DeviceBinding.ENFORCE:
        return caller, answer
    caller = caller._replace(is_excused=True)
    return caller, admit(row, caller, now)


def _renew_copy(copy: Row | None, caller: Caller, now: datetime) -> Written | None:
    """Renew the lease of a row that is known from its copy. None where that was not tried."""
    if (
        copy is None
        or not lease.is_activity(copy, caller)
        or session_row.in_transaction()
        or not may_renew(copy, caller, now)
    ):
        return None
    return lease.renew(copy, caller, now, version=copy.version)


def _has_moved(before: Row, row: Row) -> bool:
    """
    Say whether a row is another than the one that nothing could be written to.

    If it is not, somebody has locked it, or the database takes no writes.
    """
    return (before.version, before.last_activity, before.key_hash) != (
        row.version,
        row.last_activity,
        row.key_hash,
    )


def nobody(
    caller: Caller, *, key_state: KeyState = KeyState.PRESENTED, has_ended: bool = False
) -> Found:
    """Return what a caller goes on with for whom there is no session."""
    return Found(None, {}, caller._replace(key_state=key_state), has_ended=has_ended)


def _act_on_refusal(
    row: Row, refused: Refused, caller: Caller, now: datetime, copies: Copies
) -> Found:
    """
    Do and tell what follows from a refusal: the only place that does.

    What the database does not take then, it does not: the caller is a stranger all the same.
    """
    with apart():
        return _follow_up(row, refused, caller, now, copies)


def _follow_up(row: Row, refused: Refused, caller: Caller, now: datetime, copies: Copies) -> Found:
    if refused.why is Refusal.UNPROVED:
        # Nothing is done to the session: its browser goes on with it.
        unproved = nobody(caller, key_state=KeyState.UNPROVED)
        return unproved._replace(unproved=row.device_key_id)
    is_superseded = refused.why is Refusal.SUPERSEDED
    facts: Arguments = {"sender": Session, "row": row, "client": caller.client}
    if refused.why is Refusal.REUSED:
        key_reused.send_robust(**facts)
    elif refused.why is Refusal.UNREADABLE:
        data_unreadable.send_robust(**facts)
    elif refused.why is Refusal.OTHER_CLIENT:
        client_changed.send_robust(change=refused.change, **facts)
    elif refused.why is Refusal.EXPIRED:
        is_superseded = not expire(
            row, refused.verdict, client=caller.client, now=now, copies=copies
        )
    if is_superseded:
        # Requests that were under way with a superseded key are strangers, but must not
        # take the new cookie away from the browser.
        return nobody(caller, key_state=KeyState.SUPERSEDED)
    return nobody(caller, has_ended=row.user_id is not None)


def _go_on(
    row: Row,
    admitted: Admitted,
    caller: Caller,
    now: datetime,
    recalled: Recalled,
    copies: Copies,
    *,
    can_write: bool,
) -> Found | None:
    """Renew the lease of an admitted row where that is due. None where the row moved on."""
    found = Found(row, admitted.opened.data, caller)
    if admitted.change is not None:
        return _go_on_as_another_client(found, admitted.change, now, copies, can_write=can_write)
    has_news = lease.has_news_of_key(row, caller, now)
    if not has_news and not admitted.is_touch_due:
        copies.keep(row, recalled)
        return found
    has_shown_key = shows_device_key(row, caller.cookies, now)
    is_activity = lease.is_activity(row, caller)
    is_to_write = can_write and (has_news or is_activity)
    if not is_to_write or session_row.in_transaction():
        # A write in there would keep the row locked as long as the view takes.
        return found._replace(owes_activity=is_to_write) if _is_of_a_living_user(row) else None
    written = lease.renew(row, caller, now)
    if written is Written.REFUSED:
        return found if _is_of_a_living_user(row) else None
    if written is Written.NO:
        return None
    copies.keep(row, recalled)
    return found._replace(is_touched=is_activity, has_shown_key=has_shown_key)


def _is_of_a_living_user(row: Row) -> bool:
    """Prove a row that was just read without writing: for a request that renews no lease."""
    return all(why_gone(user_id) is None for user_id in row.people)


def _go_on_as_another_client(
    found: Found, change: ClientChange, now: datetime, copies: Copies, *, can_write: bool
) -> Found | None:
    row, caller = found.row, found.caller
    if row is None:
        return None
    written = Written.REFUSED
    if can_write:
        written = lease.record_client_change(row, change, caller, now)
    if written is Written.REFUSED:
        # For this request alone: the next finds the same again.
        row.take(change.columns(now))
        return found if _is_of_a_living_user(row) else None
    if written is Written.NO:
        return None
    copies.written(row)
    client_changed.send_robust(sender=Session, row=row, change=change, client=caller.client)
    is_touched = change.reaction is Reaction.RECORD and not caller.is_passive
    return found._replace(is_touched=is_touched)
