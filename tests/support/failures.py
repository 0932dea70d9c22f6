"""Let a request fail at each function of ours that it calls, one after the other."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import sessions_plus

OURS = str(Path(sessions_plus.__file__).parent)


class Deliberate(Exception):
    """Raised by a test, in the middle of real code."""


@contextmanager
def profiled(hook: Callable[[FrameType, str, Any], None]) -> Iterator[None]:
    before = sys.getprofile()
    sys.setprofile(hook)
    try:
        yield
    finally:
        sys.setprofile(before)


def functions_called(act: Callable[[], object]) -> list[CodeType]:
    """Return each function of ours that was called, in the order of the first calls."""
    found: dict[CodeType, None] = {}

    def note(frame: FrameType, event: str, _: Any) -> None:
        if event == "call" and frame.f_code.co_filename.startswith(OURS):
            found.setdefault(frame.f_code)

    with profiled(note):
        act()
    return list(found)


@contextmanager
def failing_at(code: CodeType, *, event: str) -> Iterator[None]:
    """Raise where this function is first called, or where it first returns."""
    is_done = False

    def fail(frame: FrameType, happened: str, _: Any) -> None:
        nonlocal is_done
        if not is_done and happened == event and frame.f_code is code:
            is_done = True
            raise Deliberate

    with profiled(fail):
        yield
