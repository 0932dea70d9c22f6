"""Databases that were made with few characters: the same rules hold on each of them."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from tests.support.other_sites import assert_they_pass
from tests.support.services.process import Server

pytestmark = pytest.mark.services

RULES = ("tests/models/test_text.py", "tests/devices/test_naming.py")


@pytest.fixture(scope="module")
def encodings(postgresql_server: Server) -> Iterator[Server]:
    """A PostgreSQL with templates of other encodings."""
    with psycopg.connect(postgresql_server.url, autocommit=True) as connection:
        for encoding in ("LATIN1", "SQL_ASCII"):
            connection.execute(
                f"CREATE DATABASE with_{encoding} ENCODING '{encoding}' "
                "LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0"
            )
        yield postgresql_server
        for encoding in ("LATIN1", "SQL_ASCII"):
            connection.execute(f"DROP DATABASE with_{encoding}")


@pytest.mark.parametrize("encoding", ["LATIN1", "SQL_ASCII"])
def test_postgresql(encodings: Server, encoding: str) -> None:
    """Text of strangers fails nothing on a PostgreSQL whose encoding is not UTF-8."""
    url = f"{encodings.url}?encoding={encoding}"

    assert_they_pass(*RULES, settings="tests.settings", database=url)


@pytest.mark.parametrize("encoding", ["utf8mb3", "latin1"])
def test_mariadb(mariadb_server: Server, encoding: str) -> None:
    """Nor on a MariaDB whose tables have three bytes for a character, or one."""
    url = f"{mariadb_server.url}?encoding={encoding}"

    assert_they_pass(*RULES, settings="tests.settings", database=url)
