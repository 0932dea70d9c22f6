"""
What a cache must still be told: places to clear that it could not be reached for.

A debt is owed for two activity intervals at most: after that no copy counts that was
stored before, so there is nothing left to clear. That bounds how many there can be.
"""

from __future__ import annotations

import threading
import time

from sessions_plus.conf import conf


class Debts:
    """The names of those places, each with the moment until which it is owed."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._owed: dict[str, float] = {}

    def owe(self, name: str) -> None:
        until = time.monotonic() + 2 * conf.ACTIVITY_INTERVAL.total_seconds()
        with self._lock:
            self._owed[name] = until

    def outstanding(self) -> dict[str, float]:
        """Return what is owed, as ``settle`` wants it."""
        now = time.monotonic()
        with self._lock:
            self._owed = {name: until for name, until in self._owed.items() if until > now}
            return dict(self._owed)

    def settle(self, paid: dict[str, float]) -> None:
        """Strike out what was paid, unless it was owed anew meanwhile."""
        with self._lock:
            for name, until in paid.items():
                if self._owed.get(name) == until:
                    del self._owed[name]
