"""
What may stand at a session's name in a shared cache, and what may take whose place.

Invariant: nothing is ever stored where nothing stands. What is missing may have
been the mark of a revocation (evicted, flushed, lost in a failover), so a reader
first reserves the slot, then reads the row, and its copy counts only if the
reservation is still there. Hence to delete what stands is always safe.

A slot holds one of:

``s`` and 8 random bytes
    a reservation: whoever saw it before reading the row may put the copy there.
``h`` and 8 random bytes
    held by a writer whose transaction is not committed yet; nobody else may fill it.
``t``
    ended. Nobody may fill it, whatever they read before.
``c``, the version in 16 digits, and a sealed entry
    a copy of the row.
"""

from __future__ import annotations

import secrets
from typing import NamedTuple

RESERVED, HELD, COPY = b"s", b"h", b"c"
ENDED = b"t"
VERSION_DIGITS = 16  # a Lua number counts exactly to 9 007 199 254 740 992
_ENTRY_AT = len(COPY) + VERSION_DIGITS


class Reading(NamedTuple):
    """
    What a reader found.

    ``ticket`` lets the reader put a copy there after it read the row; None: it may
    not. ``is_vacant`` says that nothing stands there, so that it can be reserved.
    """

    entry: bytes | None = None
    ticket: bytes | None = None
    is_vacant: bool = False


VACANT = Reading(is_vacant=True)
BARRED = Reading()


def reservation() -> bytes:
    return RESERVED + secrets.token_bytes(8)


def hold() -> bytes:
    return HELD + secrets.token_bytes(8)


def copy(version: int, entry: bytes) -> bytes:
    return b"%s%0*d%s" % (COPY, VERSION_DIGITS, version, entry)


def read(held: object) -> Reading:
    """
    Interpret what stands in a slot.

    What is none of ours (foreign, cut, pickled) is a miss that a copy may replace,
    as long as it is still the same.
    """
    if held is None:
        return VACANT
    if not isinstance(held, bytes):
        return BARRED
    if held == ENDED or held.startswith(HELD):
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
    Return what must stand in place of ``held`` now; None: leave it.

    ``seen`` is what the caller saw (or put) there, ``value`` its copy of ``version``.
    ``vacated`` is a fresh reservation where the caller has changed the row, else
    empty: then whoever reserved the slot before the change must not fill it.
    The same rule stands in ``redis_cache.SWAP``, for Redis to apply.
    """
    if held is None:
        return None
    if held == seen or (held.startswith(COPY) and version_of(held) <= version):
        return value
    if vacated and held.startswith((RESERVED, HELD)):
        return vacated
    return None
