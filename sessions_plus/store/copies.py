"""What an engine is beside the store: copies of rows in front of the database, or none."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol
from uuid import UUID

from sessions_plus.cache import copies as others
from sessions_plus.cache.copies import NOTHING, Recalled
from sessions_plus.rows.session_row import Row


class Copies(Protocol):
    """
    What a store tells of its row, and may be told of it sooner than by the database.

    The module ``cache.copies`` is one; ``NO_COPIES`` is the other.
    """

    def recall(self, public_id: UUID) -> Recalled:
        """Return the copy, if there is one, and what ``keep`` asks for."""

    async def arecall(self, public_id: UUID) -> Recalled:
        """See recall()."""

    def keep(self, row: Row, recalled: Recalled) -> None:
        """The row was read, or its lease renewed, after ``recalled``."""

    def written(self, row: Row) -> None:
        """The row was made or changed by this request."""

    def outdate(self, public_id: UUID) -> None:
        """The row was changed past its store."""

    def forget(self, public_id: UUID) -> bool:
        """The session ended. Return whether whoever keeps copies knows."""

    def forget_many(self, public_ids: Sequence[UUID]) -> bool:
        """These sessions, at least one, ended together. See forget()."""


class NoCopies:
    """
    The database alone.

    Other servers of the site may keep copies. Where its settings name their cache, that is
    told of what is changed and ended here.
    """

    def recall(self, public_id: UUID) -> Recalled:
        return NOTHING

    async def arecall(self, public_id: UUID) -> Recalled:
        """See recall()."""
        return NOTHING

    def keep(self, row: Row, recalled: Recalled) -> None:
        pass

    def written(self, row: Row) -> None:
        if row.version > 1:  # of a new row nobody has one
            self.outdate(row.public_id)

    def outdate(self, public_id: UUID) -> None:
        if others.is_named():
            others.outdate(public_id)

    def forget(self, public_id: UUID) -> bool:
        return others.forget(public_id) if others.is_named() else True

    def forget_many(self, public_ids: Sequence[UUID]) -> bool:
        return others.forget_many(public_ids) if others.is_named() else True


NO_COPIES: Copies = NoCopies()
