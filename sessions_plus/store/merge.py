"""
Three-way merge of session dictionaries: what makes concurrent requests lose nothing.

``base`` is what this request loaded, ``ours`` what it has now, ``theirs`` what
another request stored meanwhile.
"""

from __future__ import annotations

from typing import Any

from sessions_plus.named_types import SessionData

_ABSENT = object()


def merge(base: SessionData, ours: SessionData, theirs: SessionData) -> SessionData:
    """
    Return ``theirs`` with the difference between ``base`` and ``ours`` applied to it.

    Key by key and into nested dictionaries. What only one side changed is kept;
    what both changed is ours, the later save. A key that either side deleted
    stays deleted, unless the other gave it a new value. Lists and scalars are
    values: they are replaced whole.
    """
    merged: SessionData = {}
    for key in (*theirs, *(key for key in ours if key not in theirs)):
        value = _merge_value(
            base.get(key, _ABSENT), ours.get(key, _ABSENT), theirs.get(key, _ABSENT)
        )
        if value is not _ABSENT:
            merged[key] = value
    return merged


def _merge_value(base: object, ours: object, theirs: object) -> object:
    if _equal(ours, base):
        return theirs
    if _equal(theirs, base):
        return ours
    if isinstance(ours, dict) and isinstance(theirs, dict):
        return merge(base if isinstance(base, dict) else {}, ours, theirs)
    return theirs if ours is _ABSENT else ours


def _equal(one: Any, other: Any) -> bool:  # of one type, once that was seen
    """Equal as stored: ``1`` and ``True`` are not, as JSON tells them apart."""
    if one is other:
        return True
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(_equal(one[key], other[key]) for key in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(_equal, one, other))
    return bool(one == other)
