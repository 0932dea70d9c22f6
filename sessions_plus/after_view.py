"""
What is done once a view, and the transaction that it ran in, are over.

The transaction (``ATOMIC_REQUESTS``, ``atomic()``) may take back what has to stand: REST
framework rolls back with every error, and a wrong password is one. To write through a
second connection would mean to wait for locks that the view itself holds, on SQLite until
it gives up. So it is written in the view's transaction, where other requests wait for it, and
written again by the session middleware if that was rolled back.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack

from asgiref.sync import sync_to_async
from django.db import connections
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from sessions_plus.current import current_request

WAITING = "_sessions_plus_after_view"
"""The attribute of a request that holds what is to be done; most requests have none."""

Act = Callable[[HttpResponseBase | None], object]


class UncommittedWrite:
    """Something written inside a transaction, until it is known what becomes of that."""

    def __init__(self, using: str) -> None:
        self._is_committed = False
        self._connection = connections[using]
        self._connection.on_commit(self._commit)

    def _commit(self) -> None:
        self._is_committed = True

    def was_rolled_back(self) -> bool:
        # Django drops what was to run on a commit as soon as it is rolled back, also to a
        # savepoint. What still waits is in a transaction around the request, as a test's is.
        waiting = [entry[1] for entry in self._connection.run_on_commit]
        return not self._is_committed and self._commit not in waiting


class Write(UncommittedWrite):
    """One write that has to stand: done again after the view if it was rolled back."""

    def __init__(self, using: str, redo: Callable[[], object], key: object) -> None:
        super().__init__(using)
        self.key = key
        self._redo = redo

    def __call__(self, _response: HttpResponseBase | None) -> None:
        if self.was_rolled_back():
            self._redo()


def after_view(act: Act) -> None:
    """
    Do it once the view under way and its transaction are over, with the view's response.

    At once, and without one, where no request is served.
    """
    request = current_request()
    if request is None:
        act(None)
    else:
        request.__dict__.setdefault(WAITING, []).append(act)


def on_rollback(redo: Callable[[], object], *, using: str, key: object) -> None:
    """
    Do it after the view if what was just written to that database is rolled back.

    Called after the write, once for each. What was written outside of any transaction
    stands. Without a request nobody comes by afterwards: a rollback is final there.
    """
    if connections[using].in_atomic_block:
        after_view(Write(using, redo, key))


def withdraw(key: object) -> Write | None:
    """Let the latest write of that key be as it is; return it, or None if there is none."""
    request = current_request()
    waiting: list[Act] = getattr(request, WAITING, None) or []
    for act in reversed(waiting):
        if isinstance(act, Write) and act.key == key:
            waiting.remove(act)
            return act
    return None


def finish(request: HttpRequest, response: HttpResponseBase | None) -> None:
    """
    Do what waits; ``response`` None: there is none, as something failed.

    One that fails keeps none of the others from being done. Its error is raised then, so that
    nobody is answered as if it had been done.
    """
    while waiting := request.__dict__.pop(WAITING, None):
        with ExitStack() as stack:
            for act in reversed(waiting):
                stack.callback(act, response)


async def afinish(request: HttpRequest, response: HttpResponseBase | None) -> None:
    """See finish()."""
    await sync_to_async(finish)(request, response)
