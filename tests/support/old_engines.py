"""The engine that a site had before: sessions in it, as its own code made them."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import pytest
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.auth.models import User
from django.contrib.sessions.backends.db import SessionStore as DjangosStore

from tests.support.sites import BACKEND

DJANGOS = "django.contrib.sessions.backends."
OWN = "tests.support.old_engines"

# What sites have that comes with Django, and one of their own.
ENGINES = [f"{DJANGOS}{name}" for name in ("db", "cached_db", "cache", "signed_cookies", "file")]
ENGINES.append(OWN)
SERVERS = [path for path in ENGINES if not path.endswith("signed_cookies")]

# Two of the four, for what is asked of every old engine.
DIAGONAL = pytest.mark.parametrize(
    ("engine", "world"), [("db", "async"), ("cached_db", "sync")], indirect=True
)


class SessionStore(DjangosStore):
    """A site's own engine, with keys of another form."""

    def _get_new_session_key(self) -> str:
        return "OWN-" + super()._get_new_session_key()[:20]  # type: ignore[misc]


def old_session(engine: str, user: User | None = None, **data: Any) -> str:
    """Store a session in the old engine; return what its cookie holds."""
    store: Any = import_module(engine).SessionStore()
    store.update(data or {"color": "blue"})
    if user is not None:
        store[SESSION_KEY] = str(user.pk)
        store[BACKEND_SESSION_KEY] = BACKEND
        store[HASH_SESSION_KEY] = user.get_session_auth_hash()
    store.save()
    return str(store.session_key)


def is_there(engine: str, key: str) -> bool:
    """Say whether the old engine still has a session under this key."""
    return bool(import_module(engine).SessionStore(key).exists(key))
