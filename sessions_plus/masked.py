"""
What must not be seen where it merely passes by: a value that only ``reveal()`` tells.

An error report prints the local variables of each function on the way, a log its arguments,
a crash reporter both. Wrapped from the form's field to the digest, a password or a code
stands in none of them, whichever function fails and whatever that function is decorated with.
"""

from __future__ import annotations

from sessions_plus.crypto import same

MASK = "<secret>"


class Secret:
    """
    A secret text.

    ``repr``, ``str``, formatting, pickle and whatever makes text of unknown objects for JSON
    get ``<secret>``. Two are compared in constant time.
    """

    __slots__ = ("_value",)
    __hash__ = None  # type: ignore[assignment]  # a key of a dictionary is soon printed

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """Return the value, for where it is used: in the call that uses it, and no name for it."""
        return self._value

    def __repr__(self) -> str:
        return MASK

    def __format__(self, spec: str) -> str:
        return MASK

    def __reduce__(self) -> tuple[type[Secret], tuple[str]]:
        return Secret, (MASK,)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and same(self._value, other.reveal())

    def __bool__(self) -> bool:
        return bool(self._value)

    def __len__(self) -> int:
        return len(self._value)


def revealed(value: Secret | str) -> str:
    """Return the text of what may be wrapped, or was given by a program as it is."""
    return value.reveal() if isinstance(value, Secret) else value
