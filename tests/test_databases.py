"""The database that the tests run on."""

from __future__ import annotations

import os

import pytest
from django.db import connection

from tests.support.databases import from_url


@pytest.mark.parametrize(
    ("url", "engine", "port"),
    [
        pytest.param(
            "postgresql://ann:p%40ss@localhost:15432/shop", "postgresql", "15432", id="pg"
        ),
        pytest.param("mysql://ann:p%40ss@localhost/shop", "mysql", "", id="mysql, usual port"),
    ],
)
def test_url_names_the_database(url: str, engine: str, port: str) -> None:
    """A URL tells engine, account, host, port and name, with special characters quoted."""
    settings = from_url(url)

    assert settings["ENGINE"] == f"django.db.backends.{engine}"
    assert (settings["USER"], settings["PASSWORD"]) == ("ann", "p@ss")
    assert (settings["HOST"], settings["PORT"], settings["NAME"]) == ("localhost", port, "shop")


def test_unknown_database_is_refused() -> None:
    """A URL of another kind of database is an error, not SQLite."""
    with pytest.raises(ValueError, match="oracle"):
        from_url("oracle://localhost/shop")


@pytest.mark.django_db
def test_suite_runs_on_the_database_that_was_named() -> None:
    """The tests' connection is to the server in ``TEST_DATABASE_URL``, or to SQLite."""
    scheme = os.environ.get("TEST_DATABASE_URL", "").partition(":")[0]

    assert connection.vendor == (scheme or "sqlite")
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
