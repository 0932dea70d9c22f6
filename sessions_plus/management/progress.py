"""Long commands: a bar for whoever watches a terminal, and an end between two steps."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

from django.core.management.base import CommandError

from sessions_plus.management.interruption import Interrupted, between_steps

Show = Callable[[str, float], None]
"""Told what is done, and which part of it, from 0 to 1."""

AGAIN = "Interrupted. What is done stays done: run this again for the rest."

WIDTH = 30


class ProgressBar:
    """One line on a terminal, drawn again in place; nothing elsewhere."""

    def __init__(self, out: TextIO) -> None:
        self.out = out
        self.is_shown = out.isatty()
        self.drawn = ""

    def show(self, label: str, done: float) -> None:
        """Draw ``label`` with the part that is done, from 0 to 1."""
        if not self.is_shown:
            return
        filled = int(WIDTH * min(max(done, 0.0), 1.0))
        line = f"\r{label:<20} [{'#' * filled}{'.' * (WIDTH - filled)}] {done:>4.0%}"
        if line != self.drawn:
            self.out.write(line)
            self.out.flush()
            self.drawn = line

    def end(self) -> None:
        """Leave the line, so that what follows stands on its own."""
        if self.drawn:
            self.out.write("\n")
            self.drawn = ""


@contextmanager
def watched(interrupted: Callable[[], str] = lambda: AGAIN) -> Iterator[Show]:
    """
    While entered, draw what is told, and let Ctrl-C and SIGTERM end it between two steps.

    Raises:
        CommandError: a signal came; ``interrupted`` says what that means.
    """
    bar = ProgressBar(sys.stderr)
    try:
        with between_steps() as stop_if_asked:

            def show(label: str, done: float) -> None:
                bar.show(label, done)
                stop_if_asked()

            yield show
    except Interrupted:
        bar.end()
        raise CommandError(interrupted()) from None
    finally:
        bar.end()
