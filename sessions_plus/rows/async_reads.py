"""
Reading the database from an event loop: in the request's own thread, and few at a time.

Under ASGI Django gives each request a thread, and whatever reads there opens a connection of
its own. Where a cache fails under hundreds of requests, the database would get as many.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from functools import partial
from typing import ParamSpec, TypeVar
from weakref import WeakKeyDictionary, WeakSet

from asgiref.sync import sync_to_async
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper

# Reads of one event loop at once. Each takes a millisecond or so: far more than a loop can serve.
READS_AT_ONCE = 16
# Connections that the reads of this process leave open for what their requests do next.
LEFT_OPEN = 16

P = ParamSpec("P")
T = TypeVar("T")

_turns: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore] = WeakKeyDictionary()
_lock = threading.Lock()
_left_open: WeakSet[BaseDatabaseWrapper] = WeakSet()


def read_in_thread(read: Callable[P, T]) -> Callable[P, Awaitable[T]]:
    """Return what calls ``read`` in the request's thread, when it is its turn."""

    async def in_turn(*args: P.args, **kwargs: P.kwargs) -> T:
        loop = asyncio.get_running_loop()
        turns = _turns.get(loop)
        if turns is None:
            turns = _turns[loop] = asyncio.Semaphore(READS_AT_ONCE)
        async with turns:
            return await sync_to_async(_read)(partial(read, *args, **kwargs))

    return in_turn


def _read(read: Callable[[], T]) -> T:
    before = set(_open_connections())
    try:
        return read()
    finally:
        for connection in _open_connections():
            if connection not in before:
                _leave_open_or_close(connection)


def _open_connections() -> list[BaseDatabaseWrapper]:
    return [
        connection
        for connection in connections.all(initialized_only=True)
        if connection.connection is not None
    ]


def _leave_open_or_close(connection: BaseDatabaseWrapper) -> None:
    """
    Leave it to the rest of the request, which mostly wants one; where many are, close it.

    Its request may take long and never want one: a stream, or a view that waits for others.
    """
    with _lock:
        is_crowded = sum(other.connection is not None for other in _left_open) >= LEFT_OPEN
        if not is_crowded:
            _left_open.add(connection)
    if is_crowded:
        connection.close()
