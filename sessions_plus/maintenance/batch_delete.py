"""
Removing many rows beside traffic: in short statements, one range of the table at a time.

No index is needed for the condition, memory stays constant, rows that somebody holds
locked are left for the next time, and what was done stays done if it is interrupted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from django.db import connections, models, transaction
from django.db.models.expressions import RawSQL
from django.db.utils import OperationalError

from sessions_plus.maintenance.key_ranges import KeyPath, PagePath, Path, is_divided, place
from sessions_plus.maintenance.lock_timeout import SHORT_WAIT, is_lock_timeout, waiting_at_most
from sessions_plus.rows.prepared import Prepared

BATCH_ROWS = 2_000
"""How many rows one statement is meant to change: a few tens of milliseconds."""

Progress = Callable[[float], None]
"""Told how much of the table is behind, from 0 to 1."""

Quickly = Callable[[int, int], "Counter[str] | None"]
"""Changes the rows from one position to another; None where it must be done slowly."""


@dataclass(frozen=True, slots=True)
class Step:
    """
    Something to remove, or to change where ``changes`` is given.

    ``rows`` says which rows, without an order. Where a row is in several steps of a task,
    it is the first that has it.
    """

    name: str
    rows: models.QuerySet[models.Model]
    changes: dict[str, object] | None = None


@dataclass(frozen=True, slots=True)
class BatchTask:
    """
    What is to be done on one way through a table.

    One way, as rows that were just removed cost as much to pass by as others.
    ``is_in_order`` holds where no row is to be removed after the first range of the
    table without any, as in a journal. ``can_wait`` holds where rows may stay for some more
    runs, so that one may pass a part of the table by.
    """

    steps: Sequence[Step]
    is_in_order: bool = False
    can_wait: bool = False

    @property
    def name(self) -> str:
        return self.steps[0].name

    @property
    def table(self) -> models.QuerySet[models.Model]:
        rows = self.steps[0].rows
        return models.QuerySet(rows.model, using=rows.db)


@dataclass(frozen=True, slots=True)
class Part:
    """
    One block of a table in every ``parts``: as many runs, of a ``turn`` each, go through all.

    Blocks lie where they lie, whatever is removed or added meanwhile.
    """

    parts: int = 1
    turn: int = 0

    def next_block(self, position: int, size: int) -> int:
        """Return where this part goes on from a position: there, or where its next block begins."""
        to_come = (self.turn - position // size) % self.parts
        return (position // size + to_come) * size if to_come else position

    def end_of_block(self, position: int, size: int) -> int:
        """Return the last position that belongs to this part with the given one."""
        return (position // size + 1) * size - 1


WHOLE = Part()


def run_in_batches(
    task: BatchTask, *, part: Part = WHOLE, progress: Progress | None = None
) -> dict[str, int]:
    """Remove or change the rows; return how many there were for each step."""
    total = Counter({step.name: 0 for step in task.steps})
    for found, done in _ranges(task, part):
        total.update(found)
        if progress is not None:
            progress(done)
    return dict(total)


def _ranges(task: BatchTask, part: Part) -> Iterator[tuple[Counter[str], float]]:
    """Do what is to be done; yield what was found, and how much of the table is behind."""
    path = _path(task)
    if path is None:
        return
    quickly = _quickly(task.steps, path)
    lower: int | None = path.first
    width = path.width
    while lower is not None and lower <= path.last:
        begin = part.next_block(lower, path.widest)
        if begin > lower:
            lower = path.after(begin - 1)
            continue
        upper = lower + width - 1
        if part is not WHOLE:
            upper = min(upper, part.end_of_block(lower, path.widest))
        found = quickly(lower, upper) if quickly else None
        if found is None:
            found = _in_batches(task.steps, path, lower, upper)
        yield found, min(1.0, (upper - path.first + 1) / (path.last - path.first + 1))
        if task.is_in_order and not found.total():
            break
        width = _next_width(width, found.total(), path.widest)
        lower = path.after(upper)
    yield Counter(), 1.0


def _path(task: BatchTask) -> Path | None:
    """Only keys tell which rows of a journal are its oldest."""
    in_pages = _is_postgresql(task.table) and not task.is_in_order
    return (PagePath if in_pages else KeyPath).through(task.table)


def _next_width(width: int, found: int, widest: int) -> int:
    """Look at as much at once as can be without changing much more than a batch or two."""
    if found < BATCH_ROWS:
        return min(widest, 2 * width)
    return max(1, width // 2) if found > 3 * BATCH_ROWS else width


def _quickly(steps: Sequence[Step], path: Path) -> Quickly | None:
    """
    Return what changes a range without locking its rows first, where that can be done.

    Locking them takes as long again. It returns None where somebody holds one of them
    locked, and has done nothing then.
    """
    if not _is_postgresql(steps[0].rows):
        return None
    using = steps[0].rows.db
    prepared = _prepared(steps, path)

    def run(lower: int, upper: int) -> Counter[str] | None:
        try:
            with transaction.atomic(using=using), waiting_at_most(SHORT_WAIT, using=using):
                return Counter(prepared(lower, upper))
        except OperationalError as error:
            if is_lock_timeout(error):
                return None
            raise

    return run


def _prepared(steps: Sequence[Step], path: Path) -> Callable[[int, int], dict[str, int]]:
    if isinstance(path, PagePath):
        ready = [
            (step.name, Prepared.of(path.within_blanks(step.rows), step.changes)) for step in steps
        ]
        return lambda lower, upper: {
            name: statement.run(**path.ends(lower, upper)) for name, statement in ready
        }
    return lambda lower, upper: {
        step.name: Prepared.of(path.within(step.rows, lower, upper), step.changes).run()
        for step in steps
    }


def _in_batches(steps: Sequence[Step], path: Path, lower: int, upper: int) -> Counter[str]:
    """Change those rows that nobody holds, at most a batch at a time."""
    found: Counter[str] = Counter()
    for step in steps:
        rows = path.within(step.rows, lower, upper)
        while count := _one_batch(rows, step.changes):
            found[step.name] += count
            if count < BATCH_ROWS:
                break
    return found


def _one_batch(rows: models.QuerySet[models.Model], changes: dict[str, object] | None) -> int:
    """Change at most a batch of those rows that nobody holds."""
    with transaction.atomic(using=rows.db):
        if changes is None and _is_postgresql(rows) and not is_divided(rows):
            return _delete_by_place(rows)
        keys = list(_unlocked(rows).values_list("pk", flat=True)[:BATCH_ROWS])
        if keys:
            Prepared.of(rows.filter(pk__in=keys), changes).run()
    return len(keys)


def _unlocked(rows: models.QuerySet[models.Model]) -> models.QuerySet[models.Model]:
    """Lock the rows and leave out those that others hold; as far as the database can."""
    features = connections[rows.db].features
    if not features.has_select_for_update:
        return rows
    return rows.select_for_update(skip_locked=features.has_select_for_update_skip_locked)


def _delete_by_place(rows: models.QuerySet[models.Model]) -> int:
    """
    Delete by the rows' physical places, which PostgreSQL need not look up again.

    Less than half the time of a deletion by key.
    """
    connection = connections[rows.db]
    table = connection.ops.quote_name(rows.model._meta.db_table)
    places = RawSQL(place(rows), ())  # noqa: S611 - a name, no value
    chosen = _unlocked(rows).annotate(place=places).values_list("place")[:BATCH_ROWS]
    sql, params = chosen.query.get_compiler(rows.db).as_sql()
    with connection.cursor() as cursor:
        cursor.execute(f"DELETE FROM {table} WHERE ctid = ANY(ARRAY({sql}))", params)  # noqa: S608
        return int(cursor.rowcount)


def _is_postgresql(rows: models.QuerySet[models.Model]) -> bool:
    return connections[rows.db].vendor == "postgresql"
