"""The tests' site with its events in a database of their own."""

from __future__ import annotations

from typing import Any

from tests.settings import *  # noqa: F403
from tests.support.databases import sqlite

DATABASES = {alias: sqlite() for alias in ("default", "events")}
DATABASES["events"]["NAME"] += "-events"
DATABASES["events"]["TEST"] = {"NAME": DATABASES["events"]["NAME"]}
DATABASE_ROUTERS = ["tests.settings_own_events.Router"]


class Router:
    """Events to ``events``, everything else to ``default``."""

    def db_for_read(self, model: type, **hints: Any) -> str:
        return "events" if model.__name__ == "SessionEvent" else "default"

    db_for_write = db_for_read

    def allow_relation(self, one: object, other: object, **hints: Any) -> bool:
        return True

    def allow_migrate(self, db: str, app_label: str, **hints: Any) -> bool:
        return db == "default" or app_label == "sessions_plus"
