"""What the indexes of sessions are for, as the database says."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.utils import timezone

from sessions_plus.models import Session

# SQLite's and PostgreSQL's words for both conditions being looked up in the index.
BOTH = {
    "sqlite": r"sessions_plus_session_user \(user_id=\? AND revoked_at=\?\)",
    "postgresql": r"sessions_plus_session_user.*Index Cond: .*user_id = \d+.*revoked_at IS NULL",
    "mysql": r"sessions_plus_session_user",
}

CHANGED_BY_A_TOUCH = {"last_activity", "expire_date", "ip_address", "location", "user_agent"}


@pytest.mark.django_db
def test_live_sessions_are_found_among_all_that_ended(user: User) -> None:
    """However many sessions of a person ended, the index leads to those that go on."""
    now = timezone.now()
    facts = {"user": user, "created_at": now, "last_activity": now, "revoked_at": now}
    Session.objects.bulk_create(
        Session(key_hash=f"{number:064x}", expire_date=now + timedelta(days=1), **facts)
        for number in range(300)
    )
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(f"ANALYZE {Session._meta.db_table}")  # or it knows of no rows
            cursor.execute("SET LOCAL enable_seqscan = off")  # it takes small tables as they are

    plan = Session.objects.for_user(user).active().explain()

    assert re.search(BOTH[connection.vendor], plan, re.DOTALL), plan


def test_touch_moves_no_index() -> None:
    """What a request writes of a session is in no index, so that PostgreSQL does it in place."""
    indexed = {name for index in Session._meta.indexes for name in index.fields}
    indexed |= {
        field.name
        for field in Session._meta.fields
        if field.unique or getattr(field, "db_index", False)
    }

    assert indexed.isdisjoint(CHANGED_BY_A_TOUCH)
