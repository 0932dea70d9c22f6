"""The engine without a cache: the row is read with one statement."""

from sessions_plus.store.session_store import SessionStore as BaseStore

__all__ = ["SessionStore"]


class SessionStore(BaseStore):
    """Tracked sessions, read from the database."""
