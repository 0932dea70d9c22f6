"""How many threads and connections to the database an event loop takes at once."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import pytest
from asgiref.sync import ThreadSensitiveContext, sync_to_async
from django.db import connection, connections
from django.db.backends.signals import connection_created

from sessions_plus.backends import cached_db, db
from sessions_plus.rows import async_reads, session_row
from sessions_plus.rows.async_reads import LEFT_OPEN, READS_AT_ONCE
from tests.support import caches

pytestmark = pytest.mark.django_db(transaction=True)

REQUESTS = 3 * READS_AT_ONCE
PATIENCE_SECONDS = 120


@pytest.fixture(params=["db", "cached_db without its cache"])
def store_class(
    request: pytest.FixtureRequest, start_server: Callable[[str], Any]
) -> Iterator[Any]:
    """An engine all of whose reads come to the database."""
    if request.param == "db":
        yield db.SessionStore
        return
    server = start_server("redis")
    with caches.site_with(caches.core_redis(server.url)):
        server.kill()
        yield cached_db.SessionStore


@contextmanager
def opened() -> Iterator[list[Any]]:
    """The connections to databases that are opened in the block, as often as they are."""
    found: list[Any] = []

    def note(connection: Any, **_: object) -> None:
        found.append(connection)

    connection_created.connect(note)
    try:
        yield found
    finally:
        connection_created.disconnect(note)


@asynccontextmanager
async def a_request() -> AsyncIterator[None]:
    """Have a thread of its own, and close what it opened, as Django's handler does."""
    async with ThreadSensitiveContext():
        try:
            yield
        finally:
            await sync_to_async(connections.close_all)()


class Reads:
    """Counts those who read at once, and lets none go on before so many came."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.inside = self.most = 0
        self.go_on = threading.Event()
        self._lock = threading.Lock()
        self._fetch = session_row.fetch
        monkeypatch.setattr(session_row, "fetch", self)

    def __call__(self, *args: Any) -> Any:
        with self._lock:
            self.inside += 1
            self.most = max(self.most, self.inside)
        assert self.go_on.wait(PATIENCE_SECONDS)
        with self._lock:
            self.inside -= 1
        return self._fetch(*args)

    async def wait_for(self, count: int) -> None:
        while self.inside < count:
            await asyncio.sleep(0.01)


def test_few_read_at_once_and_leave_few_connections(
    store_class: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of requests that come together few read at a time, and few hold a connection afterwards."""
    store = store_class()
    store["color"] = "red"
    store.save()
    key = store.session_key
    reads = Reads(monkeypatch)
    served: list[str] = []

    async def request(is_over: asyncio.Event) -> None:
        async with a_request():
            served.append(await store_class(key).aget("color"))
            await is_over.wait()  # a view that takes long

    async def serve() -> int:
        is_over = asyncio.Event()
        requests = [asyncio.ensure_future(request(is_over)) for _ in range(REQUESTS)]
        await asyncio.wait_for(reads.wait_for(READS_AT_ONCE), PATIENCE_SECONDS)
        reads.go_on.set()
        while len(served) < REQUESTS:
            await asyncio.sleep(0.01)
        held = sum(connection.connection is not None for connection in set(found))
        is_over.set()
        await asyncio.gather(*requests)
        return held

    with opened() as found:
        held = asyncio.run(serve())

    assert served == ["red"] * REQUESTS
    assert reads.most == READS_AT_ONCE
    assert 0 < held <= LEFT_OPEN


def test_connection_that_was_open_stays(store_class: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the request had opened before is nobody else's to close, however many are open."""
    monkeypatch.setattr(async_reads, "LEFT_OPEN", 0)
    store = store_class()
    store["color"] = "red"
    store.save()

    def open_one() -> None:
        connection.ensure_connection()

    def is_open() -> bool:
        return connection.connection is not None

    async def request() -> None:
        async with a_request():
            await sync_to_async(open_one)()
            await store_class(store.session_key).aget("color")
            assert await sync_to_async(is_open)()

    asyncio.run(request())
