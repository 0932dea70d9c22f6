"""
The fast path: whether a copy alone shows that this request needs nothing more.

Most requests find their session as the last one left it: same key, same browser, no
activity to write, no limit reached, no key to rotate. All that is worked out once,
when the copy is stored, and comes down to a moment until which it holds. Whatever is
not decided here is judged by the row, in full: the fast path lets nothing in that the
row would not.
"""

from __future__ import annotations

from typing import NamedTuple
from zlib import crc32

from django.conf import settings

from sessions_plus.client_info import ClientInfo
from sessions_plus.conf import conf
from sessions_plus.crypto import has_digest
from sessions_plus.models.session import Kind
from sessions_plus.policy import TOUCHED_AHEAD_FROM, between_touches, expires_at
from sessions_plus.rows.lifetime import limits_of_row, may_be_touched_ahead
from sessions_plus.rows.session_row import Row

NEVER = (0.0, 0.0, 0.0)
UNBOUND = bytes(16)


class FastPath(NamedTuple):
    """
    What most requests need to know of a session.

    ``after``, ``until``
        Unix times between which, both left out, nothing has to be judged, nor written before
        the response.
    ``near``
        the Unix time from which on activity is recorded after it; ``until``, where it never is.
    ``settings_stamp``
        of the settings that this was worked out with.
    ``key_digest``
        SHA-256 of the current key.
    ``device_key``
        the public id of the key that the session is bound to, or ``UNBOUND``: whether its
        proof came along is for the store to say.
    ``user_agent``
        the one that the session is known by; empty where any will do.
    """

    after: float
    near: float
    until: float
    settings_stamp: int
    is_of_browser: bool
    key_digest: bytes
    device_key: bytes
    user_agent: str

    def suffices(
        self, key: str, client: ClientInfo | None, *, is_browser: bool, now: float
    ) -> bool:
        """Say whether whoever has that key may go on, without a look at the row."""
        return (
            self.after < now < self.until
            and has_digest(key, self.key_digest)
            and self.is_of_browser is is_browser
            and self.settings_stamp == settings_stamp()
            and (client is None or not self.user_agent or client.says_it_is(self.user_agent))
        )


def of(row: Row) -> FastPath:
    """Return what a copy of ``row`` shows."""
    after, near, until = _window(row)
    knows_agent = row.user_id is not None and conf.CLIENT_CHANGE != "ignore"
    return FastPath(
        after,
        near,
        until,
        settings_stamp(),
        row.kind == Kind.BROWSER,
        bytes.fromhex(row.key_hash),
        UNBOUND if row.device_key_id is None else row.device_key_id.bytes,
        row.user_agent if knows_agent else "",
    )


def settings_stamp() -> int:
    """Return a number that differs where other settings are in force than those of a copy."""
    return conf.derived("stamp", _stamp)


def _stamp() -> int:
    # Every setting that `of` reads, and so every one that `admission.serves` does.
    values = (
        settings.SESSION_COOKIE_AGE,
        conf.ACTIVITY_INTERVAL,
        conf.IDLE_TIMEOUT,
        conf.ABSOLUTE_LIFETIME,
        conf.ANONYMOUS_LIFETIME,
        conf.REFRESH_IDLE_TIMEOUT,
        conf.REFRESH_LIFETIME,
        conf.ROTATION_INTERVAL,
        conf.LIMITS is None,
        conf.CLIENT_CHANGE,
        conf.NETWORK_CHANGE,
        conf.ADOPT_KEEP_OLD,
    )
    return crc32(repr(values).encode())


def _asks_each_request() -> bool:
    """Say whether something has to be asked that no copy tells: of the site, or an old engine."""
    return conf.LIMITS is not None or conf.NETWORK_CHANGE != "ignore" or conf.ADOPT_KEEP_OLD


def _window(row: Row) -> tuple[float, float, float]:
    """
    Return from when on, and until when, nothing is to be done before a session serves.

    Between them, from when on its activity is near. Never, where the site is to be asked.
    """
    if conf.derived("asks each request", _asks_each_request):
        return NEVER
    if not row.successor_seen or not row.device_key_seen:
        return NEVER
    limits = row.limits or limits_of_row(row)
    pause = between_touches(conf.ACTIVITY_INTERVAL, limits)
    end = min(
        row.last_activity + pause,
        expires_at(started_at=row.started_at, last_activity=row.last_activity, limits=limits),
    ).timestamp()
    if row.user_id is not None and conf.ROTATION_INTERVAL is not None:
        key_is_of = row.rotated_at or row.started_at
        end = min(end, key_is_of.timestamp() + conf.ROTATION_INTERVAL.total_seconds())
    near = end
    if may_be_touched_ahead(row, limits):
        near = min(end, (row.last_activity + pause * TOUCHED_AHEAD_FROM).timestamp())
    return (row.last_activity - pause).timestamp(), near, end
