"""
How a session is named, and what makes it the caller's: its key, or the word of who named it.

Values, no I/O. A store has one presentation and keeps it, but for a socket's; the key changes, and
``KeyState`` says where the one comes from that a request goes on under.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, auto
from typing import NamedTuple, Protocol

from sessions_plus.client_info import ClientInfo
from sessions_plus.conf import conf
from sessions_plus.crypto import digest, same
from sessions_plus.models.session import Kind
from sessions_plus.rows.session_row import Row
from sessions_plus.store.presented_key import Match, match


class KeyState(Enum):
    """Where the key comes from that a request goes on under."""

    PRESENTED = auto()
    """It came with the request."""
    FRESH = auto()
    """This request made it, and nobody else ever held it."""
    ROTATED = auto()
    """This request made it for a key in use: whoever holds that one is told it, too."""
    TOLD = auto()
    """The key that came was the one before; the row told its successor."""
    SUPERSEDED = auto()
    """
    Another request replaced it a moment ago.

    The cookie is the other's to set: this one must neither set nor delete it.
    """
    UNPROVED = auto()
    """
    The session is bound to a key of the browser's device, and no proof of it came along.

    The request is a stranger's. The browser that can prove it goes on with its cookie.
    """

    @property
    def is_new(self) -> bool:
        """Whether the browser has yet to be told of the key."""
        return self in _NEW

    @property
    def is_anothers(self) -> bool:
        """Whether the cookie that came is not for this request to set or to delete."""
        return self in _ANOTHERS


_ANOTHERS = (KeyState.SUPERSEDED, KeyState.UNPROVED)
_NEW = (KeyState.FRESH, KeyState.ROTATED, KeyState.TOLD)


class Presentation(Protocol):
    """A way to present a session."""

    @property
    def kind(self) -> Kind | None:
        """
        The only kind of session that it opens: no cookie refreshes, no token is a cookie.

        None: either.
        """

    @property
    def proves_successor(self) -> bool:
        """Whether it shows that the newest key has arrived."""

    @property
    def needs_proof(self) -> bool:
        """Whether it opens a session that is bound to a device key with a proof only."""

    @property
    def can_be_told_key(self) -> bool:
        """Whether whoever uses it can be told a new key of the session."""

    def opens(self, row: Row) -> bool:
        """Say whether it opens sessions of this kind."""

    def is_current(self, row: Row, key: str) -> bool:
        """Say whether the row is the caller's as it stands."""

    def match(self, row: Row, key: str, *, now: datetime) -> Match:
        """Say what the key is to a row of this kind."""


@dataclass(frozen=True, slots=True)
class ByKey:
    """The caller holds the session's key, as a cookie or as a refresh token."""

    kind: Kind
    proves_successor: bool = True
    needs_proof: bool = True
    can_be_told_key: bool = True

    def opens(self, row: Row) -> bool:
        return row.kind == self.kind

    def is_current(self, row: Row, key: str) -> bool:
        return self.opens(row) and holds(row, key)

    def match(self, row: Row, key: str, *, now: datetime) -> Match:
        return match(row, digest(key), now=now, grace_period=conf.ROTATION_GRACE_PERIOD)


@dataclass(frozen=True, slots=True)
class ByName:
    """
    The caller named the session and has no key of it: what stands for one is the name.

    Either an access token that was verified says so, or code of the site's own.
    """

    kind: Kind | None
    can_be_told_key: bool
    needs_proof: bool = False  # no cookie named it, so there is none to prove
    proves_successor: bool = False  # whether the newest key arrived, it cannot tell

    def opens(self, row: Row) -> bool:
        return self.kind is None or row.kind == self.kind

    def is_current(self, row: Row, key: str) -> bool:
        return self.opens(row)

    def match(self, row: Row, key: str, *, now: datetime) -> Match:
        return Match.CURRENT


SESSION_KEY = ByKey(Kind.BROWSER)
REFRESH_TOKEN = ByKey(Kind.API)
ACCESS_TOKEN = ByName(Kind.API, can_be_told_key=True)
PUBLIC_ID = ByName(None, can_be_told_key=False)
SOCKET = ByName(Kind.BROWSER, can_be_told_key=False)


def holds(row: Row, key: str) -> bool:
    """Say whether the row's current key is this very one."""
    return same(row.key_hash, digest(key))


class Caller(NamedTuple):
    """
    Who uses a session, and under which key.

    ``client`` is None for a program without a request. ``is_passive`` says that the request
    is no activity. ``cookies`` may hold a proof of the session's device key; ``is_excused``:
    the site asks for none (yet).
    """

    presentation: Presentation
    key: str
    key_state: KeyState
    client: ClientInfo | None
    device_token: str | None
    is_passive: bool
    cookies: Mapping[str, str] | None = None
    is_excused: bool = False

    def __repr__(self) -> str:
        """Without its secrets: it stands in every frame of an error report."""
        return f"<Caller by {type(self.presentation).__name__}, {self.key_state}>"
