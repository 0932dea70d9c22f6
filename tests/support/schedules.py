"""
Run threads one step at a time, in an order drawn from a seed: the same seed, the same order.

A step ends before each statement on session rows and before each command to the cache. A
thread that waits for a lock of the database counts as asleep until it comes on.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connections

STEP_SECONDS = 120.0
LOCK_SECONDS = 0.05


class Actor(threading.Thread):
    """One thread that goes on only when it is its turn."""

    def __init__(self, name: str, act: Callable[[Actor], None]) -> None:
        super().__init__(name=name, daemon=True)
        self.act = act
        self.turn, self.stopped = threading.Semaphore(0), threading.Semaphore(0)
        self.is_done = False
        self.error: BaseException | None = None
        self.node: Any = None

    def run(self) -> None:
        self.turn.acquire()
        try:
            self.act(self)
        except BaseException as error:  # told to the thread of the test
            self.error = error
        finally:
            connections.close_all()
            self.is_done = True
            self.stopped.release()

    def step(self) -> None:
        """End the step that is under way, and wait for the next turn."""
        self.stopped.release()
        self.turn.acquire()


def step() -> None:
    """End the step of the calling thread, if it is an actor."""
    actor = threading.current_thread()
    if isinstance(actor, Actor):
        actor.step()


@contextmanager
def stepping(*targets: tuple[Any, str]) -> Iterator[None]:
    """Let a step end before each call of these functions."""
    originals = [(owner, name, getattr(owner, name)) for owner, name in targets]

    def before(original: Callable[..., Any]) -> Callable[..., Any]:
        def stepped(*args: Any, **kwargs: Any) -> Any:
            step()
            return original(*args, **kwargs)

        return stepped

    for owner, name, original in originals:
        setattr(owner, name, before(original))
    try:
        yield
    finally:
        for owner, name, original in originals:
            setattr(owner, name, original)


def run(actors: list[Actor], *, rng: random.Random, between: Callable[[], None]) -> None:
    """Run all actors to their end; ``between`` two steps anything may happen."""
    for actor in actors:
        actor.start()
    waiting, asleep = list(actors), list[Actor]()
    deadline = time.monotonic() + STEP_SECONDS
    while waiting or asleep:
        for actor in [actor for actor in asleep if actor.stopped.acquire(blocking=False)]:
            asleep.remove(actor)
            _requeue(actor, waiting)
        if not waiting:
            # Any of them may hold what the others wait for.
            assert time.monotonic() < deadline, f"{[actor.name for actor in asleep]} are stuck"
            time.sleep(0.002)
            continue
        deadline = time.monotonic() + STEP_SECONDS
        actor = rng.choice(waiting)
        waiting.remove(actor)
        actor.turn.release()
        if actor.stopped.acquire(timeout=LOCK_SECONDS):
            _requeue(actor, waiting)
        else:
            asleep.append(actor)
        between()
    for actor in actors:
        actor.join(STEP_SECONDS)
        if actor.error is not None:
            raise actor.error


def _requeue(actor: Actor, waiting: list[Actor]) -> None:
    if not actor.is_done:
        waiting.append(actor)
