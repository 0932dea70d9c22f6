r"""
What may stand in a session's slot of a shared cache, and what may replace it.

A slot is one name in the cache, made of the session's public id, and holds one of:

``s0Y\x9c…`` (``s`` and 8 random bytes)
    a reservation: whoever saw it before reading the row may put the copy there.
``h\x11\xe2…`` (``h`` and 8 random bytes)
    a hold, of a writer whose transaction is not committed yet: nobody else may fill it.
``t``
    a tombstone: the session ended. Nobody may fill it, whatever they read before.
``c0000000000000042\x01…`` (``c``, the version in 16 digits, a sealed entry)
    a copy of the row.

Invariant: no copy is ever put into an empty slot, but that of a session which was just made.
What is missing may have been a tombstone (evicted, flushed, lost in a failover). So a reader
first puts a reservation, then reads the row, and its copy is taken only if that very
reservation still stands. Hence it is always safe to empty a slot.
"""

from __future__ import annotations

import secrets
from typing import NamedTuple

RESERVED, HELD, COPY = b"s", b"h", b"c"
TOMBSTONE = b"t"
VERSION_DIGITS = 16  # a Lua number counts exactly to 9 007 199 254 740 992
_ENTRY_AT = len(COPY) + VERSION_DIGITS


class Reading(NamedTuple):
    """
    What a reader found.

    ``entry`` is that of a copy. ``ticket`` lets the reader put a copy there after it read
    the row; None: it may not. ``is_vacant`` says that the slot is empty: to be reserved.
    """

    entry: bytes | None = None
    ticket: bytes | None = None
    is_vacant: bool = False


VACANT = Reading(is_vacant=True)
BARRED = Reading()  # no copy, and none may be put there


def reservation() -> bytes:
    """Return a new one."""
    return RESERVED + secrets.token_bytes(8)


def hold() -> bytes:
    """Return a new one."""
    return HELD + secrets.token_bytes(8)


def copy(version: int, entry: bytes) -> bytes:
    """Return what stands in the slot of a session that has a copy."""
    return b"%s%0*d%s" % (COPY, VERSION_DIGITS, version, entry)


def read(held: object) -> Reading:
    """
    Say what a reader may do with what stands in a slot.

    What is none of ours (foreign, cut, pickled) is a miss. A copy may replace it, as long
    as the very same bytes still stand there.
    """
    if held is None:
        return VACANT
    if not isinstance(held, bytes):
        return BARRED
    if held == TOMBSTONE or held.startswith(HELD):
        return BARRED
    return Reading(held[_ENTRY_AT:] if held.startswith(COPY) else None, held)


def version_of(held: bytes) -> int:
    """The version of a copy; 0 where it cannot be read, so that anything replaces it."""
    digits = held[len(COPY) : _ENTRY_AT]
    return int(digits) if digits.isdigit() else 0


def successor(
    held: bytes | None, *, seen: bytes, value: bytes, version: int, vacated: bytes
) -> bytes | None:
    """
    Return what has to replace ``held`` in the slot; None: leave it.

    ``seen`` is what the caller saw there, or put there itself; ``value`` is its copy, of
    ``version``. ``vacated`` is a new reservation where the caller has changed the row, so
    that nobody who reserved the slot before the change may fill it; else it is empty.
    The same rule stands in ``drivers.redis.SWAP``, for Redis to apply.
    """
    if held is None:
        return None
    if held == seen or (held.startswith(COPY) and version_of(held) <= version):
        return value
    if vacated and held.startswith((RESERVED, HELD)):
        return vacated
    return None
