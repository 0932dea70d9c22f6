"""Counters that many create at once: whoever comes in between, each gets the row."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.db.utils import OperationalError

from sessions_plus.models import Scope, Throttle
from sessions_plus.rows.find_or_create import find_or_create, is_deadlock

pytestmark = pytest.mark.django_db(transaction=True)


class Crowded(QuerySet[Throttle]):
    """Rows beside others: as many times as ``others`` has it, something else comes first."""

    others: list[Callable[[], Exception]]

    def get_or_create(self, *args: Any, **kwargs: Any) -> Any:
        if self.others:
            raise self.others.pop()()
        return super().get_or_create(*args, **kwargs)


def deadlock(*facts: object) -> OperationalError:
    error = OperationalError()
    error.__cause__ = Exception(*facts)
    return error


def rows(*others: Callable[[], Exception]) -> Crowded:
    found = Crowded(Throttle)
    found.others = list(others)
    return found


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(IntegrityError, id="created and removed"),
        pytest.param(lambda: deadlock(1213, "Deadlock found"), id="MariaDB gave it up"),
    ],
)
def test_is_tried_again(other: Callable[[], Exception]) -> None:
    """What only somebody else's row stood in the way of succeeds then."""
    row, is_new = find_or_create(rows(other, other), defaults={}, scope=Scope.NAME, subject="x")

    assert is_new
    assert Throttle.objects.get() == row


def test_row_that_is_there() -> None:
    """A row that is there is returned as it is."""
    made = Throttle.objects.create(scope=Scope.NAME, subject="x", attempts=3)

    row, is_new = find_or_create(
        Throttle.objects.all(), defaults={"attempts": 1}, scope=Scope.NAME, subject="x"
    )

    assert (row, row.attempts, is_new) == (made, 3, False)


def test_another_error_is_none_of_it() -> None:
    """Any other failure of the database is raised."""
    with pytest.raises(OperationalError):
        find_or_create(
            rows(lambda: deadlock(2013, "Lost connection")), defaults={}, scope="name", subject="x"
        )


def test_inside_a_transaction() -> None:
    """In somebody's transaction, which a deadlock has ended, nothing is tried again."""
    with pytest.raises(OperationalError), transaction.atomic():
        find_or_create(
            rows(lambda: deadlock(1213, "Deadlock found")), defaults={}, scope="name", subject="x"
        )


@pytest.mark.parametrize(
    ("facts", "expected"),
    [((1213, "Deadlock found"), True), ((1205, "Lock wait timeout"), False), ((), False)],
)
def test_deadlock(facts: tuple[object, ...], expected: bool) -> None:
    """A deadlock is told by the database's own number."""
    assert is_deadlock(deadlock(*facts)) is expected
