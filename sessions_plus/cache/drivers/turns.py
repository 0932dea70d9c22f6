"""Taking turns under asyncio: few commands at a time, and nobody waits long for a turn."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar
from weakref import WeakKeyDictionary

# Commands of one event loop that are under way at once, each on a connection of its own. Others
# wait for one, as a command takes a fraction of a millisecond. More would keep no loop
# busier, but all would be opened at once when it begins.
TURNS_PER_LOOP = 16

T = TypeVar("T")


class Crowded(OSError):
    """There was no turn in time: so many ask at once, or the cache is that slow."""


class Turns:
    """
    The turns of one event loop.

    ``faults`` are what a command raises where the cache does not answer.
    """

    def __init__(self, timeout: float, *, faults: tuple[type[Exception], ...]) -> None:
        self._timeout = timeout
        self._faults = faults
        self._free = asyncio.Semaphore(TURNS_PER_LOOP)
        self._failed_at = 0.0

    async def take(self, act: Callable[[], Awaitable[T]]) -> T:
        """
        Do it as soon as there is a turn.

        Who waits while another's command fails waits no longer: each would take as long
        again, one after the other.

        Raises:
            Crowded: there was no turn in time.
            ConnectionError: another's command failed meanwhile.
        """
        loop = asyncio.get_running_loop()
        asked_at = loop.time()
        await self._acquire()
        try:
            if self._failed_at >= asked_at:
                raise ConnectionError("Failed for others just now")
            return await self._noting_faults(act, loop)
        finally:
            self._free.release()

    async def _noting_faults(
        self, act: Callable[[], Awaitable[T]], loop: asyncio.AbstractEventLoop
    ) -> T:
        try:
            return await act()
        except self._faults:
            self._failed_at = loop.time()
            raise

    async def _acquire(self) -> None:
        if not self._free.locked():
            await self._free.acquire()
            return
        try:
            async with asyncio.timeout(self._timeout):
                await self._free.acquire()
        except TimeoutError:
            raise Crowded("Too many commands to the cache at once") from None


class LoopThreads:
    """
    For each event loop, threads for the commands of a blocking client: one for each turn.

    Not the loop's own: the site may keep those busy with other things.
    """

    def __init__(self, timeout: float, *, faults: tuple[type[Exception], ...]) -> None:
        self._timeout = timeout
        self._faults = faults
        self._of: WeakKeyDictionary[asyncio.AbstractEventLoop, tuple[Turns, ThreadPoolExecutor]] = (
            WeakKeyDictionary()
        )

    async def run(self, act: Callable[[], T]) -> T:
        """Do it in a thread. See Turns.take()."""
        loop = asyncio.get_running_loop()
        found = self._of.get(loop)
        if found is None:
            turns = Turns(self._timeout, faults=self._faults)
            found = self._of[loop] = turns, ThreadPoolExecutor(TURNS_PER_LOOP, "sessions_plus")
        turns, threads = found
        return await turns.take(lambda: loop.run_in_executor(threads, act))
