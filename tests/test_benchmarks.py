"""What a long benchmark tells and keeps while it runs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

pytest.importorskip("benchmarks.growth")


def test_growth_keeps_what_it_measured(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """After each size the file has all figures so far, and who waits is told where."""
    from benchmarks.growth import keep

    path = tmp_path / "new" / "growth.json"
    keep(path, {10: {"load": 1.5}}, {})
    first = json.loads(path.read_text())
    keep(path, {10: {"load": 1.5}, 20: {"load": 1.6}}, {"ratio": 1.2})

    assert first == {"milliseconds": {"10": {"load": 1.5}}, "clean-up": {}}
    assert json.loads(path.read_text())["milliseconds"]["20"] == {"load": 1.6}
    told = capsys.readouterr()
    assert str(path) in told.err
    assert told.out == ""  # the figures alone
