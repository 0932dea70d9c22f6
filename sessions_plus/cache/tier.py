"""
One cache behind a circuit breaker: no method raises, and none waits long, whatever happens.

A fault opens the breaker. While it is open the database serves, and invalidations that the
cache could not be told stay pending. The probe that closes the breaker tells them first; and
copies that were proven before that moment never count again.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple, TypeVar
from uuid import UUID

from asgiref.sync import sync_to_async
from django.core.cache import caches
from django.core.cache.backends.base import default_key_func

from sessions_plus.cache import slots
from sessions_plus.cache.breaker import FIRST_PAUSE_SECONDS, Breaker
from sessions_plus.cache.drivers.contract import Driver, ServerState
from sessions_plus.cache.pending_invalidations import PendingInvalidations
from sessions_plus.conf import conf
from sessions_plus.signals import cache_recovered, cache_unavailable

logger = logging.getLogger("sessions_plus")

T = TypeVar("T")

# A copy serves by itself for one interval; beyond that it still saves reading the
# row, as one UPDATE proves that it lives.
LIFETIME_IN_INTERVALS = 3

# A copy says when it was proven by the clock of the machine that stored it.
CLOCK_DIFFERENCE_SECONDS = 1.0


def lifetime_seconds() -> float:
    """Return how long copies and tombstones stay in the cache."""
    return max(1.0, conf.ACTIVITY_INTERVAL.total_seconds() * LIFETIME_IN_INTERVALS)


class Recalled(NamedTuple):
    """A sealed copy or None, and the ticket to put one there, or nothing (see ``slots``)."""

    entry: bytes | None = None
    ticket: bytes = b""


NOTHING = Recalled()


class Tier:
    """The cache behind one alias. One per alias and process."""

    def __init__(self, alias: str, driver: Driver) -> None:
        self.alias = alias
        self.driver = driver
        key_function = getattr(caches[alias], "key_func", default_key_func)
        self.has_names_of_the_sites = key_function is not default_key_func
        self.breaker = Breaker()
        self.pending = PendingInvalidations()
        self.trusted_since = time.time()
        """Unix time: copies that were proven before it do not count."""
        self._failed_name = ""
        self._is_closed = False
        self._latest_ending = object()
        self._collector: threading.Thread | None = None

    def close(self) -> None:
        """Give up connections and what is pending: it is none of the site's caches any more."""
        self._is_closed = True
        self.driver.close()

    def distrust(self) -> None:
        """Let no copy count that was proven until now: the cache may have lost tombstones."""
        self.trusted_since = time.time() + CLOCK_DIFFERENCE_SECONDS

    # Reading

    def read(self, public_id: UUID) -> Recalled:
        """Return the copy, or reserve the slot, so that one may be put there."""
        name = self.driver.name_of(public_id)
        if self.breaker.opened_at is not None and not self.recover():
            return NOTHING
        try:
            reading = self.driver.read(name)
            ticket = reading.ticket or b""
            if reading.is_vacant:
                mine = slots.reservation()
                if self.driver.reserve(name, mine, seconds=lifetime_seconds()):
                    ticket = mine
        except self.driver.faults as error:
            self._fail(name, error, operation="read")
            return NOTHING
        return Recalled(reading.entry, ticket)

    async def aread(self, public_id: UUID) -> Recalled:
        """See read()."""
        if self.has_names_of_the_sites:
            # Its function may ask which tenant this thread's connection serves.
            name = await sync_to_async(self.driver.name_of)(public_id)
        else:
            name = self.driver.name_of(public_id)
        if not await self._ais_reachable():
            return NOTHING
        ending = self._latest_ending
        try:
            reading = await self.driver.aread(name)
            if self._latest_ending is not ending:
                # A loop may come to an answer long after it was given: this one may tell of a
                # session whose end this process has reported meanwhile.
                reading = slots.BARRED
            ticket = reading.ticket or b""
            if reading.is_vacant:
                mine = slots.reservation()
                if await self.driver.areserve(name, mine, seconds=lifetime_seconds()):
                    ticket = mine
        except self.driver.faults as error:
            self._fail(name, error, operation="read")
            return NOTHING
        return Recalled(reading.entry, ticket)

    def peek(self, public_id: UUID) -> bytes | None:
        """Return the copy that is there, also one that no longer counts. Reserve nothing."""
        name = self.driver.name_of(public_id)
        if not self._is_reachable():
            return None
        try:
            return self.driver.read(name).entry
        except self.driver.faults as error:
            self._fail(name, error, operation="read")
            return None

    def clock(self) -> float | None:
        """Return the cache's Unix time, or None where it tells none."""
        try:
            return self.driver.clock()
        except self.driver.faults:
            return None

    def servers(self) -> Sequence[ServerState]:
        """Return what the cache's servers say of themselves; nothing where they do not answer."""
        try:
            return self.driver.servers()
        except self.driver.faults:
            return ()

    # Storing and invalidating. An invalidation that the cache does not take stays pending.

    def fill(self, public_id: UUID, entry: bytes, *, version: int, ticket: bytes) -> None:
        """Store the copy of a row that was read after ``ticket`` was given."""
        name = self.driver.name_of(public_id)
        seconds = lifetime_seconds()
        self._try(
            name,
            partial(self.driver.fill, name, entry, version=version, ticket=ticket, seconds=seconds),
        )

    def introduce(self, public_id: UUID, entry: bytes, *, version: int) -> None:
        """Store the copy of a new row, which nobody can have read or ended before."""
        name = self.driver.name_of(public_id)
        value = slots.copy(version, entry)
        self._try(name, partial(self.driver.reserve, name, value, seconds=lifetime_seconds()))

    def replace(self, public_id: UUID, entry: bytes, *, version: int, hold: bytes) -> None:
        """Store the copy of a row that was written, and void every older one."""
        name = self.driver.name_of(public_id)
        seconds = lifetime_seconds()
        self._invalidate(
            name,
            partial(self.driver.replace, name, entry, version=version, hold=hold, seconds=seconds),
        )

    def occupy(self, public_id: UUID, value: bytes) -> None:
        """Void any copy. ``value`` is a hold or a reservation: whose is the next copy."""
        name = self.driver.name_of(public_id)
        self._invalidate(name, partial(self.driver.occupy, name, value, seconds=lifetime_seconds()))

    def mark_ended(self, public_id: UUID) -> bool:
        """Put a tombstone in the session's slot. Return whether the cache took it."""
        name = self.driver.name_of(public_id)
        told = self._invalidate(
            name, partial(self.driver.mark_ended, name, seconds=lifetime_seconds())
        )
        self._latest_ending = object()
        return told

    def mark_ended_many(self, public_ids: Sequence[UUID]) -> bool:
        """Mark sessions as ended, together. See mark_ended()."""
        names = [self.driver.name_of(public_id) for public_id in public_ids]
        told = self._invalidate_many(
            names, partial(self.driver.mark_ended_many, names, seconds=lifetime_seconds())
        )
        self._latest_ending = object()
        return told

    def _try(self, name: str, act: Callable[[], object]) -> bool:
        if not self._is_reachable():
            return False
        try:
            act()
        except self.driver.faults as error:
            self._fail(name, error, operation="write")
            return False
        return True

    def _invalidate(self, name: str, act: Callable[[], object]) -> bool:
        return self._invalidate_many([name], act)

    def _invalidate_many(self, names: Sequence[str], act: Callable[[], object]) -> bool:
        told = self._try(names[0], act)
        if not told:
            for name in names:
                self.pending.add(name)
            self._start_collector()
        return told

    # Faults and recovery

    def _fail(self, name: str, error: Exception, *, operation: str) -> None:
        self._failed_name = name
        if self.breaker.trip():
            logger.warning(
                "The session cache %r failed (%s: %s); the database serves.",
                self.alias,
                type(error).__name__,
                str(error).partition(" : ")[0],  # what follows tells of the configuration
            )
            cache_unavailable.send_robust(sender=Tier, alias=self.alias, operation=operation)

    def _is_reachable(self) -> bool:
        return not self.breaker.is_open or self.recover()

    async def _ais_reachable(self) -> bool:
        return not self.breaker.is_open or await self.arecover()

    def recover(self) -> bool:
        """Probe, if it is time to; return whether the cache can be used again."""
        if not self.breaker.may_probe():
            return False
        told = self.pending.outstanding()
        try:
            self.driver.clear([self._failed_name, *told])
        except self.driver.faults:
            self.breaker.put_off()
            return False
        return self._resume(told)

    async def arecover(self) -> bool:
        """See recover()."""
        if not self.breaker.may_probe():
            return False
        told = self.pending.outstanding()
        try:
            await self.driver.aclear([self._failed_name, *told])
        except self.driver.faults:
            self.breaker.put_off()
            return False
        return self._resume(told)

    def _resume(self, told: dict[str, float]) -> bool:
        self.pending.discharge(told)
        self.distrust()
        if self.breaker.close():
            logger.info("The session cache %r answers again.", self.alias)
            cache_recovered.send_robust(sender=Tier, alias=self.alias)
        return True

    def _start_collector(self) -> None:
        """See to pending invalidations also where no request comes along to probe."""
        if self._collector is None or not self._collector.is_alive():
            name = f"sessions_plus invalidations of {self.alias}"
            self._collector = threading.Thread(target=self._collect, name=name, daemon=True)
            self._collector.start()

    def _collect(self) -> None:
        try:
            while pending := self.pending.outstanding():
                time.sleep(FIRST_PAUSE_SECONDS)
                if self._is_closed:  # its alias may name another cache by now
                    return
                if self.breaker.is_open:
                    self.recover()
                elif self._try(next(iter(pending)), partial(self.driver.clear, list(pending))):
                    self.pending.discharge(pending)
        finally:
            caches.close_all()  # of Django's, what this thread has opened
