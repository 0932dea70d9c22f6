"""
Activity that is recorded after the response, before it comes to be due: nobody waits for it.

Invariant for whoever edits this: whatever is lost here costs a session some of its last activity
and nothing else. It is recorded by the statement that also proves the row, a copy goes only to
where the one lay that was served, and what is due is recorded and proved before anybody is served.
"""

from __future__ import annotations

import atexit
import logging
import os
import threading
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import lru_cache, partial
from typing import NamedTuple
from uuid import UUID

from asgiref.sync import sync_to_async
from django.contrib.auth import get_user_model
from django.core import mail
from django.core.cache import caches
from django.db import DEFAULT_DB_ALIAS, Error, close_old_connections, connections, router
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.utils import load_backend
from django.http.response import HttpResponseBase
from django.utils import timezone

from sessions_plus.cache import copies
from sessions_plus.cache.copies import Recalled
from sessions_plus.cache.entries import Copy
from sessions_plus.client_info import ClientInfo
from sessions_plus.rows import touches as rows
from sessions_plus.rows.session_row import Row, database
from sessions_plus.rows.touches import RowTouch
from sessions_plus.store import lease
from sessions_plus.store.admission import is_within_limits
from sessions_plus.store.unwritable import doing_without, warning

logger = logging.getLogger("sessions_plus")

# So long touches wait for others. A session is served on its copy meanwhile.
GATHERING_SECONDS = 1.0

# One statement locks no more rows than this, and nobody waits long for one of them.
MOST_AT_ONCE = 500

# What comes on top is recorded when it is due. A copy takes about a kilobyte.
MOST_WAITING = 10_000

# A process that ends waits no longer for a database.
DRAIN_SECONDS = 5.0


class Touch(NamedTuple):
    """
    Activity to record: the copy that served, who came, when (Unix time), and where the copy lay.

    Little is worked out as long as anybody waits: neither the row nor what it has to learn.
    """

    copy: Copy
    client: ClientInfo | None
    moment: float
    recalled: Recalled

    def on_row(self) -> RowTouch:
        """Return the row as its copy has it, and what is to be written there."""
        row = self.copy.row()
        moment = datetime.fromtimestamp(self.moment, row.last_activity.tzinfo)
        return RowTouch(row, lease.activity(row, self.client, moment))


def hand_over(touch: Touch, response: HttpResponseBase) -> None:
    """
    Let a touch be made after ``response``: together with others, by a thread of this process.

    Where no thread may do it, by the one that serves the request, once all was sent.
    """
    if not leave_to_thread(touch):
        # Django's own name, which its stubs do not know.
        closers: list[Callable[[], object]] = response._resource_closers  # type: ignore[attr-defined]
        closers.append(partial(make_calmly, [touch]))


async def ahand_over(touch: Touch, response: HttpResponseBase) -> None:
    """See hand_over(). Before it was sent: what closes a response may be of another thread."""
    if not leave_to_thread(touch):
        await sync_to_async(make_calmly)([touch])


def leave_to_thread(touch: Touch) -> bool:
    """Let a touch be made soon, together with others. False where no thread may do it."""
    here = databases()
    return may_use_thread(here.sessions) and waiting.add(touch, here)


def may_use_thread(alias: str) -> bool:
    """
    Say whether another thread can ask for the row that this one serves.

    Not from within a transaction, as it may have made the row; not in a test, whose transaction
    may be another thread's, and which is over before the thread is; not where the database is
    of this thread; nor where code of the site's says for each thread which tenant it serves.
    """
    if copies.tier().has_names_of_the_sites or is_in_memory(alias) or is_test():
        return False
    if has_cursors_of_the_sites(connections.settings[alias]["ENGINE"]):
        return False
    return not connections[alias].in_atomic_block


def is_test() -> bool:
    """Say whether a test runs here: Django puts the mails of one there."""
    return hasattr(mail, "outbox")


@lru_cache(maxsize=8)
def has_cursors_of_the_sites(engine: str) -> bool:
    """Say whether a database is told with each cursor whose schema it is to look in."""
    made_by = load_backend(engine).DatabaseWrapper._cursor
    return made_by is not BaseDatabaseWrapper._cursor  # type: ignore[attr-defined]  # private


def is_in_memory(alias: str) -> bool:
    name = str(connections.settings[alias]["NAME"])
    return name == ":memory:" or "mode=memory" in name


def make_calmly(touches: Sequence[Touch]) -> None:
    """Make touches where nobody can be told of a failure: then they are made when they are due."""
    try:
        make(touches)
    except Error as error:
        if warning.is_due():
            logger.warning(
                "Activity of %d sessions was not recorded ahead of time (%s: %s). It is when it "
                "is due.",
                len(touches),
                type(error).__name__,
                str(error).strip(),
            )


