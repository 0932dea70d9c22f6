"""Several sites on one Redis: what one keeps of a session is nothing to another."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID, uuid4

import pytest
import redis
from asgiref.sync import sync_to_async
from django.contrib.auth.models import User
from django.test import Client, override_settings

from sessions_plus.cache import copies
from sessions_plus.lifecycle import revoke_all
from sessions_plus.models import Session
from sessions_plus.testing import sign_in

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.urls("tests.support.doors")]

ENGINE = "sessions_plus.backends.cached_db"


def by_site(key: str, prefix: str, version: int) -> str:
    return f"shop|{version}|{key}"


def by_tenant(key: str, prefix: str, version: int) -> str:
    return f"{{blog}}/{key}"


# Each way in which sites tell their entries apart: by a function, by a prefix, by a version.
SITES: dict[str, dict[str, Any]] = {
    "shop|": {"KEY_FUNCTION": f"{__name__}.by_site"},
    "{blog}/": {"KEY_FUNCTION": f"{__name__}.by_tenant"},
    "forum:": {"KEY_PREFIX": "forum"},
    ":7:": {"VERSION": 7},
}


@pytest.fixture
def url(redis_server: Any) -> Iterator[str]:
    redis.Redis.from_url(redis_server.url).flushdb()
    yield redis_server.url
    copies.reset()


@contextmanager
def site(start: str, url: str) -> Iterator[None]:
    """Serve one of the sites, in a process that knows nothing of the others."""
    cache = {"BACKEND": "django_redis.cache.RedisCache", "LOCATION": url} | SITES[start]
    with override_settings(CACHES={"default": cache}, SESSION_ENGINE=ENGINE):
        copies.reset()
        yield
    copies.reset()


def names(url: str) -> set[str]:
    keys: Any = redis.Redis.from_url(url).keys("*")
    return {key.decode() for key in keys}


@pytest.mark.parametrize("start", SITES)
def test_each_names_its_own(start: str, url: str, user: User) -> None:
    """Every entry of a site is named as its cache names entries."""
    client = Client()
    with site(start, url):
        sign_in(client, user, methods=("pwd",))
        assert client.get("/").content == b"hello ann"

    assert names(url)
    assert all(name.startswith(start) for name in names(url))


@pytest.mark.parametrize("other", [start for start in SITES if start != "shop|"])
def test_what_one_does_is_nothing_to_another(other: str, url: str, user: User) -> None:
    """The end of a session here takes no copy away there, under the very same name."""
    client = Client()
    sign_in(client, user, methods=("pwd",))
    for start in ("shop|", other):
        with site(start, url):
            assert client.get("/").content == b"hello ann"
    before = values(url, other)

    with site("shop|", url):
        revoke_all(user)
        assert client.get("/").content == b"hello AnonymousUser"

    assert before
    assert values(url, other) == before


def values(url: str, start: str) -> dict[str, bytes]:
    client = redis.Redis.from_url(url)
    return {name: client.get(name) for name in names(url) if name.startswith(start)}  # type: ignore[misc]


@pytest.mark.parametrize("other", [start for start in SITES if start != "shop|"])
def test_no_copy_is_found_by_another(other: str, url: str, user: User) -> None:
    """A site that has none of its own asks its database, and does not take another's."""
    client = Client()
    with site("shop|", url):
        sign_in(client, user, methods=("pwd",))
        public_id: UUID = Session.objects.get().public_id
        client.get("/")
        client.get("/")
        assert copies.recall(public_id).copy is not None

    with site(other, url):
        assert copies.recall(public_id).copy is None


async def test_a_name_that_hangs_on_the_thread(url: str) -> None:
    """A function that asks the thread's connection is asked in the thread that serves, and fits."""
    with override_settings(CACHES=cache_named(url, f"{__name__}.by_thread")):
        copies.reset()
        public_id = uuid4()
        asked = await sync_to_async(threading.get_ident)()

        await copies.arecall(public_id)

    [name] = names(url)
    assert name.startswith(f"{asked} ")


def by_thread(key: str, prefix: str, version: int) -> str:
    return f"{threading.get_ident()} {key}"


def cache_named(url: str, function: str) -> dict[str, Any]:
    backend = "django_redis.cache.RedisCache"
    return {"default": {"BACKEND": backend, "LOCATION": url, "KEY_FUNCTION": function}}
