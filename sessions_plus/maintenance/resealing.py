"""
Moving what is sealed under the newest key, while the site runs.

Idempotent and resumable: a value that is under the newest key is left alone, and one
that somebody else wrote meanwhile is never overwritten, as that is newer anyway.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from django.db import models

from sessions_plus.crypto import Purpose, seal, sealed_under_current_key, unseal
from sessions_plus.exceptions import SealBroken
from sessions_plus.maintenance.batch_delete import Progress
from sessions_plus.models.session import Session, data_context
from sessions_plus.rows.session_row import database

CHUNK_ROWS = 500
"""How many envelopes are held in memory at once."""


@dataclass(frozen=True, slots=True)
class SealedColumn:
    """
    A column of envelopes: of what they are, and what each is bound to.

    ``owner`` names the foreign key whose row that is, where it is another one. What is left
    behind by an owner that is gone opens nothing any more, and is passed over.
    """

    model: type[models.Model]
    column: str
    purpose: Purpose
    context_of: Callable[[Any], bytes]  # of a row of its model
    owner: str | None = None


@dataclass(slots=True)
class Resealed:
    """How many envelopes were moved, and how many do not open with any key."""

    moved: int = 0
    broken: int = 0


def sessions_column() -> SealedColumn:
    """The sessions' dictionaries. Copies in a cache are not moved: they last minutes."""
    return SealedColumn(
        Session,
        "data",
        Purpose.SESSION_DATA,
        lambda session: data_context(session.public_id, session.user_id),
    )


def reseal(sealed: SealedColumn, *, progress: Progress | None = None) -> Resealed:
    """Seal every value of the column that isn't yet under the newest key; return how many."""
    result = Resealed()
    rows: models.QuerySet[models.Model] = models.QuerySet(sealed.model, using=database()).order_by(
        "pk"
    )
    last = rows.values_list("pk", flat=True).last()
    for row in _rows(_with_envelopes(sealed, rows)):
        envelope = bytes(getattr(row, sealed.column))
        if not sealed_under_current_key(envelope):
            _move(sealed, rows, row, envelope, result)
        if progress is not None:
            progress(row.pk / last)
    if progress is not None:
        progress(1.0)
    return result


def count_unreadable(sealed: SealedColumn, *, sample: int) -> int:
    """Return how many of the ``sample`` newest values of the column open with none of the keys."""
    rows: models.QuerySet[models.Model] = models.QuerySet(sealed.model, using=database())
    newest = _with_envelopes(sealed, rows).order_by("-pk")[:sample]
    return sum(_open(sealed, row) is None for row in newest)


def _with_envelopes(
    sealed: SealedColumn, rows: models.QuerySet[models.Model]
) -> models.QuerySet[models.Model]:
    found = rows.exclude(**{f"{sealed.column}__isnull": True}).exclude(**{sealed.column: b""})
    # Read together, as clean-up may remove the owner at any moment. The key is never null, so
    # it is an inner join, and rows without their owner are not in it.
    return found.select_related(sealed.owner) if sealed.owner else found


def _rows(rows: models.QuerySet[models.Model]) -> Iterator[models.Model]:
    last = None
    while True:
        chunk = list((rows if last is None else rows.filter(pk__gt=last))[:CHUNK_ROWS])
        yield from chunk
        if len(chunk) < CHUNK_ROWS:
            return
        last = chunk[-1].pk


def _move(
    sealed: SealedColumn,
    rows: models.QuerySet[models.Model],
    row: models.Model,
    envelope: bytes,
    result: Resealed,
) -> None:
    opened = _open(sealed, row)
    if opened is None:
        result.broken += 1
        return
    unchanged = rows.filter(pk=row.pk, **{sealed.column: envelope})
    newer = seal(opened, purpose=sealed.purpose, bound_to=sealed.context_of(row))
    # Not the manager's update(): neither version nor copies in the cache change.
    result.moved += models.QuerySet.update(unchanged, **{sealed.column: newer})


def _open(sealed: SealedColumn, row: models.Model) -> bytes | None:
    """Return what the row's envelope holds, or None where it opens with none of the keys."""
    envelope, bound_to = bytes(getattr(row, sealed.column)), sealed.context_of(row)
    try:
        return unseal(envelope, purpose=sealed.purpose, bound_to=bound_to)
    except SealBroken:
        return None
