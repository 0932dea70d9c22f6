"""
The circuit breaker of one cache, shared by both worlds and all threads of a process.

Our own, as the kept libraries (pybreaker, purgatory) have one state for sync callers and
another for async ones, and none has a probe that also brings the cache up to date before
anybody reads from it again.
"""

from __future__ import annotations

import threading
import time

# After a fault the cache is left alone this long, then longer each time it fails
# again: each probe may cost one request the whole timeout.
FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 5.0


class Breaker:
    """
    Closed while the cache answers; open after one fault, until a probe succeeds.

    One fault is enough, as each may have cost a request the whole timeout, and as
    a copy that was stored before it can no longer be trusted.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pause = 0.0
        self._retry_at = 0.0
        self.opened_at: float | None = None
        """When it opened (Unix time); None while it is closed."""

    @property
    def is_open(self) -> bool:
        return self.opened_at is not None

    def trip(self) -> bool:
        """
        Open after a fault. Return True to the one caller who found it closed.

        Those whose commands were under way at the same time, and fail later, change nothing.
        """
        with self._lock:
            if self.opened_at is not None:
                return False
            self._wait(FIRST_PAUSE_SECONDS)
            self.opened_at = time.time()
            return True

    def put_off(self) -> None:
        """Stay open after a probe that failed, and wait longer than before it."""
        with self._lock:
            self._wait(min(LONGEST_PAUSE_SECONDS, self._pause * 2))

    def _wait(self, seconds: float) -> None:
        self._pause = seconds
        self._retry_at = time.monotonic() + seconds

    def may_probe(self) -> bool:
        """
        Return True to one caller, once the pause is over.

        It reports with ``put_off`` or ``close``. The next one probes after that, or after
        the longest pause: so one that was killed keeps the breaker open for nobody else.
        """
        with self._lock:
            if self.opened_at is None or time.monotonic() < self._retry_at:
                return False
            self._retry_at = time.monotonic() + LONGEST_PAUSE_SECONDS
            return True

    def close(self) -> bool:
        """Close after a probe. Return True to the one caller who found it open."""
        with self._lock:
            was_open = self.opened_at is not None
            self._pause = self._retry_at = 0.0
            self.opened_at = None
            return was_open
