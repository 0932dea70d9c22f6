"""How long a signed-in session still goes on, for pages and programs that want to warn in time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sessions_plus.moments import in_utc
from sessions_plus.store.session_store import SessionStore


@dataclass(frozen=True, slots=True)
class Remaining:
    """
    When a session ends unless it is used again.

    ``can_stay`` says whether using it would move that end; at its absolute lifetime
    only signing in again helps.
    """

    ends_at: datetime
    seconds: int
    can_stay: bool

    def as_dict(self) -> dict[str, object]:
        """``{"ends_at": "2030-01-02T03:04:05+00:00", "seconds": 840, "can_stay": true}``"""
        return {
            "ends_at": in_utc(self.ends_at).isoformat(timespec="seconds"),
            "seconds": self.seconds,
            "can_stay": self.can_stay,
        }


def remaining_of(session: object, *, now: datetime) -> Remaining | None:
    """Return how long a session goes on; None where nobody is signed in."""
    if not isinstance(session, SessionStore):
        return None
    ends_at, absolute_end = session.ends_at, session.absolute_ends_at
    if ends_at is None or session.row is None or session.row.user_id is None:
        return None
    return Remaining(
        ends_at=ends_at,
        seconds=max(0, int((ends_at - now).total_seconds())),
        can_stay=absolute_end is None or ends_at < absolute_end,
    )
