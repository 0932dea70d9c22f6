"""Which of the pairs of engine and world a test runs with, where the database alone is another."""

from __future__ import annotations

import os
import zlib

import pytest

ENGINES = ("db", "cached_db")
WORLDS = ("sync", "async")
HALVES = ("one half", "other half")


def every_other_pair(config: pytest.Config, items: list[pytest.Item]) -> None:
    """
    Leave out one half of the pairs if ``TEST_PAIRS`` is "one half", or "other half".

    Each test still runs with each engine and in each world. Which engine meets which world is
    another in every second test, so that each pair meets the database in many of them; and in
    the other half of another run the rest do.
    """
    half = os.environ.get("TEST_PAIRS", "")
    if half not in HALVES:
        return
    left_out = [item for item in items if _half_of(item) not in (half, "")]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in set(left_out)]


def _half_of(item: pytest.Item) -> str:
    """Say which half it belongs to; "": to both."""
    params = getattr(getattr(item, "callspec", None), "params", {})
    engine, world = params.get("engine"), params.get("world")
    if engine not in ENGINES or world not in WORLDS:
        return ""
    turn = zlib.crc32(item.nodeid.partition("[")[0].encode())
    return HALVES[(ENGINES.index(engine) + WORLDS.index(world) + turn) % 2]
