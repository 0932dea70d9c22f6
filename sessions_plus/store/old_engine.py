"""
The engine that a site comes from: its sessions are read and ended, and never written.

Invariant for whoever edits this: nothing is asked of it for what cannot be one of its keys,
and no store of it gets to store anything, whatever it does with a key that it does not know.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from importlib import import_module
from secrets import token_hex
from typing import Any

from django.conf import settings
from django.contrib.sessions.backends.base import SessionBase
from django.contrib.sessions.backends.cache import SessionStore as CacheStore
from django.contrib.sessions.backends.file import SessionStore as FileStore
from django.contrib.sessions.backends.signed_cookies import SessionStore as SignedCookies
from django.core import signing
from django.core.cache import BaseCache, caches

from sessions_plus.conf import conf
from sessions_plus.exceptions import NotSerialisable
from sessions_plus.named_types import SessionData
from sessions_plus.rows import payload as payloads
from sessions_plus.rows.columns import AUTH_USER_KEY
from sessions_plus.rows.lifetime import EXPIRY_KEY
from sessions_plus.store import old_tables
from sessions_plus.store.old_tables import NOTHING_TOLD, Details

# What Django's engines and those derived from them make.
KEY = re.compile(r"[0-9a-z]{32}")

# A cookie that holds the session itself is ``payload:timestamp:signature``.
SIGNS_IN_COOKIE = 2

# What an engine keeps in the data for itself.
KEPT_FOR_ITSELF = ("_qsessions_ip", "_qsessions_user_agent")

# What shows that a cache answers stays there for so long.
ASKED_SECONDS = 10

# Whoever had one of these in a session was somebody else, and acted as its user.
ACTING_KEYS = ("hijack_history", "loginas_from_user")


@dataclass(frozen=True, slots=True, repr=False)
class OldSession:
    """
    A session of the old engine. Its ``key`` is as secret as one of ours.

    ``data`` is what can be stored of its dictionary, without what the engine kept there.
    """

    key: str
    data: Mapping[str, Any]  # see named_types.SessionData
    details: Details = NOTHING_TOLD

    @property
    def is_somebodys(self) -> bool:
        """Whether it names who is signed in to it. Not yet, whether they are let in."""
        return AUTH_USER_KEY in self.data

    @property
    def is_acted_in(self) -> bool:
        """Whether somebody acts in it as its user, by a package for impersonation."""
        return any(self.data.get(key) for key in ACTING_KEYS)


def is_adopting(now: datetime) -> bool:
    """Say whether sessions of another engine are taken over; not at ``ADOPT_UNTIL`` or after."""
    until = conf.adopts_until
    return until is not None and now < until


def cookie_in(cookies: Mapping[str, str]) -> str | None:
    """Return the old engine's cookie, where that has a name of its own."""
    if conf.ADOPT_FROM is None or conf.ADOPT_COOKIE_NAME is None:
        return None
    return cookies.get(conf.ADOPT_COOKIE_NAME)


def store_class() -> type[SessionBase]:
    """Return the store of the old engine."""
    return _imported(conf.ADOPT_FROM or "")


@lru_cache(maxsize=4)
def _imported(path: str) -> type[SessionBase]:
    found: type[SessionBase] = import_module(path).SessionStore
    return found


def open_store(key: str) -> Any:  # a SessionBase, with what only some engines have
    """Return a store of the old engine that can read and delete, and creates nothing."""
    store: Any = store_class()(key)  # the same
    # django-user-sessions stores a new session for each key that it does not know.
    store.create = lambda: setattr(store, "_session_key", None)
    if isinstance(store, FileStore) and conf.ADOPT_COOKIE_NAME is not None:
        store.file_prefix = conf.ADOPT_COOKIE_NAME  # it calls its files what the cookie is called
    return store


