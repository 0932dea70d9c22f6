"""
What a browser leaves at the old engine, it leaves here as well.

Invariant for whoever edits this: nobody is signed out for an old session that nobody signed out
of, nor where the old engine cannot be asked.
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sessions_plus.conf import conf
from sessions_plus.crypto import digest, same
from sessions_plus.models import Reason
from sessions_plus.rows import session_row
from sessions_plus.rows.columns import user_id_in
from sessions_plus.rows.session_row import Row
from sessions_plus.store import old_engine, old_tables, reading
from sessions_plus.store.admission import Refused, admit
from sessions_plus.store.adoption import Adopter, Arrival, arrive
from sessions_plus.store.copies import Copies
from sessions_plus.store.ending import end
from sessions_plus.store.kept_old_keys import digest_of_kept_key, keep_beside, kept, opened
from sessions_plus.store.presentation import Caller, KeyState
from sessions_plus.store.unwritable import apart, doing_without


def leave(
    public_id: UUID, caller: Caller, now: datetime, copies: Copies, adopter: Adopter
) -> Arrival | None:
    """
    Return what a browser goes on with that has left the old session of this one. None: it has not.

    It signed out at the old engine, or signed in there, which made its old cookie another. So it
    leaves this one as well, and whatever its old cookie names now takes its place. Whoever signed
    in there as who they are here goes on, with that one beside theirs.
    """
    if not has_left(public_id, caller, now):
        return None
    key = old_engine.cookie_in(caller.cookies or {}) or ""
    row = session_row.fetch(public_id)
    if row is not None and row.revoked_at is None:
        if isinstance(admit(row, caller, now), Refused) or _goes_on_beside(row, key):
            return None
        is_ended = False
        with doing_without():
            end(row, Reason.SIGNED_OUT, client=caller.client, now=now, copies=copies)
            is_ended = True
        if not is_ended:
            # This request is a stranger's. The cookie stays, so that the next one ends it.
            return Arrival(reading.nobody(caller, key_state=KeyState.SUPERSEDED))
    # Else another of its requests ended it, a moment ago: all go on alike.
    stranger = caller._replace(key=key, key_state=KeyState.PRESENTED)
    arrival = arrive(key, stranger, now, copies, adopter) if key else None
    has_ended = row is not None and row.user_id is not None
    return arrival or Arrival(reading.nobody(stranger, has_ended=has_ended))


def has_left(public_id: UUID, caller: Caller, now: datetime) -> bool:
    """
    Say whether a browser signed in at the old engine once more, or signed out of what it had.

    Not as long as it shows the old key of the session. Nor where nobody can be asked: the
    database may be away, and each engine has errors of its own. Then the session is read as ever.
    """
    if not old_engine.is_adopting(now) or conf.ADOPT_COOKIE_NAME is None:
        return False
    shown = old_engine.cookie_in(caller.cookies or {})
    try:
        known = digest_of_kept_key(public_id)
        if not known or (shown is not None and same(digest(shown), known)):
            return False
        with apart():
            return is_left(public_id, shown)
    except Exception:
        return False


def is_left(public_id: UUID, shown: str | None) -> bool:
    """
    Say so of a session whose browser shows another old key, or none.

    The old engine lost what it had. A cookie may be gone while its session is not: of another
    path, or forgotten by the browser. A session that nobody was signed in to, or that has expired,
    was not signed out of: then only who signed in left it. And an old engine that keeps sessions
    in cookies never loses one.
    """
    adopted = kept(public_id)
    if adopted is None or (shown and same(digest(shown), adopted.key_hash)):
        return False
    old_key = opened(adopted)
    if old_key is None or not old_engine.is_gone(old_key):
        return False
    there = old_engine.find(shown) if shown else None
    if there is not None and there.is_somebodys:
        return not there.is_acted_in  # they will be themselves again
    return adopted.is_signed_in and not old_tables.has_row(old_key)


def _goes_on_beside(row: Row, old_key: str) -> bool:
    """Let a session go on with another old one beside it, where that is of the same person."""
    there = old_engine.find(old_key)
    if there is None or row.user_id is None or user_id_in(there.data) != row.user_id:
        return False
    with doing_without():
        keep_beside(row.public_id, old_key)
    return True
