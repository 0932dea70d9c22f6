"""
How the tables are emptied after a test that commits: quickly, as there are many such tests.

Django truncates every table on PostgreSQL, which takes it longer than most tests, and then
makes all content types and permissions anew. Here the few rows are deleted, and what no
test changes stays.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from django.core.management.commands import flush
from django.db import connection

KEPT = ("django_content_type", "auth_permission")


def empty_quickly(patch: pytest.MonkeyPatch) -> None:
    """Change how ``manage.py flush`` works, until ``patch`` is undone."""
    operations: Any = type(connection.ops)
    djangos = operations.sql_flush

    def sql_flush(self: Any, style: Any, tables: Sequence[str], **options: Any) -> list[str]:
        ours = [table for table in tables if table not in KEPT]
        if connection.vendor == "postgresql":
            return [f"DELETE FROM {self.quote_name(table)}" for table in ours]  # noqa: S608 - names
        found: list[str] = djangos(self, style, ours, **options)
        return found

    patch.setattr(operations, "sql_flush", sql_flush)
    patch.setattr(flush, "emit_post_migrate_signal", lambda *_, **__: None)
