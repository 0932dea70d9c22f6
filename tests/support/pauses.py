"""Stop a thread at an exact step of real code, so that a race has its worst order each time."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar

from django.db import connections

T = TypeVar("T")

PATIENCE_SECONDS = 120


class Pause:
    """
    While entered, one call of a function stops: after it did its work, or ``before``.

    ``turn`` says which call it is, counted from one; all others go through.
    """

    def __init__(self, owner: Any, name: str, *, before: bool = False, turn: int = 1) -> None:
        self.owner, self.name = owner, name
        self.before = before
        self._turns = turn
        self._lock = threading.Lock()
        self._reached, self._go = threading.Event(), threading.Event()

    def __enter__(self) -> Pause:
        self._original = getattr(self.owner, self.name)

        def stopping(*args: Any, **kwargs: Any) -> Any:
            stops = self._take_turn()
            if stops and self.before:
                self._stop()
            result = self._original(*args, **kwargs)
            if stops and not self.before:
                self._stop()
            return result

        setattr(self.owner, self.name, stopping)
        return self

    def __exit__(self, *_: object) -> None:
        self._go.set()
        setattr(self.owner, self.name, self._original)

    def _take_turn(self) -> bool:
        with self._lock:
            self._turns -= 1
            return self._turns == 0

    def _stop(self) -> None:
        self._reached.set()
        assert self._go.wait(PATIENCE_SECONDS), "nobody let it go on"

    def wait(self) -> None:
        """Return once the call has stopped."""
        assert self._reached.wait(PATIENCE_SECONDS), f"{self.name} was not called"

    def release(self) -> None:
        self._go.set()


def in_thread(act: Callable[[], T]) -> Future[T]:
    """Start ``act`` in a thread of its own, with database connections of its own."""

    def run() -> T:
        try:
            return act()
        finally:
            connections.close_all()

    executor = ThreadPoolExecutor(1)
    future = executor.submit(run)
    executor.shutdown(wait=False)
    return future


@contextmanager
def stopped(act: Callable[[], object], at: Pause) -> Iterator[None]:
    """Do the inner block while ``act``, in a thread of its own, is stopped; then let it end."""
    with at as pause:
        running = in_thread(act)
        pause.wait()
        yield
        pause.release()
        running.result(PATIENCE_SECONDS)
