"""Copies of rows as bytes: they give back what they were made of, and open nowhere else."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from sessions_plus.backends.db import SessionStore
from sessions_plus.cache import entries
from sessions_plus.keys import new_public_id
from sessions_plus.models.session import unseal_data
from sessions_plus.rows import session_row
from sessions_plus.rows.session_row import Row

pytestmark = pytest.mark.django_db


@pytest.fixture
def row() -> Row:
    store = SessionStore()
    store["color"] = "red"
    store.save()
    assert store.public_id is not None
    found = session_row.fetch(store.public_id)
    assert found is not None
    found.payload = unseal_data(found.data, found.public_id, found.user_id)
    return found


def test_a_copy_is_as_its_row(row: Row) -> None:
    """Every fact that a reader needs comes back; the sealed data and successor stay away."""
    entry = entries.encode(row, proven_at=1.0)

    copy = entries.decode(entry, row.public_id)

    assert copy is not None
    assert copy.row() == replace(row, data=b"", sealed_successor=None)
    assert copy.payload == row.payload


def test_a_copy_opens_only_as_its_session(row: Row) -> None:
    """In another session's slot it is nothing."""
    assert entries.decode(entries.encode(row, proven_at=1.0), new_public_id()) is None


def test_a_copy_counts_only_if_proven_since(row: Row) -> None:
    """One that was proven before the given moment is a miss; at that moment it counts."""
    now = time.time()
    entry = entries.encode(row, proven_at=now)

    assert entries.decode(entry, row.public_id, proven_since=now) is not None
    assert entries.decode(entry, row.public_id, proven_since=now + 0.001) is None
