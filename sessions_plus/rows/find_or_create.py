"""Rows that many create at once: counters, whose first attempts may come together."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from django.db import IntegrityError, connections, models
from django.db.utils import OperationalError

M = TypeVar("M", bound=models.Model)

ATTEMPTS = 20

# MariaDB's number, and PostgreSQL's code.
DEADLOCK = (1213, "40P01")


def find_or_create(
    rows: models.QuerySet[M], *, defaults: Mapping[str, object], **key: object
) -> tuple[M, bool]:
    """
    Return the row of that key, and whether it was created. See Django's get_or_create().

    It is tried again where the row was removed in between, and where two who insert rows
    next to each other wait for each other, of whom MariaDB then gives one up.
    """
    for _ in range(ATTEMPTS):
        try:
            return rows.get_or_create(defaults=defaults, **key)
        except IntegrityError:
            continue
        except OperationalError as error:
            # In somebody's transaction all of that is lost with it.
            if connections[rows.db].in_atomic_block or not is_deadlock(error):
                raise
    return rows.get_or_create(defaults=defaults, **key)


def is_deadlock(error: OperationalError) -> bool:
    cause = error.__cause__
    number = cause.args[0] if cause is not None and cause.args else None
    return number in DEADLOCK or getattr(cause, "sqlstate", None) in DEADLOCK
