"""
The tests of Django that rightly fail with our engines, each with its reason; at most nine.

Each is expected to fail: one that passes fails the run, so that this list cannot go stale.
"""

from __future__ import annotations

ALLOWED: dict[str, str] = {}
