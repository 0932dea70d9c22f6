"""
Whether a request comes from another client than its session is known by, and what follows.

Rules of values and settings, no I/O. What tells clients apart is what a browser says of
itself, so this finds the careless thief of a cookie, and is no proof of anything. An
update is no change: only the family of browser and system counts, and of an address
its network (/24 or /48).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum

from sessions_plus.client_info import ClientInfo
from sessions_plus.client_info.ip_address import apply_privacy
from sessions_plus.conf import conf
from sessions_plus.models.session import Kind
from sessions_plus.models.text import was_kept_as
from sessions_plus.named_types import Columns
from sessions_plus.rows.session_row import Row


class Reaction(IntEnum):
    """What a change of client leads to, the strictest last."""

    IGNORE = 0
    RECORD = 1
    REAUTHENTICATE = 2
    REVOKE = 3

    @classmethod
    def named(cls, name: str) -> Reaction:
        """Return the reaction of a setting's value; a typing error (a check reports it) records."""
        return cls.__members__.get(name.upper(), cls.RECORD)


@dataclass(frozen=True, slots=True)
class ClientChange:
    """What is different (``("browser", "network")``), and what follows."""

    what: tuple[str, ...]
    reaction: Reaction

    def columns(self, now: datetime) -> Columns:
        """Return what the row has to remember of it."""
        return {
            "client_changed_at": now,
            "must_reauthenticate": self.reaction is Reaction.REAUTHENTICATE,
        }


def differences(row: Row, client: ClientInfo | None) -> tuple[str, ...]:
    """
    Return in what the client differs from the session's, as far as that is not ignored.

    Costs one comparison for the client of before. What was never known differs from
    nothing: a session that was made without a request has no client yet.
    """
    if client is None or row.user_id is None:
        return ()
    found: tuple[str, ...] = ()
    if row.user_agent and not client.says_it_is(row.user_agent) and conf.CLIENT_CHANGE != "ignore":
        agent = client.agent
        pairs = (("browser", row.browser, agent.browser), ("system", row.system, agent.system))
        found = tuple(name for name, known, shown in pairs if not was_kept_as(shown, known))
    if conf.NETWORK_CHANGE != "ignore" and _network_differs(row, client):
        found = (*found, "network")
    return found


def change_to_act_on(row: Row, client: ClientInfo | None, now: datetime) -> ClientChange | None:
    """
    Return the change of client that this request has to act on; None where there is none.

    A change that is only recorded is so once per activity interval, and until then the
    session keeps the client that it is known by: clients that take turns fill no table.
    One that has led to a re-authentication leads to no second one.
    """
    what = differences(row, client)
    if not what or row.must_reauthenticate:
        return None
    reaction = max(_reaction_to(name, row) for name in what)
    if reaction is Reaction.RECORD and _was_recorded_lately(row, now):
        return None
    return ClientChange(what, reaction)


def _reaction_to(what: str, row: Row) -> Reaction:
    chosen = Reaction.named(conf.NETWORK_CHANGE if what == "network" else conf.CLIENT_CHANGE)
    if chosen is Reaction.REAUTHENTICATE and row.kind == Kind.API:
        return Reaction.REVOKE  # a program has no page to do it on: it signs in again
    return chosen


def _was_recorded_lately(row: Row, now: datetime) -> bool:
    changed_at = row.client_changed_at
    return changed_at is not None and now - changed_at < conf.ACTIVITY_INTERVAL


def _network_differs(row: Row, client: ClientInfo) -> bool:
    if client.stored_ip_address == row.ip_address:
        return False
    known = apply_privacy(row.ip_address, "truncated")
    # Of the full address: what may be stored of it may be nothing.
    shown = apply_privacy(client.ip_address, "truncated")
    return known is not None and shown is not None and known != shown
