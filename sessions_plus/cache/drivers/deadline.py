"""
One deadline for an operation: for connecting, greeting, asking and being answered together.

A socket's own timeout is for each of its waits alone. A server that sends one byte now and
then keeps within it, and holds up whoever reads from it for as long as it likes.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from functools import wraps
from socket import socket
from typing import Any, Concatenate, Generic, ParamSpec, Protocol, TypeVar

from sessions_plus.cache.drivers import contract


class _Operation(threading.local):
    """What this thread is doing: the monotonic time at which it has to be over; None: nothing."""

    until: float | None = None


_operation = _Operation()


class Timed(Protocol):
    """Whoever has methods that end in time."""

    timeout: float


D = TypeVar("D", bound=Timed)
P = ParamSpec("P")
R = TypeVar("R")


def in_time(method: Callable[Concatenate[D, P], R]) -> Callable[Concatenate[D, P], R]:
    """
    Let a method, with all that it calls, take the ``timeout`` of its object at most.

    It must call none that begins a deadline of its own. A signal's exception may leave one
    behind: so each begins anew, and heeds none that is there.
    """

    @wraps(method)
    def timed(self: D, /, *args: P.args, **kwargs: P.kwargs) -> R:
        _operation.until = time.monotonic() + self.timeout
        try:
            return method(self, *args, **kwargs)
        finally:
            _operation.until = None

    return timed


def remaining() -> float:
    """
    Return how many seconds the operation has left; outside of one, those that any may take.

    Raises:
        TimeoutError: none.
    """
    if _operation.until is None:
        return contract.TIMEOUT_SECONDS
    left = _operation.until - time.monotonic()
    if left <= 0:
        raise TimeoutError("The cache took too long")
    return left


class TimedSocket:
    """A connected socket, each of whose waits ends with the operation."""

    def __init__(self, connected: socket) -> None:
        self._socket = connected
        self._longest: float | None = None

    def settimeout(self, seconds: float | None) -> None:
        """Wait no longer than that, either; 0: not at all."""
        self._longest = seconds

    def recv(self, *args: int) -> bytes:
        self._limit_wait()
        return self._socket.recv(*args)

    def recv_into(self, *args: Any) -> int:  # as a socket's
        self._limit_wait()
        return self._socket.recv_into(*args)

    def sendall(self, *args: Any) -> None:  # the same
        self._limit_wait()
        self._socket.sendall(*args)

    def _limit_wait(self) -> None:
        left = remaining()
        self._socket.settimeout(left if self._longest is None else min(left, self._longest))

    def __getattr__(self, name: str) -> Any:  # whatever else a socket has
        return getattr(self._socket, name)


def connected_in_time(connect: Callable[[], socket]) -> TimedSocket:
    """
    Return what ``connect`` connected.

    In a thread that is left behind at the deadline: to look up a name takes as long as
    the system likes, and each of its addresses has a timeout of its own.

    Raises:
        TimeoutError: it came too late, and is closed.
    """
    longest = remaining()
    connected = in_background(connect)
    try:
        return TimedSocket(connected.result(longest))
    except BaseException:
        connected.add_done_callback(_close)
        raise


def _close(connected: Future[socket]) -> None:
    if connected.exception() is None:
        with suppress(OSError):
            connected.result().close()


def in_background(make: Callable[[], R]) -> Future[R]:
    """
    Return what ``make`` will have made, in a thread of its own.

    Raises:
        ConnectionError: there is no thread to be had.
    """
    made: Future[R] = Future()

    def run() -> None:
        try:
            made.set_result(make())
        except Exception as error:  # told to whoever waits for it
            made.set_exception(error)

    try:
        threading.Thread(target=run, name="sessions_plus cache", daemon=True).start()
    except RuntimeError as error:  # the process may have no more, or is about to end
        raise ConnectionError(str(error)) from error
    return made


class Prepared(Generic[R]):
    """
    What takes longer to make than an operation may take, such as a cluster's map of its nodes.

    It is made once, in the background. An operation waits for it as long as it can; the
    next one finds it further on, and begins anew only what had failed.
    """

    def __init__(self, make: Callable[[], R]) -> None:
        self._make = make
        self._lock = threading.Lock()
        self._process = 0
        self._made: Future[R] | None = None

    def get(self) -> R:
        """
        Return it.

        Raises:
            TimeoutError: it takes longer than the operation has left.
            Exception: what ``make`` raised.
        """
        with self._lock:
            made = self._made
            if made is None or self._process != os.getpid() or _has_failed(made):
                self._process = os.getpid()
                made = self._made = in_background(self._make)
        return made.result(remaining())


def _has_failed(made: Future[R]) -> bool:
    return made.done() and made.exception() is not None
