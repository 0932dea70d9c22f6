"""
What a cache must still be told: slots to clear that it could not be reached for.

One is pending for two activity intervals at most: after that no copy counts that was
stored before, so there is nothing left to clear. That bounds how many there can be.
"""

from __future__ import annotations

import threading
import time

from sessions_plus.conf import conf


class PendingInvalidations:
    """The names of those slots, each with the moment until which it has to be told."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pending: dict[str, float] = {}

    def add(self, name: str) -> None:
        until = time.monotonic() + 2 * conf.ACTIVITY_INTERVAL.total_seconds()
        with self._lock:
            self._pending[name] = until

    def outstanding(self) -> dict[str, float]:
        """Return what is pending, as ``discharge`` wants it."""
        now = time.monotonic()
        with self._lock:
            self._pending = {name: until for name, until in self._pending.items() if until > now}
            return dict(self._pending)

    def discharge(self, told: dict[str, float]) -> None:
        """Strike out what was told, unless it was added anew meanwhile."""
        with self._lock:
            for name, until in told.items():
                if self._pending.get(name) == until:
                    del self._pending[name]
