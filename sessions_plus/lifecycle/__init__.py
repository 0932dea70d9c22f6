"""How sessions end on purpose, change their keys, and are limited in number."""

from sessions_plus.lifecycle.ending import Revocation
from sessions_plus.lifecycle.opening import aopen_session, open_session
from sessions_plus.lifecycle.passwords import keep_other_sessions
from sessions_plus.lifecycle.revocation import (
    arevoke,
    arevoke_all,
    arevoke_others,
    revoke,
    revoke_all,
    revoke_everybody,
    revoke_matching,
    revoke_others,
    revoke_selected,
)

__all__ = [
    "Revocation",
    "aopen_session",
    "arevoke",
    "arevoke_all",
    "arevoke_others",
    "keep_other_sessions",
    "open_session",
    "revoke",
    "revoke_all",
    "revoke_everybody",
    "revoke_matching",
    "revoke_others",
    "revoke_selected",
]
