"""The engine that a site chose, for what is done to sessions outside of their own requests."""

from __future__ import annotations

from importlib import import_module
from typing import Any, cast

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from sessions_plus.cache import copies as cache_copies
from sessions_plus.cache.tier import Tier
from sessions_plus.store.copies import NO_COPIES, Copies
from sessions_plus.store.measured import MeasuredStore, StoreObserver, measured
from sessions_plus.store.session_store import SessionStore


def site_engine() -> type[SessionStore]:
    """
    Return the site's session store.

    Raises:
        ImproperlyConfigured: it is none of ours.
    """
    store = import_module(settings.SESSION_ENGINE).SessionStore
    if not issubclass(store, SessionStore):
        raise ImproperlyConfigured(
            f"SESSION_ENGINE is {settings.SESSION_ENGINE!r}, and this needs tracked sessions. Set "
            "it to 'sessions_plus.backends.cached_db' or 'sessions_plus.backends.db'."
        )
    return cast(type[SessionStore], store)


def site_copies() -> Copies:
    """Return what is to be told of a row that was changed or ended past its store."""
    store = import_module(settings.SESSION_ENGINE).SessionStore
    return cast(Copies, getattr(store, "copies", NO_COPIES))


def has_cache() -> bool:
    """Say whether there may be copies in a cache, of this process or of others."""
    return site_copies() is not NO_COPIES or cache_copies.is_named()


def site_tier() -> Tier | None:
    """Return the cache in which there may be copies; None: there are none."""
    return cache_copies.tier() if has_cache() else None


def measure_with(observer: StoreObserver) -> None:
    """
    Let every store that is made from now on tell ``observer`` what it does.

    In the module of the engine itself, as that is where Django, Channels and we look for its
    class. An engine that is none of ours is left alone.
    """
    module: Any = import_module(settings.SESSION_ENGINE)  # which has a SessionStore
    store = module.SessionStore
    if issubclass(store, MeasuredStore):
        store.observer = observer
    elif issubclass(store, SessionStore):
        module.SessionStore = measured(store, observer)
