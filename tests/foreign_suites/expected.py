"""
What differs with us in place, and rightly so: each test, with its reason.

By suite and database, and by test: its name, or what it begins with and ``*``. A difference
that is not here fails the run; so does one that is here and is none, or whose test says nothing
of the reason: so this list cannot go stale, nor guess.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Reason:
    """``shown_by``: what the error of such a test has in it, or what was logged meanwhile."""

    text: str
    shown_by: str


_ALL_MESSAGES = Reason(
    "It compares all that run_checks() says. Beside axes we say that no backend of ours counts "
    "guesses (sessions_plus.W102).",
    shown_by="AUTHENTICATION_BACKENDS lacks 'sessions_",  # unittest shortens the rest
)
_AXES = {
    f"tests.test_checks.{test}": _ALL_MESSAGES
    for test in (
        "BackendCheckTestCase.test_backend_missing",
        "BackendCheckTestCase.test_specialized_backend",
        "CacheCheckTestCase.test_cache_check",
        "CacheCheckTestCase.test_cache_check_does_not_produce_check_warnings_with_database_handler",
        "CacheCheckTestCase.test_cache_check_warnings",
        "ConfCheckTestCase.test_invalid_import_path",
        "ConfCheckTestCase.test_missing_settings_no_error",
        "ConfCheckTestCase.test_valid_callable",
        "DeprecatedSettingsTestCase.test_deprecated_success_access_log_flag",
        "LockoutParametersCheckTestCase.test_invalid_configuration",
        "LockoutParametersCheckTestCase.test_valid_configuration",
        "MiddlewareCheckTestCase.test_cache_check_warnings",
    )
}

_NEW_PASSWORD = Reason(
    "It sets a new password past any request, and takes it that a session of before goes on, or "
    "is left as nobody's. With us a new password ends that user's sessions, at once.",
    shown_by='"event": "session.revoked", "owasp": "authn_token_revoked", '
    '"outcome": "success", "reason": "password_changed"',
)
_HEADLESS = "tests.apps.headless."
_NINJA = f"{_HEADLESS}contrib.ninja.test_security."
_REST = f"{_HEADLESS}contrib.rest_framework.test_authentication."
_JWT = f"{_HEADLESS}tokens.test_jwttokenstrategy."
_SURVIVES = "survives_session_auth_hash_update[app]"
_ALLAUTH = {
    f"{_NINJA}test_anonymous_authentication_allows_stale_session_auth_hash[app]": _NEW_PASSWORD,
    f"{_NINJA}test_authenticate_{_SURVIVES}": _NEW_PASSWORD,
    f"{_REST}test_authenticate_rejects_anonymous_user_when_not_allowed[app]": _NEW_PASSWORD,
    f"{_REST}test_authenticate_{_SURVIVES}": _NEW_PASSWORD,
    f"{_JWT}test_stateful_access_token_{_SURVIVES}": _NEW_PASSWORD,
}

_TOO_LONG = Reason(
    "It stores each session's key in a column of 40 characters, and ours have 76. SQLite takes "
    "them; elsewhere nobody can sign in, so a check refuses the app (sessions_plus.E112).",
    shown_by="value too long for type character varying(40)",
)
_SESSIONS = {"tests.apps.usersessions.*": _TOO_LONG, f"{_HEADLESS}usersessions.*": _TOO_LONG}

EXPECTED: Mapping[tuple[str, str], Mapping[str, Reason]] = {
    ("django-allauth", "SQLite"): _ALLAUTH,
    ("django-allauth", "PostgreSQL"): _ALLAUTH,
    ("django-allauth, its sessions", "PostgreSQL"): _SESSIONS,
    ("django-axes", "SQLite"): _AXES,
    ("django-axes", "PostgreSQL"): _AXES,
}
