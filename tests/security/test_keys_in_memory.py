"""A process keeps nobody's session key: whoever sees its memory later finds none to go in with."""

from __future__ import annotations

import gc
from base64 import urlsafe_b64decode
from collections.abc import Iterator

import pytest
from django.contrib.auth.models import User

from sessions_plus.keys import PUBLIC_ID_BYTES, SECRET_BYTES
from tests.conftest import World
from tests.support.browsers import Browser

pytestmark = [pytest.mark.urls("tests.support.sites"), pytest.mark.django_db(transaction=True)]

SECRET = slice(PUBLIC_ID_BYTES, PUBLIC_ID_BYTES + SECRET_BYTES)


def key_of_a_visit(world: World) -> str:
    """Return the key, backwards, of somebody who signed in, looked around and went away."""
    visitor = Browser(world)
    visitor.get("sign-in", name="ann")
    for _ in range(2):
        assert visitor.text("who") == "ann"
        visitor.get("write", color="red")
    return visitor.key[::-1]


def holders_of(backwards: str) -> Iterator[str]:
    """Name the types of what holds the key, or the part of it that is secret, as text or bytes."""
    key = backwards[::-1]
    secret = urlsafe_b64decode(key)[SECRET]
    for holder in gc.get_objects():
        for held in contents_of(holder):
            sought = [key] if isinstance(held, str) else [key.encode(), secret]
            if any(text in held for text in sought):  # type: ignore[operator]
                yield type(holder).__name__


def contents_of(holder: object) -> Iterator[str | bytes | bytearray]:
    """Return the texts in an object, also in containers that the collector does not watch."""
    for held in gc.get_referents(holder):
        if isinstance(held, str | bytes | bytearray):
            yield held
        elif isinstance(held, dict | tuple) and not gc.is_tracked(held):
            yield from contents_of(held)


def test_no_key_stays_in_memory(engine: str, world: World, user: User) -> None:
    """Once its requests are over nothing holds a key, not even the caches of what was checked."""
    backwards = key_of_a_visit(world)

    gc.collect()
    assert list(holders_of(backwards)) == []


def test_what_is_held_is_found() -> None:
    """The search above finds a key, and its secret part, wherever something holds them."""
    key = "".join(chr(ord("A") + number % 26) for number in range(76))
    kept = [{"cookie": f"sessionid={key}"}, {urlsafe_b64decode(key)[SECRET]: 1}]

    assert list(holders_of(key[::-1])).count("list") >= len(kept)
