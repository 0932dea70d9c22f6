"""The list of guards that a test would miss names what is in the code."""

from __future__ import annotations

import pytest

from tests.support.sabotage import ROOT, SABOTAGES, Sabotage


@pytest.mark.parametrize("sabotage", SABOTAGES, ids=lambda sabotage: sabotage.name)
def test_guard_stands_where_the_list_says(sabotage: Sabotage) -> None:
    """Each guard can be taken away, and each test that would miss it is there."""
    text = (ROOT / sabotage.path).read_text()
    files = [word.partition("::")[0] for word in sabotage.tests.split() if word.endswith(".py")]

    assert sabotage.taken_from(text) != text
    assert files
    assert all((ROOT / name).is_file() for name in files)
