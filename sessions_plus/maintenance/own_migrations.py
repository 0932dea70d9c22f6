"""Whether the database has the tables that this version of the code reads and writes."""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules

from django.db import connections
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder

from sessions_plus.rows.session_row import database


def are_applied() -> bool:
    """Code that is newer than its tables fails at the first request."""
    applied = MigrationRecorder(connections[database()]).applied_migrations()
    return all(("sessions_plus", name) in applied for name in _names())


def _names() -> list[str]:
    path, _ = MigrationLoader.migrations_module("sessions_plus")
    if path is None:  # a site's tests may go without
        return []
    return [module.name for module in iter_modules(import_module(path).__path__)]
