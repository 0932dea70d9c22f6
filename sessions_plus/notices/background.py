"""
Work that no request waits for: each piece in a thread of its own, given up after a deadline.

A process that ends waits for what it has begun: a command's mail would end with it.
"""

from __future__ import annotations

import atexit
import os
import threading
from collections.abc import Callable
from concurrent.futures import Future, InvalidStateError

from django.db import connections

DEADLINE_SECONDS = 5.0

# A thread that is given up has yet to say so, and to part from the database.
DRAIN_SECONDS = 2 * DEADLINE_SECONDS

# So many threads may hang in a server that never answers; what comes on top fails at once.
MOST_AT_ONCE = 32


class Background:
    """What this process does beside its requests."""

    def __init__(self) -> None:
        self._start_afresh()
        atexit.register(self.drain)
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._start_afresh)

    def _start_afresh(self) -> None:
        """Leave to a parent process what it began: its threads are not ours."""
        self._slots = threading.BoundedSemaphore(MOST_AT_ONCE)
        self._under_way: set[Future[None]] = set()
        self._settled = threading.Condition()

    def start(self, act: Callable[[], object]) -> Future[None]:
        """
        Begin with ``act``, and return at once.

        The future fails with what it raises, or with a TimeoutError at the deadline: then it
        is left to itself.

        Raises:
            TimeoutError: so many hang already that this one would, too.
        """
        if not self._slots.acquire(blocking=False):
            raise TimeoutError(f"{MOST_AT_ONCE} others are waiting for an answer")
        future: Future[None] = Future()
        self._under_way.add(future)
        deadline = threading.Timer(DEADLINE_SECONDS, self._give_up, [future])
        worker = threading.Thread(target=self._do, args=[act, future, deadline])
        for thread in (deadline, worker):
            thread.daemon = True
            thread.start()
        return future

    def _do(
        self, act: Callable[[], object], future: Future[None], deadline: threading.Timer
    ) -> None:
        failure: BaseException | None = None
        try:
            act()
        except BaseException as error:
            failure = error
        deadline.cancel()
        self._slots.release()
        self._settle(future, failure)

    def _give_up(self, future: Future[None]) -> None:
        self._settle(future, TimeoutError(f"no answer within {DEADLINE_SECONDS:g} seconds"))

    def _settle(self, future: Future[None], failure: BaseException | None) -> None:
        """
        Say what became of it, unless that was said; whoever listens may ask the database.

        Who waits for the end goes on when this thread has parted from the database.
        """
        is_told = _tell(future, failure)
        connections.close_all()
        if is_told:
            with self._settled:
                self._under_way.discard(future)
                self._settled.notify_all()

    def drain(self) -> None:
        """Return once all that is under way is done or given up, and told of."""
        with self._settled:
            self._settled.wait_for(lambda: not self._under_way, DRAIN_SECONDS)


def _tell(future: Future[None], failure: BaseException | None) -> bool:
    """Settle the future; False where another thread did."""
    try:
        if failure is not None:
            future.set_exception(failure)
        else:
            future.set_result(None)
    except InvalidStateError:
        return False
    return True


background = Background()
