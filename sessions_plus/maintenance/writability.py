"""Whether what sessions need can be written, found out by writing it."""

from __future__ import annotations

import secrets
from contextlib import nullcontext
from datetime import timedelta

from django.db import DatabaseError, connections, transaction
from django.utils import timezone

from sessions_plus.cache import slots
from sessions_plus.cache.tier import Tier
from sessions_plus.keys import new_public_id
from sessions_plus.maintenance.lock_timeout import waiting_at_most
from sessions_plus.models.session import Kind
from sessions_plus.rows import session_row
from sessions_plus.rows.columns import EMPTY_ROW

# As much as makes a database ask for room on its disk: random, so that nothing packs it.
PROBE_BYTES = 64 * 1024
LONGEST_LOCK = timedelta(seconds=2)

PROBE_SECONDS = 60.0


def database_refusal() -> str | None:
    """
    Return why the database takes no session, or None where it does.

    A row is stored and removed again in one transaction, which nobody else sees: what is
    read-only refuses it, and so does a full disk as far as a statement can tell.
    """
    alias, public_id = session_row.database(), new_public_id()
    is_postgresql = connections[alias].vendor == "postgresql"
    try:
        with transaction.atomic(using=alias):
            with waiting_at_most(LONGEST_LOCK, using=alias) if is_postgresql else nullcontext():
                session_row.insert(_probe(public_id))
            session_row.remove(public_id)
    except DatabaseError as error:
        return str(error).strip().partition("\n")[0]
    return None


def _probe(public_id: object) -> dict[str, object]:
    now = timezone.now()
    return {
        **EMPTY_ROW,
        "public_id": public_id,
        "kind": Kind.BROWSER,
        "key_hash": "",
        "data": secrets.token_bytes(PROBE_BYTES),
        "created_at": now,
        "last_activity": now,
        "expire_date": now,
    }


def cache_refusal(tier: Tier) -> str | None:
    """
    Return why the cache does not serve sessions, or None where it does.

    Under the name of a session that is not there goes whatever stands at one's slot in
    turn: a reservation, a copy, a tombstone.
    """
    driver, name = tier.driver, tier.driver.name_of(new_public_id())
    mine, entry = slots.reservation(), secrets.token_bytes(16)
    try:
        if not driver.reserve(name, mine, seconds=PROBE_SECONDS):
            return "it takes nothing new, as if it were full"
        driver.fill(name, entry, version=1, ticket=mine, seconds=PROBE_SECONDS)
        if driver.read(name).entry != entry:
            return "it does not return what was stored"
        driver.mark_ended(name, seconds=PROBE_SECONDS)
        if driver.read(name) != slots.BARRED:
            return "it does not keep a tombstone"
        driver.clear([name])
    except driver.faults as error:
        return f"{type(error).__name__}: {error}"
    return None
