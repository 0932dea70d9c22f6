"""
The tests of Django that rightly fail with our engines, each with its reason; at most nine.

Each is expected to fail: one that passes fails the run, so that this list cannot go stale.
"""

from __future__ import annotations

_BACKENDS = "auth_tests.test_auth_backends"
_CREDENTIALS = "test_authentication_without_credentials"
_RECORDED = "It counts queries: none. We record a failed sign-in, which takes some."
_SWAPPED = (
    "It swaps the user model after the tables were made, so that our column for the user's key "
    "is still an integer where the key is a UUID."
)

ALLOWED: dict[str, str] = {
    f"{_BACKENDS}.ModelBackendTest.{_CREDENTIALS}": _RECORDED,
    f"{_BACKENDS}.ExtensionUserModelBackendTest.{_CREDENTIALS}": _RECORDED,
    f"{_BACKENDS}.CustomPermissionsUserModelBackendTest.{_CREDENTIALS}": _RECORDED,
    f"{_BACKENDS}.UUIDUserTests.test_login": _SWAPPED,
    f"{_BACKENDS}.UUIDUserTests.test_alogin": _SWAPPED,
    "auth_tests.test_views.UUIDUserTests.test_admin_password_change": _SWAPPED,
    "auth_tests.test_views.LoginTest.test_session_key_flushed_on_login_after_password_change": (
        "It expects the old key when the same user signs in again. We always give a new one."
    ),
    "sessions_tests.tests.SessionMiddlewareTests.test_empty_session_saved": (
        "It looks for the session's row in the table of Django's own engine."
    ),
}
