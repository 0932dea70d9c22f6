"""Databases that take no writes, in the ways that each of them has; reading works."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection

from sessions_plus.models import Session

TABLE = Session._meta.db_table
READ_ONLY = "read-only"

# What triggers of each database answer a change of a session with: the codes of a real one.
RAISED = {
    "postgresql": ["25006", "53100", "55P03", "57014", "40001", "40P01"],
    "mysql": ["1205", "1213", "1290", "1792", "1836", "1021", "1114", "1969"],
    "sqlite": [],
}

RAISE = "$$ BEGIN RAISE EXCEPTION 'refused' USING ERRCODE = '{}'; END $$"
EVERY_CHANGE = f"BEFORE UPDATE OR DELETE OR INSERT ON {TABLE} FOR EACH ROW"

WAYS = [READ_ONLY, *RAISED[connection.vendor]]


@contextmanager
def refusing(way: str) -> Iterator[None]:
    """
    Let no session be changed: by this connection (``READ_ONLY``), or by any, with that code.
    """
    begin, end = _read_only() if way == READ_ONLY else _raising(way)
    _execute(begin)
    try:
        yield
    finally:
        _execute(end)


def _read_only() -> tuple[list[str], list[str]]:
    if connection.vendor == "sqlite":
        return ["PRAGMA query_only = ON"], ["PRAGMA query_only = OFF"]
    statement = "SET SESSION TRANSACTION READ"
    if connection.vendor == "postgresql":
        statement = "SET SESSION CHARACTERISTICS AS TRANSACTION READ"
    return [f"{statement} ONLY"], [f"{statement} WRITE"]


def _raising(code: str) -> tuple[list[str], list[str]]:
    if connection.vendor == "postgresql":
        return [
            f"CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS {RAISE.format(code)}",
            f"CREATE TRIGGER refusing {EVERY_CHANGE} EXECUTE FUNCTION refuse()",
        ], [f"DROP TRIGGER refusing ON {TABLE}", "DROP FUNCTION refuse()"]
    acts = ("UPDATE", "DELETE", "INSERT")
    signal = f"SIGNAL SQLSTATE 'HY000' SET MYSQL_ERRNO = {code}, MESSAGE_TEXT = 'refused'"
    return [
        f"CREATE TRIGGER refusing_{act} BEFORE {act} ON {TABLE} FOR EACH ROW {signal}"
        for act in acts
    ], [f"DROP TRIGGER refusing_{act}" for act in acts]


def _execute(statements: list[str]) -> None:
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


@contextmanager
def refusing_at_first(times: int) -> Iterator[None]:
    """Let as many changes of a session lose a race, by whoever makes them, and no more."""
    state = "40001" if connection.vendor == "postgresql" else "1213"
    begin, end = _losing(state, times)
    _execute(["CREATE SEQUENCE lost", *begin])
    try:
        yield
    finally:
        _execute([*end, "DROP SEQUENCE lost"])


def _losing(code: str, times: int) -> tuple[list[str], list[str]]:
    # A sequence counts on where what asked it is taken back.
    if connection.vendor == "postgresql":
        body = (
            f"$$ BEGIN IF nextval('lost') <= {times} THEN "
            f"RAISE EXCEPTION 'lost' USING ERRCODE = '{code}'; END IF; RETURN NEW; END $$"
        )
        return [
            f"CREATE FUNCTION lose() RETURNS trigger LANGUAGE plpgsql AS {body}",
            f"CREATE TRIGGER losing BEFORE UPDATE ON {TABLE} FOR EACH ROW EXECUTE FUNCTION lose()",
        ], [f"DROP TRIGGER losing ON {TABLE}", "DROP FUNCTION lose()"]
    body = (
        f"BEGIN IF NEXTVAL(lost) <= {times} THEN "
        f"SIGNAL SQLSTATE 'HY000' SET MYSQL_ERRNO = {code}, MESSAGE_TEXT = 'lost'; END IF; END"
    )
    trigger = f"CREATE TRIGGER losing BEFORE UPDATE ON {TABLE} FOR EACH ROW {body}"
    return [trigger], ["DROP TRIGGER losing"]
