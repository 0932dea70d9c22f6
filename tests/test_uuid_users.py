"""A site with other users gets the same promises: the same tests, in a process of their own."""

from __future__ import annotations

from tests.support.other_sites import assert_they_pass

SAME_TESTS = [
    "tests/store/test_session_store.py",
    "tests/devices/test_recognition.py",
    "tests/lifecycle/test_revocation.py",
    "tests/lifecycle/test_rotation.py",
    "tests/lifecycle/test_users.py",
    "tests/test_middleware.py",
]


def test_everything_holds_for_users_with_uuids() -> None:
    """Store, middleware, devices and revocation work on a user model with a UUID key."""
    assert_they_pass(*SAME_TESTS, settings="tests.settings_uuid_users")


def test_keys_may_look_otherwise_in_the_database() -> None:
    """A key whose field converts what the database holds names its user in sessions, too."""
    assert_they_pass(
        "tests/devices/test_recognition.py",
        "tests/lifecycle/test_revocation.py",
        "tests/store/test_rolled_back_writes.py",
        settings="tests.settings_prefixed_users",
    )
