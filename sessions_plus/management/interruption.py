"""Ctrl-C, so that a long command stops between two steps and not within one."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupted(Exception):
    """Somebody wants the command to stop."""


@contextmanager
def between_steps() -> Iterator[Callable[[], None]]:
    """
    While entered, let Ctrl-C and SIGTERM wait for the end of a step.

    The function that is yielded ends one: it raises Interrupted where a signal came. A second
    signal does what it always does.
    """
    came = threading.Event()

    def stop_if_asked() -> None:
        if came.is_set():
            raise Interrupted

    if threading.current_thread() is not threading.main_thread():
        yield stop_if_asked  # Python lets no other thread have a say
        return
    former = {number: signal.getsignal(number) for number in SIGNALS}

    def restore() -> None:
        for number, handler in former.items():
            signal.signal(number, handler)

    def take_note(*_: object) -> None:
        came.set()
        restore()

    for number in SIGNALS:
        signal.signal(number, take_note)
    try:
        yield stop_if_asked
    finally:
        restore()
