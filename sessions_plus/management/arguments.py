"""What people write after a command's options, as values."""

from __future__ import annotations

import re
from argparse import ArgumentTypeError
from datetime import timedelta

from sessions_plus.client_info.ip_address import IPNetwork, parse_network

UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_DURATION = re.compile(rf"(\d{{1,6}})([{''.join(UNITS)}])", re.ASCII)


def duration(text: str) -> timedelta:
    """Read ``90m``, ``12h``, ``30d`` or ``2w``. Raises: ArgumentTypeError."""
    found = _DURATION.fullmatch(text)
    if found is None:
        raise ArgumentTypeError(f"{text!r} is no time: write 90m, 12h, 30d or 2w.")
    return timedelta(**{UNITS[found[2]]: int(found[1])})


def network(text: str) -> IPNetwork:
    """Read ``203.0.113.7`` or ``203.0.113.0/24``. Raises: ArgumentTypeError."""
    try:
        return parse_network(text)
    except ValueError as error:
        raise ArgumentTypeError(f"{text!r} is neither an address nor a network: {error}.") from None
