"""The session of a request, typed: of our engines, or not ours to touch."""

from __future__ import annotations

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from sessions_plus.store.session_store import SessionStore


def find_store(request: object) -> SessionStore | None:
    """Return the session of a request; None where it has none, or another engine keeps it."""
    session = getattr(request, "session", None)
    return session if isinstance(session, SessionStore) else None


def current_store(request: object) -> SessionStore:
    """
    Return the session of a request.

    Raises:
        ImproperlyConfigured: it has none, or another engine keeps it.
    """
    store = find_store(request)
    if store is None:
        raise ImproperlyConfigured(
            f"SESSION_ENGINE is {settings.SESSION_ENGINE!r}, and this needs tracked sessions. Set "
            "it to 'sessions_plus.backends.cached_db' or 'sessions_plus.backends.db', and put "
            "'sessions_plus.middleware.SessionMiddleware' into MIDDLEWARE."
        )
    return store
