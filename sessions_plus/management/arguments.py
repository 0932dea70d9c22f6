"""What people write after a command's options, as values."""

from __future__ import annotations

import re
from argparse import ArgumentTypeError
from collections.abc import Callable
from datetime import timedelta

from sessions_plus.client_info.ip_address import IPNetwork, parse_network

UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
MAX_DIGITS = 9
_DURATION = re.compile(rf"(\d{{1,6}})([{''.join(UNITS)}])", re.ASCII)


def duration(text: str) -> timedelta:
    """Read ``90m``, ``12h``, ``30d`` or ``2w``. Raises: ArgumentTypeError."""
    found = _DURATION.fullmatch(text)
    if found is None:
        raise ArgumentTypeError(f"{text!r} is no time: write 90m, 12h, 30d or 2w.")
    return timedelta(**{UNITS[found[2]]: int(found[1])})


def whole_number(*, least: int) -> Callable[[str], int]:
    """Return what reads a whole number from ``least`` on. Raises: ArgumentTypeError."""

    def read(text: str) -> int:
        if not (text.isascii() and text.isdecimal()) or len(text) > MAX_DIGITS or int(text) < least:
            raise ArgumentTypeError(f"{text!r} is no whole number from {least} on.")
        return int(text)

    return read


def network(text: str) -> IPNetwork:
    """Read ``203.0.113.7`` or ``203.0.113.0/24``. Raises: ArgumentTypeError."""
    try:
        return parse_network(text)
    except ValueError as error:
        raise ArgumentTypeError(f"{text!r} is neither an address nor a network: {error}.") from None
