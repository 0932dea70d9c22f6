"""PostgreSQL with psycopg2, which hands on columns of bytes as views: the same rules hold."""

from __future__ import annotations

import pytest

from tests.support.other_sites import assert_they_pass
from tests.support.services.process import Server

RULES = (
    "tests/commands/test_reseal.py",
    "tests/mfa/test_verification.py",
    "tests/mfa/passkeys",
    "tests/store/test_session_store.py",
    "tests/tokens/test_refresh.py",
)


@pytest.mark.services
def test_what_is_sealed_is_read(postgresql_server: Server) -> None:
    """Sessions, factors, passkeys and signing keys are what they are with psycopg 3."""
    assert_they_pass(*RULES, settings="tests.settings_psycopg2", database=postgresql_server.url)
