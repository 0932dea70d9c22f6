"""
Copies in Redis: one name per session, one command per read, and no pickle.

The serializer, the compressor and the ``IGNORE_EXCEPTIONS`` of the cache alias have no
say here: what stands in a slot is bytes that only ``entries`` can open.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from operator import methodcaller
from uuid import UUID

from asgiref.sync import sync_to_async
from redis.exceptions import (
    ConnectionError as Disconnected,
)
from redis.exceptions import (
    NoScriptError,
    OutOfMemoryError,
    RedisClusterException,
    RedisError,
    ResponseError,
)

from sessions_plus.cache import slots
from sessions_plus.cache.drivers import pipelined
from sessions_plus.cache.drivers.contract import ServerState, stem
from sessions_plus.cache.drivers.deadline import Prepared, in_time
from sessions_plus.cache.drivers.idle import IdleConnections
from sessions_plus.cache.drivers.pipelined import Word
from sessions_plus.cache.drivers.redis_clients import Configuration, close
from sessions_plus.cache.drivers.redis_loops import LoopClients
from sessions_plus.cache.drivers.turns import Crowded
from sessions_plus.cache.slots import Reading
from sessions_plus.named_types import RedisClient

# slots.successor(), where nothing can come between looking and putting.
# ARGV: what the caller saw there, its copy, the copy's version, a fresh reservation or
# nothing, milliseconds.
SWAP = """
local held = redis.call('GET', KEYS[1])
if not held then return 0 end
local kind, value = string.sub(held, 1, 1), nil
if held == ARGV[1] then
  value = ARGV[2]
elseif kind == 'c' and (tonumber(string.sub(held, 2, 17)) or 0) <= tonumber(ARGV[3]) then
  value = ARGV[2]
elseif ARGV[4] ~= '' and (kind == 's' or kind == 'h') then
  value = ARGV[4]
