"""Why a database refused to write: what its error says, on each of them."""

from __future__ import annotations

from enum import Enum, auto

from django.db.utils import DatabaseError


class Fault(Enum):
    """What a write that failed says of the next one."""

    LOCKED = auto()
    """Somebody else holds what it wanted, for longer than it would wait."""
    CONFLICT = auto()
    """Another transaction won. Nothing was done, and the same statement may be tried again."""
    UNWRITABLE = auto()
    """Read-only after a failover, out of space, or given up as it took too long."""


# PostgreSQL's documentation, appendix A.
SQLSTATES = {
    "55P03": Fault.LOCKED,
    "40001": Fault.CONFLICT,
    "40P01": Fault.CONFLICT,  # a deadlock
    "25006": Fault.UNWRITABLE,  # a read-only transaction
    "53100": Fault.UNWRITABLE,  # disk full
    "57014": Fault.UNWRITABLE,  # cancelled, as by statement_timeout
}

# MariaDB's "Error codes"; MySQL's are the same up to 1899.
NUMBERS = {
    1205: Fault.LOCKED,
    3572: Fault.LOCKED,  # MySQL's, for NOWAIT
    1180: Fault.LOCKED,  # MariaDB's, where a statement with a timeout of its own skips a row
    1020: Fault.CONFLICT,  # changed since the snapshot
    1213: Fault.CONFLICT,  # a deadlock
    1021: Fault.UNWRITABLE,  # disk full
    1114: Fault.UNWRITABLE,  # the table is full
    1290: Fault.UNWRITABLE,  # --read-only
    1317: Fault.UNWRITABLE,  # interrupted
    1792: Fault.UNWRITABLE,  # a read-only transaction
    1836: Fault.UNWRITABLE,  # read-only mode
    1969: Fault.UNWRITABLE,  # max_statement_time
    3024: Fault.UNWRITABLE,  # MySQL's max_execution_time
}

# SQLite's "Result and error codes"; the higher bits of a code only say more.
RESULTS = {
    3: Fault.UNWRITABLE,  # SQLITE_PERM
    5: Fault.LOCKED,  # SQLITE_BUSY
    6: Fault.LOCKED,  # SQLITE_LOCKED
    8: Fault.UNWRITABLE,  # SQLITE_READONLY
    13: Fault.UNWRITABLE,  # SQLITE_FULL
    14: Fault.UNWRITABLE,  # SQLITE_CANTOPEN: no journal can be made
}


def fault_of(error: DatabaseError) -> Fault | None:
    """Return what an error of Django's database layer says; None: nothing of the kind."""
    number = error.args[0] if error.args else None
    if isinstance(number, int):  # of MariaDB and MySQL; what SQLSTATE they tell is a coarser one
        return NUMBERS.get(number)
    cause = error.__cause__
    # psycopg's name for the code, and that of psycopg2.
    state = getattr(cause, "sqlstate", None) or getattr(cause, "pgcode", None)
    if state is not None:
        return SQLSTATES.get(state)
    result = getattr(cause, "sqlite_errorcode", None)
    return RESULTS.get(result & 0xFF) if result is not None else None
