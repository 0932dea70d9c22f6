"""Connections that are kept for whoever asks next."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from typing import Generic, TypeVar

C = TypeVar("C")


class IdleConnections(Generic[C]):
    """
    Those that nobody uses now, for all threads of this process.

    While one is in use nobody else has it, and it is given back only after its answer was
    read in full, whatever else happens, such as a signal's exception: the next command
    would take that answer for its own, and somebody's session for another's.
    """

    def __init__(self, make: Callable[[], C], discard: Callable[[C], object]) -> None:
        self._make = make
        self._discard = discard
        self._is_closed = False
        self._idle: list[C] = []
        self._process = os.getpid()

    def take(self) -> C:
        """Return one to use alone; it connects with its first command."""
        if self._process != os.getpid():
            self._idle, self._process = [], os.getpid()  # of before a fork: they are our parent's
        try:
            return self._idle.pop()
        except IndexError:
            return self._make()

    def give_back(self, connection: C) -> None:
        self._idle.append(connection)
        if self._is_closed:
            self.close()

    def close(self) -> None:
        """Close them, and those in use as soon as they are given back."""
        self._is_closed = True
        with suppress(IndexError):
            while True:
                self._discard(self._idle.pop())