end
if not value then return 0 end
redis.call('SET', KEYS[1], value, 'PX', ARGV[5])
return 1
"""

# ARGV: the value, milliseconds.
OCCUPY = """
if redis.call('GET', KEYS[1]) == 't' then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
"""

# What it says of its role, in our words.
ROLES = {"master": "primary", "slave": "replica"}

# Thousands may be pending after an outage, and whoever probes has one deadline for each command.
NAMES_PER_COMMAND = 200


class RedisDriver:
    """A ``Driver`` for a single Redis, one behind sentinels, and a cluster."""

    faults: tuple[type[Exception], ...] = (RedisError, RedisClusterException, OSError)

    def __init__(self, configuration: Configuration, make_key: Callable[[str], str]) -> None:
        self.kind = configuration.kind
        self.timeout = configuration.timeout
        self._make_key = make_key
        self._configuration = configuration
        self._loops = LoopClients(configuration)
        self._server_ids: dict[object, bytes] = {}
        self._lost: Callable[[], None] = lambda: None
        configuration.on_connect = self._greet
        configuration.aon_connect = self._agreet
        self._made: RedisClient = None
        self._cluster = Prepared(configuration.client)
        # A cluster or sentinels say whom to ask.
        self._asks_itself = type(configuration) is Configuration
        self._idle = IdleConnections(self._connection, methodcaller("disconnect"))

    @property
    def _client(self) -> RedisClient:
        # A cluster is asked for its nodes here: at the first command, where faults are met.
        if self._made is None:
            is_cluster = self._configuration.is_many_servers
            self._made = self._cluster.get() if is_cluster else self._configuration.client()
            self._scripts = {text: self._made.register_script(text) for text in (SWAP, OCCUPY)}
        return self._made

    @in_time
    def clock(self) -> float | None:
        if self._configuration.is_many_servers:
            return None
        seconds, microseconds = self._client.time()
        return float(seconds + microseconds / 1_000_000)

    def servers(self) -> Sequence[ServerState]:
        if not self._configuration.is_many_servers:
            return [self._state(self._configuration.address)]
        return [self._state(node.name, node) for node in self._client.get_primaries()]

    @in_time
    def _state(self, address: str, node: object = None) -> ServerState:
        try:
            said = self._client.info(**({} if node is None else {"target_nodes": node}))
        except ResponseError:  # an access list may forbid it
            return ServerState(address)
        return ServerState(address, ROLES.get(said.get("role")), said.get("maxmemory_policy"))

    def watch(self, lost: Callable[[], None]) -> None:
        self._lost = lost

    def name_of(self, public_id: UUID) -> str:
        return str(self._make_key(stem(public_id)))

    @in_time
    def read(self, name: str) -> Reading:
        try:
            return slots.read(self._get(name))
        except ResponseError as error:
            return _foreign(error)

    def _get(self, name: str) -> object:
        return self._ask("GET", name) if self._asks_itself else self._client.get(name)

    def _set_where_vacant(self, name: str, value: bytes, milliseconds: int) -> object:
        if self._asks_itself:
            return self._ask("SET", name, value, "PX", milliseconds, "NX")
        return self._client.set(name, value, nx=True, px=milliseconds)

    def _run(self, text: str, name: str, args: Sequence[Word]) -> object:
        client = self._client
        script = self._scripts[text]
        if self._asks_itself:
            with suppress(NoScriptError):  # the first time, and after a restart of Redis
                return self._ask("EVALSHA", script.sha, 1, name, *args)
        return script(keys=[name], args=args, client=client)

    def _ask(self, *command: Word) -> object:
        """
        Send one command on a connection of ours, and return the answer.

        These stand on every request's path, and redis-py's general way (a pool, a retry, a
        callback) takes about half as long again as the command itself.
        """
        connection = self._idle.take()
        try:
            answer = _exchange(connection, command)
        except ResponseError:  # an answer, too
            connection.was_used = True
            self._idle.give_back(connection)
            raise
        except BaseException:
            connection.disconnect()
            raise
        connection.was_used = True
        self._idle.give_back(connection)
        return answer

    def _connection(self) -> RedisClient:
        pool = self._client.connection_pool
        return pool.connection_class(**pool.connection_kwargs)

    async def aread(self, name: str) -> Reading:
        loop = await self._loops.get()
        if loop is None:
            return await sync_to_async(self.read)(name)
        try:
            return slots.read(await loop.ask("GET", name))
        except Crowded:
            return slots.BARRED
        except ResponseError as error:
            return _foreign(error)

    @in_time
    def reserve(self, name: str, value: bytes, *, seconds: float) -> bool:
        try:
            return bool(self._set_where_vacant(name, value, _milliseconds(seconds)))
        except OutOfMemoryError:
            return False

    async def areserve(self, name: str, value: bytes, *, seconds: float) -> bool:
        loop = await self._loops.get()
        if loop is None:
            return await sync_to_async(self.reserve)(name, value, seconds=seconds)
        try:
            done = await loop.ask("SET", name, value, "PX", _milliseconds(seconds), "NX")
        except (OutOfMemoryError, Crowded):
            return False
        return bool(done)

    @in_time
    def fill(self, name: str, entry: bytes, *, version: int, ticket: bytes, seconds: float) -> bool:
        return self._store(name, entry, version, ticket, b"", seconds)

    @in_time
    def replace(
        self, name: str, entry: bytes, *, version: int, hold: bytes, seconds: float
    ) -> None:
        self._store(name, entry, version, hold, slots.reservation(), seconds)

    def _store(
        self, name: str, entry: bytes, version: int, seen: bytes, vacated: bytes, seconds: float
    ) -> bool:
        args: list[Word] = [
            seen,
            slots.copy(version, entry),
            version,
            vacated,
            _milliseconds(seconds),
        ]
        return self._or_clear(name, lambda: self._run(SWAP, name, args))

    @in_time
    def occupy(self, name: str, value: bytes, *, seconds: float) -> None:
        args: list[Word] = [value, _milliseconds(seconds)]
        self._or_clear(name, lambda: self._run(OCCUPY, name, args))

    @in_time
    def mark_ended(self, name: str, *, seconds: float) -> None:
        client = self._client
        milliseconds = _milliseconds(seconds)
        self._or_clear(name, lambda: client.set(name, slots.TOMBSTONE, px=milliseconds))

    def mark_ended_many(self, names: Sequence[str], *, seconds: float) -> None:
        pipeline = self._client.pipeline(transaction=False)
        for name in names:
            pipeline.set(name, slots.TOMBSTONE, px=_milliseconds(seconds))
        answers = pipeline.execute(raise_on_error=False)
        errors = [answer for answer in answers if isinstance(answer, Exception)]
        for error in errors:
            if not isinstance(error, OutOfMemoryError):
                raise error
        if errors:
            self.clear(names)

    def _or_clear(self, name: str, act: Callable[[], object]) -> bool:
        """Do it; where Redis is full, or what stands there is no string, remove that."""
        try:
            return bool(act())
        except ResponseError as error:
            if not isinstance(error, OutOfMemoryError) and "WRONGTYPE" not in str(error):
                raise
            self._client.delete(name)
            return False

    def clear(self, names: Sequence[str]) -> None:
        for some in self._batches(names):
            self._remove(some)

    @in_time
    def _remove(self, names: Sequence[str]) -> None:
        self._client.delete(*names)

    async def aclear(self, names: Sequence[str]) -> None:
        loop = await self._loops.get()
        if loop is None:
            await sync_to_async(self.clear)(names)
            return
        for some in self._batches(names):
            await loop.ask("DEL", *some)

    def _batches(self, names: Sequence[str]) -> Iterator[Sequence[str]]:
        """Part names into those of one command. In a cluster each may live on another node."""
        size = 1 if self._configuration.is_many_servers else NAMES_PER_COMMAND
        return (names[start : start + size] for start in range(0, len(names), size))

    def close(self) -> None:
        self._idle.close()
        if self._made is not None:
            close(self._made)

    # Restarts. A server that came back may have older data than when it left, and one
    # that took over may never have been told of the last tombstones.

    def _greet(self, connection: RedisClient) -> None:
        try:
            if not self._configuration.is_many_servers:  # a cluster has done so already
                connection.on_connect()
            self._note_server(connection, _server_info(connection))
        except BaseException:
            connection.disconnect()  # half greeted it must not go back to a pool
            raise

    async def _agreet(self, connection: RedisClient) -> None:
        try:
            await connection.on_connect()
            self._note_server(connection, await _aserver_info(connection))
        except BaseException:
            await connection.disconnect(nowait=True)
            raise

    def _note_server(self, connection: RedisClient, info: object) -> None:
        """
        Take note of who answered. Who will not say may be anybody.

        Behind one name there is one server at a time. In a cluster each address has
        its own, and one that takes over is met by way of an error.
        """
        where = (connection.host, connection.port) if self._configuration.is_many_servers else None
        lines = info.splitlines() if isinstance(info, bytes) else []
        found = next((line for line in lines if line.startswith(b"run_id:")), b"")
        known = self._server_ids.setdefault(where, found)
        if known != found or not found:
            self._server_ids[where] = found
            self._lost()


def _exchange(connection: RedisClient, command: tuple[Word, ...]) -> object:
    """
    Send one command and return its answer.

    Each of ours may be sent twice, so one that was lost with its connection is.
    """
    if pipelined.is_available:
        sent = [pipelined.packed(command)]  # redis-py would look at each word first
    else:
        sent = connection.pack_command(*command)
    try:
        connection.send_packed_command(sent, check_health=False)
        return connection.read_response()
    except Disconnected:
        if not connection.was_used:
            raise
    # The server closed it while nobody asked, or is another by now.
    connection.disconnect()
    connection.send_packed_command(sent, check_health=False)
    return connection.read_response()


def _server_info(connection: RedisClient) -> object:
    """Return what the server says of itself; None where an access list forbids to ask."""
    connection.send_command("INFO", "server")
    try:
        return connection.read_response()
    except ResponseError:
        return None


async def _aserver_info(connection: RedisClient) -> object:
    """See _server_info()."""
    await connection.send_command("INFO", "server")
    try:
        return await connection.read_response()
    except ResponseError:
        return None


def _foreign(error: ResponseError) -> Reading:
    """What is no string is none of ours; anything else that Redis refuses is a fault."""
    if "WRONGTYPE" in str(error):
        return slots.BARRED
    raise error


def _milliseconds(seconds: float) -> int:
    return int(seconds * 1000)
