"""
A client of Redis for each event loop, closed when its loop is.

One server is asked for everything on one connection (see ``pipelined``). A cluster is asked through
redis-py, by a few at a time; so is any Redis where hiredis is not installed.
"""

from __future__ import annotations

import asyncio
import weakref
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator
from contextvars import Context

import redis

from sessions_plus.cache.drivers import pipelined
from sessions_plus.cache.drivers.pipelined import LATE_SECONDS, Pipeline, Unanswered, Word
from sessions_plus.cache.drivers.redis_clients import Configuration, sentinels_of
from sessions_plus.cache.drivers.turns import Turns
from sessions_plus.named_types import RedisAnswer, RedisClient

UNREACHABLE = (redis.ConnectionError, redis.TimeoutError, OSError)


class LoopClients:
    """One asyncio client per event loop."""

    def __init__(self, configuration: Configuration) -> None:
        self._configuration = configuration
        self._clients: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, LoopClient] = (
            weakref.WeakKeyDictionary()
        )

    async def get(self) -> LoopClient | None:
        """Return the running loop's client; None: there is none for this kind of Redis."""
        loop = asyncio.get_running_loop()
        found = self._clients.get(loop)
        if found is None:
            found = client_for(self._configuration)
            if found is None:
                return None
            self._forget_closed_loops()
            self._clients[loop] = found
            await found.open()
        return found

    def _forget_closed_loops(self) -> None:
        """Let go of loops that somebody closed without an end to what hung on them."""
        for reference in self._clients.keyrefs():
            loop = reference()
            if loop is not None and loop.is_closed():
                self._clients.pop(loop, None)


def client_for(configuration: Configuration) -> LoopClient | None:
    """Return a new client for the running loop."""
    client = configuration.async_client()
    if client is None:
        return None
    if configuration.is_many_servers:
        return ClusterClient(client, configuration.timeout)
    return (PipelinedClient if _can_pipeline(client) else PooledClient)(
        client, configuration.timeout
    )


def _can_pipeline(client: RedisClient) -> bool:
    """Say whether there is a parser, and redis-py shows its stream where we look for it."""
    return pipelined.is_available and hasattr(client.connection_pool.make_connection(), "_writer")


class LoopClient(ABC):
    """
    The client of one loop.

    Its end hangs on an asynchronous generator that never goes on: that is the one
    thing that a loop closes by itself (``shutdown_asyncgens``), as ``asyncio.run``
    and every ASGI server have it do.
    """

    def __init__(self, client: RedisClient, timeout: float) -> None:
        self.client = client
        self._timeout = timeout
        self._life = self._live()

    async def open(self) -> None:
        await anext(self._life)

    @abstractmethod
    async def ask(self, *command: Word) -> RedisAnswer:
        """Run one command, within the timeout. It may be sent twice, as each of ours may be."""

    @abstractmethod
    async def _ask(self, until: float, command: tuple[Word, ...]) -> RedisAnswer:
        """Run it; ``until``, in the loop's time, it is waited for."""

    async def _ask_by(self, until: float, command: tuple[Word, ...]) -> RedisAnswer:
        """Run it, with all that it takes, by ``until``."""
        async with asyncio.timeout_at(until):
            return await self._ask(until, command)

    async def _ask_patiently(self, until: float, command: tuple[Word, ...]) -> RedisAnswer:
        """
        Run a command, again where the timeout may be the loop's own fault.

        A loop that was held up by somebody's long computation finds answer and timeout at
        once, and asyncio lets the timeout win.
        """
        loop = asyncio.get_running_loop()
        try:
            return await self._ask_by(until, command)
        except (TimeoutError, redis.TimeoutError):
            if loop.time() < until + LATE_SECONDS:
                raise
        return await self._ask_by(loop.time() + self._timeout, command)

    async def _live(self) -> AsyncGenerator[None, None]:
        try:
            yield
        finally:
            await self._close()

    async def _close(self) -> None:
        await self.client.aclose()
        for sentinel in sentinels_of(self.client):
            await sentinel.aclose()


