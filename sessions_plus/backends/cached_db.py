"""The engine with a cache in front of the database: a read is one cache command and no SQL."""

from sessions_plus.cache import copies as cached_copies
from sessions_plus.store.session_store import SessionStore as BaseStore

__all__ = ["SessionStore"]


class SessionStore(BaseStore):
    """Tracked sessions, read from the cache named by ``SESSION_CACHE_ALIAS``."""

    copies = cached_copies
