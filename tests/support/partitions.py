"""Sessions and events in partitions by month, made as the page of the documents tells."""

from __future__ import annotations

import re
from pathlib import Path

from django.db import connection

PAGE = Path(__file__).parents[2] / "docs" / "operating" / "partitions.md"


def script() -> str:
    """Return the page's first block of SQL, which moves both tables into partitions."""
    found = re.search(r"^```postgres\n(.*?)^```", PAGE.read_text(), re.DOTALL | re.MULTILINE)
    assert found is not None
    return found[1]


def move_into_partitions() -> None:
    """Run it in the transaction that there is, as tests roll it back; else in one of its own."""
    with connection.cursor() as cursor:
        cursor.execute(re.sub(r"^(BEGIN|COMMIT);\n", "", script(), flags=re.MULTILINE))


def partitions_of(table: str) -> dict[str, int]:
    """Return how many rows each partition has."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT relid::text FROM pg_partition_tree(%s) WHERE isleaf ORDER BY 1", [table]
        )
        names = [name for (name,) in cursor.fetchall()]
        found = {}
        for name in names:
            cursor.execute(f"SELECT count(*) FROM {connection.ops.quote_name(name)}")  # noqa: S608
            found[name] = int(cursor.fetchone()[0])
    return found
