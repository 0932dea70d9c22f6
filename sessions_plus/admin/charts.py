"""
Charts as shapes: bars upon each other, a scale beside them, and the same numbers for a table.

Values in, shapes out: no request, no query. Places across are in percent of the width, so that
a chart fits its page; those down are in pixels. All are text already, as a template would write
12.5 in German with a comma.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from html import escape

from django.utils.formats import number_format
from django.utils.safestring import SafeString

from sessions_plus.admin.periods import Step
from sessions_plus.named_types import Words

TOP = 18
"""Where the highest value is; above it stands its number."""
HEIGHT = 132
BASE = TOP + HEIGHT
WHOLE = BASE + 26
"""With the names of the steps."""

BAR_PART = 0.78
"""How much of a step's width its bar takes."""

LOWEST_BAR = 2.0
"""So that one of ten thousand is seen."""

TICKS = 6


# What is put into it was escaped. Django's `format_html` takes five times as long.
markup = SafeString


@dataclass(frozen=True, slots=True)
class Cell:
    """One number: what it is, how it reads, and which list it leads to."""

    value: float
    text: str
    url: str | None = None

    def render(self) -> SafeString:
        if self.url is None or not self.value:
            return markup(escape(self.text))
        return markup(f'<a href="{escape(self.url)}">{escape(self.text)}</a>')

    # As Django's forms do it: a template for each of a thousand takes ten times as long.
    __str__ = __html__ = render


@dataclass(frozen=True, slots=True)
class Series:
    """What has one colour: a number for each step, and one for all together."""

    label: str
    cells: Sequence[Cell]
    total: Cell
    number: int = 1
    """Which of the colours."""


@dataclass(frozen=True, slots=True)
class Shape:
    """A bar, or the part of one."""

    x: str
    y: str
    width: str
    height: str
    number: int
    title: str
    url: str | None

    def render(self) -> SafeString:
        """Return it as SVG. The table has the same link for the keyboard."""
        rect = (
            f'<rect class="series-{self.number}" x="{self.x}" y="{self.y}" width="{self.width}" '
            f'height="{self.height}"><title>{escape(self.title)}</title></rect>'
        )
        if self.url is None:
            return markup(rect)
        return markup(f'<a href="{escape(self.url)}" tabindex="-1">{rect}</a>')

    __str__ = __html__ = render


@dataclass(frozen=True, slots=True)
class Mark:
    """A line of the scale, or the name of a step."""

    at: str
    text: str


@dataclass(frozen=True)
class Chart:
    """One chart. ``highest``: where the scale ends, if that is known before (100 percent)."""

    name: str
    title: Words
    steps: Sequence[Step]
    series: Sequence[Series]
    headline: str = ""
    unit: str = ""
    highest: float | None = None
    ranking: Sequence[Series] = field(default=())

    whole = str(WHOLE)
    base = str(BASE)
    tick_at = str(BASE + 18)

    @property
    def is_stacked(self) -> bool:
        return len(self.series) > 1

    @cached_property
    def is_empty(self) -> bool:
        return not any(cell.value for series in self.series for cell in series.cells)

    @cached_property
    def top(self) -> float:
        """The value at which the scale ends."""
        if self.highest is not None:
            return self.highest
        columns = zip(*(series.cells for series in self.series), strict=True)
        return round_up(max((sum(cell.value for cell in cells) for cells in columns), default=0))

    @property
    def lines(self) -> list[Mark]:
        """The lines of the scale, but for the base."""
        values = [self.top, *([self.top / 2] if self.top % 2 == 0 else [])]
        return [Mark(_px(BASE - HEIGHT * v / self.top), f"{as_text(v)}{self.unit}") for v in values]

    @property
    def ticks(self) -> list[Mark]:
        """Some names of steps, the last among them, so many as a phone has room for."""
        count = len(self.steps)
        every = max(1, count // TICKS)
        return [
            Mark(f"{(number + 0.5) * 100 / count:.2f}%", self.steps[number].tick)
            for number in range((count - 1) % every, count, every)
        ]

    @property
    def shapes(self) -> list[Shape]:
        """Every bar there is to draw, from the base up."""
        return [shape for number in range(len(self.steps)) for shape in self._column(number)]

    def _column(self, number: int) -> list[Shape]:
        found, y = [], float(BASE)
        for series in self.series:
            cell = series.cells[number]
            if not cell.value:
                continue
            height = max(LOWEST_BAR, HEIGHT * cell.value / self.top)
            y -= height
            found.append(self._shape(number, series, cell, y, height))
        return found

    def _shape(self, number: int, series: Series, cell: Cell, y: float, height: float) -> Shape:
        width = 100 / len(self.steps)
        return Shape(
            x=f"{(number + (1 - BAR_PART) / 2) * width:.2f}%",
            y=_px(y),
            width=f"{BAR_PART * width:.2f}%",
            height=_px(height),
            number=series.number,
            title=f"{self.steps[number].label}: {series.label}, {cell.text}",
            url=cell.url,
        )

    @property
    def rows(self) -> list[tuple[str, list[Cell]]]:
        """The same for a table: a step, and its number of each series."""
        return [
            (step.label, [series.cells[number] for series in self.series])
            for number, step in enumerate(self.steps)
        ]


def round_up(value: float) -> int:
    """Return the next number at which a scale may end: 1, 2, 4, 6, 8 or 10, with noughts."""
    size = 1
    while True:
        for step in (1, 2, 4, 6, 8):
            if step * size >= value:
                return step * size
        size *= 10


def as_text(value: float) -> str:
    """Return a number as its reader writes it: ``1,234``."""
    return str(number_format(round(value), force_grouping=True))


def _px(value: float) -> str:
    return f"{value:.1f}"
