"""The tests' site with its sessions, devices and events in a database of their own."""

from typing import Any

from tests.settings import *  # noqa: F403

DATABASES = {
    alias: {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}
    for alias in ("default", "sessions")
}
DATABASE_ROUTERS = ["tests.settings_own_database.Router"]


class Router:
    """Everything of ours to ``sessions``, everything else to ``default``."""

    def db_for_read(self, model: type, **hints: Any) -> str:
        is_ours = model._meta.app_label == "sessions_plus"  # type: ignore[attr-defined]
        return "sessions" if is_ours else "default"

    db_for_write = db_for_read

    def allow_migrate(self, db: str, app_label: str, **hints: Any) -> bool:
        return (db == "sessions") == (app_label == "sessions_plus")