class PipelinedClient(LoopClient):
    """All that a loop asks of one server, on one connection."""

    _pipeline: Pipeline | None = None
    _connection: RedisClient | None = None
    _connecting: asyncio.Task[Pipeline] | None = None

    async def ask(self, *command: Word) -> RedisAnswer:
        until = asyncio.get_running_loop().time() + self._timeout
        pipeline = self._pipeline
        if pipeline is not None and not pipeline.is_over:
            try:
                return await pipeline.ask(command, until)
            except Unanswered:
                return await self._ask_again(until, command)
        return await self._ask_patiently(until, command)

    async def _ask_again(self, until: float, command: tuple[Word, ...]) -> RedisAnswer:
        """Ask in the time that is left; if there is none, that was the loop's fault."""
        now = asyncio.get_running_loop().time()
        return await self._ask_by(until if now < until else now + self._timeout, command)

    async def _ask(self, until: float, command: tuple[Word, ...]) -> RedisAnswer:
        pipeline = await self._connected()
        return await pipeline.ask(command, until)

    async def _connected(self) -> Pipeline:
        """Connect in a task for all who wait, of whom the first may be gone before it is done."""
        pipeline = self._pipeline
        if pipeline is not None and not pipeline.is_over:
            return pipeline
        connecting = self._connecting
        if connecting is None or connecting.done():
            loop = asyncio.get_running_loop()
            # In no request's context: the connection would keep that for as long as it lasts.
            connecting = loop.create_task(self._connect(), context=Context())
            self._connecting = connecting
        return await asyncio.shield(connecting)

    async def _connect(self) -> Pipeline:
        await self._disconnect()
        self._connection = self.client.connection_pool.make_connection()
        async with asyncio.timeout(self._timeout):
            await self._connection.connect()
        self._pipeline = Pipeline(self._connection._writer.transport, self._connection)
        return self._pipeline

    async def _disconnect(self) -> None:
        if self._pipeline is not None:
            self._pipeline.end()
            self._pipeline = None
        if self._connection is not None:
            await self._connection.disconnect(nowait=True)
            self._connection = None

    async def _close(self) -> None:
        if self._connecting is not None:
            self._connecting.cancel()
            await asyncio.wait([self._connecting])
            self._connecting = None
        await self._disconnect()
        await super()._close()


class PooledClient(LoopClient):
    """What a loop asks through redis-py: each command on a connection that it has to itself."""

    def __init__(self, client: RedisClient, timeout: float) -> None:
        super().__init__(client, timeout)
        self._turns = Turns(timeout, faults=UNREACHABLE)

    async def ask(self, *command: Word) -> RedisAnswer:
        """Run it, as soon as a connection is free. See Turns.take()."""
        return await self._turns.take(lambda: self._ask_in_turn(command))

    async def _ask_in_turn(self, command: tuple[Word, ...]) -> RedisAnswer:
        until = asyncio.get_running_loop().time() + self._timeout
        return await self._ask_patiently(until, command)

    async def _ask(self, until: float, command: tuple[Word, ...]) -> RedisAnswer:
        return await self.client.execute_command(*command)


class ClusterClient(PooledClient):
    """What a loop asks of a cluster, once it knows of its nodes."""

    _knows_nodes = False
    _learning: asyncio.Future[object] | None = None

    async def _ask(self, until: float, command: tuple[Word, ...]) -> RedisAnswer:
        if not self._knows_nodes:
            await self._learn_of_nodes()
        return await super()._ask(until, command)

    async def _learn_of_nodes(self) -> None:
        """Ask a cluster, in a task that goes on where that takes longer. See Prepared."""
        learning = self._learning
        if learning is None or _has_failed(learning):
            learning = self._learning = asyncio.ensure_future(self.client.initialize())
        await asyncio.shield(learning)
        self._knows_nodes = True

    async def _close(self) -> None:
        if self._learning is not None:
            self._learning.cancel()
        await super()._close()


def _has_failed(task: asyncio.Future[object]) -> bool:
    return task.done() and (task.cancelled() or task.exception() is not None)
