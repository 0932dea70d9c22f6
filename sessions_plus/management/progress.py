"""A progress bar for whoever watches: on a terminal only, silent in cron."""

from __future__ import annotations

from typing import TextIO

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
