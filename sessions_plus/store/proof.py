"""
Whether a request proves the device key that its session is bound to (DBSC). Values, no I/O.

A session that is bound to none costs one comparison here.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from sessions_plus.device_proof.proof_cookie import proves
from sessions_plus.device_proof.rule import must_prove
from sessions_plus.rows.session_row import Row
from sessions_plus.store.presentation import Presentation


def lacks_proof(
    row: Row, presentation: Presentation, cookies: Mapping[str, str] | None, now: datetime
) -> bool:
    """Say whether a proof of the session's device key is asked for, and none came along."""
    if row.device_key_id is None or not presentation.needs_proof:
        return False
    is_asked_for = must_prove(
        device_key_id=row.device_key_id,
        bound_at=row.device_key_at,
        is_seen=row.device_key_seen,
        now=now,
    )
    return is_asked_for and not has_proof(row, cookies, now)


def has_proof(row: Row, cookies: Mapping[str, str] | None, now: datetime) -> bool:
    """Say whether a good proof of the session's device key came along."""
    key = row.device_key_id
    if key is None:
        return False
    return proves(cookies, row.public_id.bytes, key.bytes, now.timestamp())


def shows_device_key(row: Row, cookies: Mapping[str, str] | None, now: datetime) -> bool:
    """Say whether the proof of a session that was just bound came for the first time."""
    return not row.device_key_seen and has_proof(row, cookies, now)
