"""A session lives and ends in both processes of a server; ``make servers`` shows them all."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest

from tests.servers.kinds import KINDS, Kind
from tests.servers.surroundings import Surroundings
from tests.servers.visit import visit
from tests.support.services import obtain

pytestmark = pytest.mark.services

BY_NAME = {str(kind): kind for kind in KINDS}
ONE_OF_EACH_SORT = [
    "gunicorn, gthread",
    "granian, ASGI",
    "uvicorn, psycopg's pool",
    "gunicorn, gthread, PgBouncer in transaction mode",
]


@pytest.fixture(scope="module")
def around() -> Iterator[Surroundings]:
    with closing(Surroundings()) as found:
        yield found


@pytest.mark.parametrize("kind", [BY_NAME[name] for name in ONE_OF_EACH_SORT], ids=str)
def test_it_runs_with(kind: Kind, around: Surroundings) -> None:
    """Signed in by one process and ended in the other, nobody is signed in; both end at a word."""
    visit(kind, obtain(lambda: around.environment(kind.between)))
