"""
Invalidations that a cache could not be told: slots that have still to be cleared.

One is pending for two activity intervals at most. After that no copy counts that was
stored before it, so there is nothing left to clear. That bounds how many there can be.
"""

from __future__ import annotations

import threading
import time

from sessions_plus.conf import conf


class PendingInvalidations:
    """The names of those slots, each with the monotonic time until which it is pending."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pending: dict[str, float] = {}

    def add(self, name: str) -> None:
        until = time.monotonic() + 2 * conf.ACTIVITY_INTERVAL.total_seconds()
        with self._lock:
            self._pending[name] = until

    def outstanding(self) -> dict[str, float]:
        """Return what is pending, to be given to ``discharge`` once it was told."""
        now = time.monotonic()
        with self._lock:
            self._pending = {name: until for name, until in self._pending.items() if until > now}
            return dict(self._pending)

    def discharge(self, told: dict[str, float]) -> None:
        """Remove what was told, but for what was added anew meanwhile."""
        with self._lock:
            for name, until in told.items():
                if self._pending.get(name) == until:
                    del self._pending[name]