def may_be_key(text: str) -> bool:
    """Say whether the old engine may have made this. No I/O."""
    engine = store_class()
    if issubclass(engine, SignedCookies):
        return text.count(":") >= SIGNS_IN_COOKIE and read(text) is not None
    if KEY.fullmatch(text):
        return True
    # The stubs leave out what is private.
    makes_its_own = engine._get_new_session_key is not SessionBase._get_new_session_key  # type: ignore[attr-defined]
    return makes_its_own and text.isascii() and text.isprintable()


def read(key: str) -> OldSession | None:
    """Return a session of the old engine; None where there is none, or no longer."""
    store = open_store(key)
    data = store.load()
    return OldSession(key, storable(data)) if store.session_key == key else None


def is_gone(key: str) -> bool:
    """
    Say whether the old engine no longer has a session that it had.

    Never where it keeps them in cookies, nor where a cache does not answer. Whatever an engine
    fails with is raised.
    """
    engine = store_class()
    if issubclass(engine, SignedCookies):
        return False
    return _is_out_of_cache(key) if issubclass(engine, CacheStore) else read(key) is None


def _is_out_of_cache(key: str) -> bool:
    # Itself it takes whatever its cache fails with for a session that is not there.
    cache = caches[settings.SESSION_CACHE_ALIAS]
    return cache.get(open_store(key).cache_key) is None and _answers(cache)


def _answers(cache: BaseCache) -> bool:
    """Say whether a cache is there: one may be told to keep its failures to itself."""
    name = f"sessions_plus.asked.{token_hex(8)}"
    cache.set(name, True, ASKED_SECONDS)
    return cache.get(name) is not None


def find(key: str) -> OldSession | None:
    """Return a session of the old engine, where the key may be one of its. See read()."""
    return read(key) if may_be_key(key) else None


def with_details(old: OldSession) -> OldSession:
    """Return the session with what its table tells of it."""
    details = old_tables.details_of([old.key]).get(old.key, NOTHING_TOLD)
    return OldSession(old.key, old.data, details)


def storable(data: Mapping[str, object]) -> SessionData:
    """
    Return what of a dictionary is worth keeping and can be stored here.

    A cache held objects of any kind, which ``SESSION_SERIALIZER`` may not take.
    """
    kept = {key: value for key, value in data.items() if key not in KEPT_FOR_ITSELF}
    expiry = kept.get(EXPIRY_KEY)
    if isinstance(expiry, datetime):
        kept[EXPIRY_KEY] = expiry.isoformat()
    if _can_be_stored(kept):
        return kept
    return {key: value for key, value in kept.items() if _can_be_stored({key: value})}


def _can_be_stored(data: SessionData) -> bool:
    try:
        payloads.encode(data)
    except NotSerialisable:
        return False
    return True


def end(keys: Iterable[str]) -> None:
    """End sessions of the old engine, wherever it keeps them."""
    ended = list(keys)
    for key in ended:
        open_store(key).delete(key)
    listed = old_tables.listed_rows()
    if listed is not None:
        listed.filter(session_key__in=ended).delete()


def end_in_table(keys: Collection[str]) -> None:
    """
    End sessions of an engine that has a table: there, and in its cache. See end().

    Two or three statements, however many they are.
    """
    rows, listed = old_tables.own_rows(), old_tables.listed_rows()
    for table in (rows, listed):
        if table is not None:
            table.filter(session_key__in=keys).delete()
    prefix = getattr(store_class(), "cache_key_prefix", None)
    if prefix is not None:
        caches[settings.SESSION_CACHE_ALIAS].delete_many([f"{prefix}{key}" for key in keys])


def decode(text: str) -> SessionData | None:
    """Return the dictionary that the old engine's table holds as text; None: it does not open."""
    store = open_store("")
    decoded: SessionData = store.decode(text)
    return decoded or (decoded if _opens(text, store) else None)


def _opens(text: str, store: SessionBase) -> bool:
    try:
        signing.loads(text, salt=store.key_salt, serializer=store.serializer)
    except Exception:  # each serializer has errors of its own
        return False
    return True
