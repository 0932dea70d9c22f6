"""Which of the pairs of engine and world a test runs with, where the database alone is another."""

from __future__ import annotations

import os
import zlib

import pytest

ENGINES = ("db", "cached_db")
WORLDS = ("sync", "async")


def every_other_pair(config: pytest.Config, items: list[pytest.Item]) -> None:
    """
    Leave out one half of the pairs if ``TEST_PAIRS`` is "half"; the first run has all of them.

    Each test still runs with each engine and in each world. Which engine meets which world is
    another in every second test, so that each pair meets the database in many of them.
    """
    if os.environ.get("TEST_PAIRS") != "half":
        return
    left_out = [item for item in items if _is_left_out(item)]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in set(left_out)]


def _is_left_out(item: pytest.Item) -> bool:
    params = getattr(getattr(item, "callspec", None), "params", {})
    engine, world = params.get("engine"), params.get("world")
    if engine not in ENGINES or world not in WORLDS:
        return False
    turn = zlib.crc32(item.nodeid.partition("[")[0].encode())
    return bool((ENGINES.index(engine) + WORLDS.index(world) + turn) % 2)
