"""
Whether this process can serve: what a load balancer asks before it sends anybody.

It may be asked at any rate, by anybody: one look at a time, no longer than a deadline, whose
answer serves all who ask within a second. It tells states only, and no versions, hosts or paths.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType

from django.db import DatabaseError, connections, models
from django.utils import timezone

from sessions_plus.cache.tier import Tier
from sessions_plus.conf import conf
from sessions_plus.exceptions import SealBroken
from sessions_plus.keys import new_public_id
from sessions_plus.maintenance import own_migrations
from sessions_plus.maintenance.cleanup import last_cleanup
from sessions_plus.models import Session, SigningKey
from sessions_plus.models.session import unseal_data
from sessions_plus.rows.session_row import database

logger = logging.getLogger("sessions_plus")

DEADLINE_SECONDS = 2.0
SERVES_SECONDS = 1.0

# A clean-up is daily; two that did not come are no accident.
CLEANUP_OVERDUE = timedelta(days=2)


class State(StrEnum):
    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Readiness:
    """What was found, by what was looked at."""

    states: dict[str, State]

    @property
    def is_ready(self) -> bool:
        return State.FAILED not in self.states.values()

    @property
    def status(self) -> str:
        """``ok``; ``degraded``, which still serves; or ``failed``."""
        if not self.is_ready:
            return "failed"
        return "ok" if set(self.states.values()) <= {State.OK} else "degraded"


def look(now: datetime, *, tier: Tier | None) -> Readiness:
    """
    Look at everything. Where the database does not answer, nothing else is asked of it.

    ``tier`` is where the engine keeps copies; None: it keeps none.
    """
    states: dict[str, State] = {"cache": check_cache(tier)}
    for name, check in CHECKS.items():
        try:
            states[name] = check(now)
        except DatabaseError:
            logger.exception("The database does not answer %s.", name)
            states["database"] = State.FAILED
            break
    return Readiness(states)


def check_database(now: datetime) -> State:
    with connections[database()].cursor() as cursor:
        cursor.execute("SELECT 1")
        cursor.fetchone()
    return State.OK


def check_migrations(now: datetime) -> State:
    return State.OK if own_migrations.are_applied() else State.FAILED


def check_encryption(now: datetime) -> State:
    """The newest session opens: else this process lacks a key that others seal with."""
    live: models.QuerySet[models.Model] = models.QuerySet(Session, using=database())
    newest = live.filter(revoked_at=None).exclude(data=b"").order_by("-pk")
    for data, public_id, user_id in newest.values_list("data", "public_id", "user_id")[:1]:
        try:
            unseal_data(bytes(data), public_id, user_id)
        except SealBroken:
            return State.FAILED
    return State.OK


def check_signing_key(now: datetime) -> State:
    """Where tokens were ever signed, one key still signs. The next sign-in would make another."""
    keys = SigningKey.objects.using(database())
    if conf.SIGNING_KEYS or not keys.exists():
        return State.OK
    return State.OK if keys.signing(now).exists() else State.WARNING


def check_cache(tier: Tier | None) -> State:
    """Without it the database serves: slower, and that is all."""
    if tier is None:
        return State.OK
    tier.peek(new_public_id())
    is_well = not tier.breaker.is_open and not tier.pending.outstanding()
    return State.OK if is_well else State.WARNING


def check_cleanup(now: datetime) -> State:
    """It came to its end lately, or the site is younger than that."""
    since = last_cleanup()
    if since is None:
        sessions: models.QuerySet[models.Model] = models.QuerySet(Session, using=database())
        since = sessions.order_by("pk").values_list("created_at", flat=True).first()
    is_overdue = since is not None and now - since > CLEANUP_OVERDUE
    return State.WARNING if is_overdue else State.OK


CHECKS: MappingProxyType[str, Callable[[datetime], State]] = MappingProxyType(
    {
        "database": check_database,
        "migrations": check_migrations,
        "encryption": check_encryption,
        "signing_key": check_signing_key,
        "clean_up": check_cleanup,
    }
)


class Look:
    """One look, in a thread of its own, so that nobody waits for it longer than they want."""

    def __init__(self, tier: Tier | None) -> None:
        self.tier = tier
        self.begun_at = time.monotonic()
        self.found: Readiness | None = None
        self.is_over = threading.Event()

    def start(self) -> None:
        threading.Thread(target=self._run, name="sessions_plus readiness", daemon=True).start()

    def _run(self) -> None:
        try:
            self.found = look(timezone.now(), tier=self.tier)
        finally:
            # Also a proof that a new connection is to be had.
            connections.close_all()
            self.is_over.set()

    @property
    def is_stuck(self) -> bool:
        """Whether nobody should wait for it: it hangs, or its thread was lost in a fork."""
        return time.monotonic() - self.begun_at > 10 * DEADLINE_SECONDS

    @property
    def serves(self) -> bool:
        """Whether who asks now takes part in it."""
        is_young = time.monotonic() - self.begun_at < SERVES_SECONDS
        return is_young if self.is_over.is_set() else not self.is_stuck


class Lookout:
    """Looks when somebody asks, one look at a time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last: Look | None = None

    def ask(self, tier: Tier | None) -> Readiness:
        """
        Return how it is, at most a second ago; failed where that could not be found out.

        ``tier`` is where the engine keeps copies; None: it keeps none.
        """
        with self._lock:
            if self._last is None or not self._last.serves:
                self._last = Look(tier)
                self._last.start()
            found = self._last
        found.is_over.wait(DEADLINE_SECONDS)
        return found.found or Readiness({"database": State.FAILED})


lookout = Lookout()
