"""
One connection to Redis on which an event loop asks whatever it has to, without waiting in between.

Redis answers in the order in which it was asked, and an answer does not say whose it is. So whoever
gives up keeps their place in the queue, and their answer goes to nobody; and whatever else may
disturb the order ends the connection.
"""

from __future__ import annotations

import asyncio
from collections import deque
from contextvars import Context
from typing import TypeAlias

from redis.exceptions import ConnectionError as Disconnected
from redis.exceptions import OutOfMemoryError, ReadOnlyError, ResponseError

from sessions_plus.named_types import RedisAnswer

try:
    from hiredis import HiredisError, Reader, pack_command
except ImportError:  # installed without hiredis, or with one that only parses
    is_available = False
else:
    is_available = True

# A timer that is this late tells of a loop that was busy, so that it may have missed an answer.
LATE_SECONDS = 0.005

Word: TypeAlias = str | bytes | int | float
"""What a command is made of."""

REFUSALS = {"OOM": OutOfMemoryError, "READONLY": ReadOnlyError}


def packed(command: tuple[Word, ...]) -> bytes:
    """Return a command as it is sent, where hiredis is available."""
    sent: bytes = pack_command(command)  # type: ignore[arg-type]  # its stub: one word
    return sent


class Unanswered(Disconnected):
    """The answer was lost, or is too old to count. The server may well be there: ask again."""


def refusal(text: str) -> ResponseError:
    """Return what Redis says where it does not do as it was told."""
    return REFUSALS.get(text.partition(" ")[0], ResponseError)(text)


class Pipeline(asyncio.Protocol):
    """
    A connection that was made and greeted by somebody else, of which this takes the stream over.

    It ends with the first answer that is late: none of those behind it can come in time. One timer
    sees to that for all, as those who asked first have to be answered first.

    ``connection`` is whoever made the stream, and would complain of it if collected before.
    """

    def __init__(self, transport: asyncio.WriteTransport, connection: object = None) -> None:
        self._loop = asyncio.get_running_loop()
        self._reader = Reader(replyError=refusal)
        self._places: deque[tuple[asyncio.Future[RedisAnswer], float]] = deque()
        self._watch: asyncio.TimerHandle | None = None
        self._context = Context()
        self._transport = transport
        self._connection = connection
        self._before = transport.get_protocol()
        self.is_over = False
        transport.set_protocol(self)

    def ask(self, command: tuple[Word, ...], until: float) -> asyncio.Future[RedisAnswer]:
        """
        Send a command; the future has its answer, or an error, by ``until`` in the loop's time.

        Raises:
            Unanswered: the connection was lost, or the loop was busy until it was too late.
            TimeoutError: Redis does not answer.
            ResponseError: it refuses.
        """
        self._transport.write(packed(command))
        answer = self._loop.create_future()
        # Only who has asked has a place: any other would be given the next one's answer.
        self._places.append((answer, until))
        if self._watch is None:
            # In no request's context, which it would keep for as long.
            self._watch = self._loop.call_at(until, self._look, context=self._context)
        return answer

    def end(self, error: type[Exception] = Unanswered, reason: str = "It was closed") -> None:
        """Close the connection, and tell all who wait."""
        self.is_over = True
        self._transport.abort()
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None
        while self._places:
            answer, _ = self._places.popleft()
            if not answer.done():
                answer.set_exception(error(reason))

    def _look(self) -> None:
        """See whether whoever is next has waited for too long."""
        self._watch = None
        if not self._places:
            return
        _, until = self._places[0]
        late = self._loop.time() - until
        if late < 0:
            self._watch = self._loop.call_at(until, self._look, context=self._context)
        elif late < LATE_SECONDS:
            self.end(TimeoutError, "The cache took too long")
        else:
            self.end(Unanswered, "This event loop was busy")

    def data_received(self, data: bytes) -> None:
        """Give each answer to whoever is next. See asyncio.Protocol."""
        reader, places, now = self._reader, self._places, self._loop.time()
        try:
            reader.feed(data)
            while (said := reader.gets()) is not False:  # nothing more that is whole
                answer, until = places.popleft()
                if not answer.done():
                    _tell(answer, said, is_late=now > until)
                if isinstance(said, ReadOnlyError):
                    self.end(Unanswered, "Another server is the primary")
                    return
        except (HiredisError, IndexError) as error:  # no answer, or to no question
            self.end(Unanswered, f"Not understood: {type(error).__name__}")

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncio.Protocol."""
        self.end(Unanswered, "The connection was lost")
        self._before.connection_lost(exc)  # somebody may wait for it there


def _tell(answer: asyncio.Future[RedisAnswer], said: object, *, is_late: bool) -> None:
    """
    Hand an answer over.

    One that lay there while the loop was busy is as old as that: a session may have been
    revoked meanwhile, so it does not count.
    """
    if is_late:
        answer.set_exception(Unanswered("The answer is too old"))
    elif isinstance(said, Exception):
        answer.set_exception(said)
    else:
        answer.set_result(said)
