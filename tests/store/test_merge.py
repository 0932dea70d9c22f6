"""The three-way merge: a table of its rules, and laws that hold for any dictionaries."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sessions_plus.store.merge import merge

CASES = [
    pytest.param({}, {}, {}, {}, id="nothing"),
    pytest.param({"a": 1}, {"a": 1}, {"a": 1}, {"a": 1}, id="no change"),
    pytest.param({"a": 1}, {"a": 2}, {"a": 1}, {"a": 2}, id="ours alone"),
    pytest.param({"a": 1}, {"a": 1}, {"a": 2}, {"a": 2}, id="theirs alone"),
    pytest.param({}, {"a": 1}, {"b": 2}, {"a": 1, "b": 2}, id="each adds one"),
    pytest.param({"a": 1}, {"a": 2}, {"a": 3}, {"a": 2}, id="both: the later save"),
    pytest.param({"a": 1}, {}, {"a": 1}, {}, id="we delete"),
    pytest.param({"a": 1}, {"a": 1}, {}, {}, id="they delete"),
    pytest.param({"a": 1}, {}, {}, {}, id="both delete"),
    pytest.param({"a": 1}, {}, {"a": 2}, {"a": 2}, id="we delete what they renewed"),
    pytest.param({"a": 1}, {"a": 2}, {}, {"a": 2}, id="they delete what we renewed"),
    pytest.param(
        {"c": {"x": 1}}, {"c": {"x": 1, "y": 2}}, {"c": {"x": 1, "z": 3}},
        {"c": {"x": 1, "y": 2, "z": 3}}, id="into a nested dictionary",
    ),
    pytest.param(
        {"c": {"x": {"d": 1}}}, {"c": {"x": {}}}, {"c": {"x": {"d": 1, "e": 2}}},
        {"c": {"x": {"e": 2}}}, id="a deletion deep inside",
    ),
    pytest.param({}, {"c": {"x": 1}}, {"c": {"y": 2}}, {"c": {"x": 1, "y": 2}}, id="both add it"),
    pytest.param({"c": {"x": 1}}, {"c": 5}, {"c": {"x": 2}}, {"c": 5}, id="no longer a dictionary"),
    pytest.param({"l": [1]}, {"l": [1, 2]}, {"l": [1, 3]}, {"l": [1, 2]}, id="lists are whole"),
    pytest.param({"a": 1}, {"a": True}, {"a": 1}, {"a": True}, id="1 is not true"),
    pytest.param({"a": [1]}, {"a": [1.0]}, {"a": [1]}, {"a": [1.0]}, id="1 is not 1.0, in a list"),
    pytest.param({"a": None}, {}, {"a": None}, {}, id="null is a value"),
    pytest.param({"a": 1}, {"a": None}, {"a": 1}, {"a": None}, id="set to null"),
]  # fmt: skip


@pytest.mark.parametrize(("base", "ours", "theirs", "expected"), CASES)
def test_merge(base: Any, ours: Any, theirs: Any, expected: Any) -> None:
    """What one side changed is kept; what both changed is ours."""
    assert json.dumps(merge(base, ours, theirs), sort_keys=True) == json.dumps(
        expected, sort_keys=True
    )


values = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 2) | st.sampled_from(["", "x"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("abc"), inner),
    max_leaves=6,
)
dictionaries = st.dictionaries(st.sampled_from("abcd"), values, max_size=4)


def text(data: Any) -> str:
    return json.dumps(data, sort_keys=True)


@given(dictionaries, dictionaries)
def test_one_side_alone_is_taken_whole(base: Any, changed: Any) -> None:
    """Where only one side changed anything, the result is that side."""
    assert text(merge(base, changed, base)) == text(changed)
    assert text(merge(base, base, changed)) == text(changed)


@given(dictionaries, dictionaries)
def test_the_same_change_twice_is_that_change(base: Any, changed: Any) -> None:
    """Where both sides made the same change, the result is that change."""
    assert text(merge(base, changed, copy.deepcopy(changed))) == text(changed)


@given(dictionaries, dictionaries, dictionaries)
def test_every_key_has_its_reason(base: Any, ours: Any, theirs: Any) -> None:
    """A top key that one side left alone ends as the other side has it."""
    merged = merge(base, ours, theirs)
    absent = object()

    for key in base.keys() | ours.keys() | theirs.keys():
        was, mine, other = (side.get(key, absent) for side in (base, ours, theirs))
        if mine is not absent and was is not absent and text(mine) == text(was):
            assert (key in merged) == (other is not absent)
            assert other is absent or text(merged[key]) == text(other)


@given(dictionaries, dictionaries, dictionaries)
def test_nobody_is_changed(base: Any, ours: Any, theirs: Any) -> None:
    """The merge leaves its arguments as they are."""
    before = text([base, ours, theirs])

    merge(base, ours, theirs)

    assert text([base, ours, theirs]) == before
