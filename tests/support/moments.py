"""Moments for tests, as the clock of the tests' site tells them: aware, or naive."""

from __future__ import annotations

from datetime import UTC, datetime

from sessions_plus.moments import of_site


def utc(
    year: int, month: int, day: int, hour: int = 0, minute: int = 0, second: int = 0
) -> datetime:
    """Return the moment that this is in UTC."""
    return of_site(datetime(year, month, day, hour, minute, second, tzinfo=UTC))


START = utc(2030, 1, 2, 3, 4, 5)
"""When many a test begins."""
