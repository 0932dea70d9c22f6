"""
What differs with us in place, and rightly so: each test, with its reason.

By suite and database. A difference that is not here fails the run; so does one that is here
and is none, so that this list cannot go stale.
"""

from __future__ import annotations

from collections.abc import Mapping

_ALL_MESSAGES = (
    "It compares all that run_checks() says. Beside axes we say that no backend of ours counts "
    "guesses (sessions_plus.W102)."
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

EXPECTED: Mapping[tuple[str, str], Mapping[str, str]] = {
    ("django-axes", "SQLite"): _AXES,
    ("django-axes", "PostgreSQL"): _AXES,
}
