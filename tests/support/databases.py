"""Turn a database URL into Django's ``DATABASES`` entry."""

from __future__ import annotations

import os
import tempfile
from typing import Any
from urllib.parse import unquote, urlsplit


def from_url(url: str) -> dict[str, Any]:
    """
    Read ``postgresql://user:password@host:port/name`` or ``mysql://…``; SQLite for an empty URL.

    With ``?encoding=latin1`` the tests' database has these characters alone.

    Raises:
        ValueError: the scheme is neither of them.
    """
    if not url:
        return sqlite()
    parts = urlsplit(url)
    if parts.scheme == "mysql":
        _use_pymysql()
        engine, options = "mysql", {"charset": "utf8mb4"}
    elif parts.scheme == "postgresql":
        engine, options = "postgresql", {}
    else:
        raise ValueError(
            f"A database URL starts with postgresql:// or mysql://, not {parts.scheme!r}."
        )
    return {
        "ENGINE": f"django.db.backends.{engine}",
        "NAME": parts.path.lstrip("/"),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": parts.hostname or "",
        "PORT": str(parts.port or ""),
        "OPTIONS": options,
        "TEST": _with_encoding(engine, parts.query.removeprefix("encoding=")),
    }


def encoding() -> str:
    """Return which characters the tests' database was told to have; "": any."""
    return urlsplit(os.environ.get("TEST_DATABASE_URL", "")).query.removeprefix("encoding=")


def _with_encoding(engine: str, encoding: str) -> dict[str, Any]:
    if not encoding:
        return {}
    if engine == "mysql":
        return {"CHARSET": encoding}
    # A server's locale is of one encoding; what is made from this template has its own.
    return {"TEMPLATE": f"with_{encoding.lower()}"}


def sqlite() -> dict[str, Any]:
    """
    Describe a database file of this process alone.

    A file, as threads cannot race on an in-memory database: they share its one connection.
    Several runs at a time don't meet, as the process id is in the name.
    """
    name = os.path.join(tempfile.gettempdir(), f"sessions_plus_{os.getpid()}.sqlite3")
    return {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": name,
        "TEST": {"NAME": name},
        "OPTIONS": {
            "timeout": 20,
            "transaction_mode": "IMMEDIATE",
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=OFF",
        },
    }


def _use_pymysql() -> None:
    """Let PyMySQL, which needs no compiler, stand in for mysqlclient."""
    import pymysql

    # Django asks for the version of mysqlclient, which PyMySQL's own says nothing about.
    pymysql.version_info = (2, 2, 7, "final", 0)
    pymysql.install_as_MySQLdb()
