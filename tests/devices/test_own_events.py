"""Sites whose events are in another database than their sessions."""

from __future__ import annotations

from tests.support.other_sites import assert_they_pass


def test_events_may_live_apart_from_sessions() -> None:
    """A sign-in is recorded in whatever order leaves no session without its event."""
    assert_they_pass("tests/support/own_events.py", settings="tests.settings_own_events")
