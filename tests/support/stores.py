"""The stores of requests under way, as many at a time as a race needs, without a request."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.auth.models import User
from django.test import RequestFactory

from sessions_plus.client_info import client_info_from
from sessions_plus.devices.recognition import SignIn
from tests.conftest import World
from tests.support.sites import BACKEND


def under_way(key: str | None, *, device_token: str | None = None) -> Any:
    """Return the store of a request that came with this key and has read its session."""
    store = import_module(settings.SESSION_ENGINE).SessionStore(key)
    store.device_token = device_token
    store.get("color")
    return store


def stored(**data: Any) -> str:
    """Store a session that nobody is signed in to; return its key."""
    store = under_way(None)
    store.update(data or {"color": "blue"})
    store.save()
    return str(store.session_key)


def enter(store: Any, user: User, world: World, methods: tuple[str, ...] = ("pwd",)) -> None:
    """Do to a session what ``login()`` does, and leave the saving to the middleware."""
    world(store, "cycle_key")
    store.update(
        {
            SESSION_KEY: str(user.pk),
            BACKEND_SESSION_KEY: BACKEND,
            HASH_SESSION_KEY: user.get_session_auth_hash(),
        }
    )
    store.bind(SignIn(user, methods))


def signed_in(
    user: User,
    *,
    device_token: str | None = None,
    methods: tuple[str, ...] = ("pwd",),
    agent: str | None = None,
) -> str:
    """Sign somebody in, with a browser of that name; return the key of their session."""
    store = under_way(None, device_token=device_token)
    if agent is not None:
        store.client = client_info_from(RequestFactory().get("/", headers={"user-agent": agent}))
    enter(store, user, World("sync"), methods)
    store.save()
    return str(store.session_key)


def user_id_under(key: str | None) -> Any:
    """Return whom a key signs in: the primary key as Django keeps it, or None."""
    return under_way(key).get(SESSION_KEY)