def make(touches: Sequence[Touch]) -> None:
    """
    Record activity, and keep the copies of the rows that it proves.

    Of the others, those that are over are found by reading; where nothing can be written, all
    are read. What comes too late revives nothing: the next request ends such a session.
    """
    now = timezone.now()
    planned = [(touch.recalled, touch.on_row()) for touch in touches]
    # A request that read its session twice may know of later activity than its own.
    planned = [(recalled, one) for recalled, one in planned if one.is_later]
    planned = [(recalled, one) for recalled, one in planned if is_within_limits(one.row, now)]
    changed: set[UUID] = set()
    with doing_without():
        changed = rows.touch_many([one for _, one in planned])
    for recalled, (row, columns) in planned:
        if row.public_id in changed:
            row.take(columns)
            copies.keep(row, recalled)
    unchanged = [one.row for _, one in planned if one.row.public_id not in changed]
    if unchanged:
        outdate_what_is_over(unchanged)


def outdate_what_is_over(unchanged: Sequence[Row]) -> None:
    """
    Let no copy serve of a session that is over, among those whose rows were not touched.

    Others live: somebody moved their row, and has seen to its copy, or has locked it; nothing can
    be written; or their user is gone, which the request finds on which they are due. Nothing is
    ended here, and no tombstone put: a site may show this thread other rows than its requests, as
    by a role or a search path, so the next request finds by itself what is over.
    """
    alive = rows.alive_of([row.public_id for row in unchanged])
    for row in unchanged:
        if row.public_id not in alive:
            copies.outdate(row.public_id)


class Databases(NamedTuple):
    """Where sessions and users are. A router of the site's may say so for each thread."""

    sessions: str
    users: str


ONLY_ONE = Databases(DEFAULT_DB_ALIAS, DEFAULT_DB_ALIAS)


def databases() -> Databases:
    if not router.routers:
        return ONLY_ONE
    return Databases(database(), router.db_for_write(get_user_model()))


class Left(NamedTuple):
    """A touch that was left to the thread, and where it is to look."""

    touch: Touch
    databases: Databases


def seen_from_here(left: Sequence[Left]) -> list[Touch]:
    """Return what this thread can ask for. In another's database none of them would be alive."""
    here = databases()
    return [one.touch for one in left if one.databases == here]


class Waiting:
    """
    The touches of this process that wait for others, and the thread that makes them.

    It lives as long as there are any, and parts from the database then.
    """

    def __init__(self) -> None:
        self._start_afresh()
        atexit.register(self.drain)
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._start_afresh)

    def _start_afresh(self) -> None:
        """Leave to a parent process what it has to do: its thread is not ours."""
        self._touches: dict[UUID, Left] = {}
        self._is_working = False
        self._is_hurried = threading.Event()
        self._lock = threading.Lock()
        self._is_done = threading.Condition(self._lock)

    def __len__(self) -> int:
        return len(self._touches)

    def has(self, public_id: UUID) -> bool:
        """Say whether a session's activity will soon be recorded."""
        return self._is_working and public_id in self._touches

    def add(self, touch: Touch, seen_in: Databases) -> bool:
        """Take on a touch, one for each session. False where there is no thread to make it."""
        left = Left(touch, seen_in)
        with self._lock:
            if len(self._touches) < MOST_WAITING:
                self._touches[touch.copy.public_id] = left
            return self._is_working or self._begin()

    def _begin(self) -> bool:
        thread = threading.Thread(target=self._work, name="sessions_plus touches", daemon=True)
        try:
            thread.start()
        except RuntimeError:  # no more of them, or the process is ending
            self._touches.clear()
            return False
        self._is_working = True
        return True

    def _work(self) -> None:
        try:
            while self._gather():
                self._make_all()
        except BaseException:
            self._is_working = False  # so that the next touch begins another thread
            raise
        finally:
            connections.close_all()
            caches.close_all()
            with self._is_done:
                self._is_done.notify_all()

    def _make_all(self) -> None:
        try:
            while left := self._take():
                close_old_connections()
                if touches := seen_from_here(left):
                    make_calmly(touches)
            close_old_connections()
        except Exception:
            if warning.is_due():
                logger.exception("Activity was not recorded ahead of time.")

    def _gather(self) -> bool:
        """Wait for touches to come together; False: there are none, and the thread may go."""
        self._is_hurried.wait(GATHERING_SECONDS)
        with self._is_done:
            self._is_working = bool(self._touches)
            return self._is_working

    def _take(self) -> list[Left]:
        with self._is_done:
            names = list(self._touches)[:MOST_AT_ONCE]
            return [self._touches.pop(name) for name in names]

    def drain(self) -> None:
        """Make at once what waits; return when that is done, or after a while in any case."""
        self._is_hurried.set()
        with self._is_done:
            self._is_done.wait_for(lambda: not self._is_working, DRAIN_SECONDS)
        self._is_hurried.clear()


waiting = Waiting()
