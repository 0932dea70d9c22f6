"""
A store that tells how each load was served: in place of the engine's only where somebody asks.

So whoever asks for nothing pays nothing: no line of the store's own is for this.
"""

from __future__ import annotations

import time
from datetime import datetime
from enum import StrEnum
from typing import ClassVar, Protocol

from sessions_plus.cache.entries import Copy
from sessions_plus.named_types import SessionData
from sessions_plus.rows.session_row import Row
from sessions_plus.store.presentation import KeyState
from sessions_plus.store.reading import Found
from sessions_plus.store.session_store import SessionStore
from sessions_plus.store.writing import Draft


class ServedBy(StrEnum):
    """What a load came from."""

    FAST_PATH = "fast_path"
    """A copy, at one look."""
    COPY = "copy"
    """A copy, judged in full."""
    ROW = "row"
    """The database was asked."""
    NONE = "none"
    """No session: no key, none of ours, or one that has ended."""


class StoreObserver(Protocol):
    """Who is told. Nothing here may raise or wait: it is called within requests."""

    def loaded(self, served_by: ServedBy, seconds: float) -> None:
        """A session was loaded, or there was none."""

    def replayed(self) -> None:
        """The key before the newest came within its grace period, and was told the newest."""

    def rotated(self) -> None:
        """A key in use was replaced."""

    def conflicted(self) -> None:
        """A save met a row that somebody else had written to meanwhile."""


class MeasuredStore(SessionStore):
    """The part of a measured store that measures; ``measured`` joins it to an engine's own."""

    observer: ClassVar[StoreObserver]
    served_by: ServedBy = ServedBy.NONE

    def load(self) -> SessionData:
        begun = time.perf_counter()
        data = super().load()
        self._tell_of_load(begun)
        return data

    async def aload(self) -> SessionData:
        """See load()."""
        begun = time.perf_counter()
        data = await super().aload()
        self._tell_of_load(begun)
        return data

    def _tell_of_load(self, begun: float) -> None:
        self.observer.loaded(self.served_by, time.perf_counter() - begun)
        if self.key_state is KeyState.TOLD:
            self.observer.replayed()

    def _take_unknown(self) -> SessionData:
        self.served_by = ServedBy.NONE
        return super()._take_unknown()

    def _take_copy(self, copy: Copy) -> SessionData:
        self.served_by = ServedBy.FAST_PATH
        return super()._take_copy(copy)

    def _is_served_by(self, copy: Row, now: datetime) -> bool:
        self.served_by = ServedBy.COPY
        return super()._is_served_by(copy, now)

    def _take(self, found: Found) -> SessionData:
        self.served_by = ServedBy.ROW if found.row is not None else ServedBy.NONE
        return super()._take(found)

    def rotate(self, now: datetime, *, is_optional: bool = True) -> None:
        super().rotate(now, is_optional=is_optional)
        if self.key_state is KeyState.ROTATED:
            self.observer.rotated()

    def _take_stored(self, stored: Draft) -> None:
        if stored.row is not self.row:
            self.observer.conflicted()
        super()._take_stored(stored)


def measured(engine: type[SessionStore], observer: StoreObserver) -> type[SessionStore]:
    """Return an engine that tells ``observer`` what it does, and is the given one otherwise."""
    names = {"observer": observer, "__module__": engine.__module__, "__doc__": engine.__doc__}
    return type(engine.__name__, (MeasuredStore, engine), names)
