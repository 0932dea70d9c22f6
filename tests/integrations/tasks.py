"""Tasks of a site. A worker of Celery imports them before Django is set up."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.utils.module_loading import import_string

app: Any = import_string("celery.Celery")("site")
app.config_from_object("django.conf:settings", namespace="CELERY")


@app.task  # type: ignore[untyped-decorator]
def make_report(public_id: str) -> str:
    """Put something into the session, as ``docs/with/celery.md`` says."""
    from sessions_plus.lifecycle import open_session

    session = open_session(UUID(public_id))
    if session is None:
        return "signed out meanwhile"
    session["report"] = "ready"
    session.save()
    return "made"


@app.task  # type: ignore[untyped-decorator]
def look_with_key(session_key: str) -> list[str]:
    """Open a session by a key that was queued, which nobody should do."""
    from sessions_plus.store.engine import site_engine

    return [str(name) for name, _ in site_engine()(session_key).items()]
