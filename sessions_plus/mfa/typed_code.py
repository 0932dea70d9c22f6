"""
What a person typed, read strictly.

Spaces and hyphens are forgiven; digits of other scripts, signs and underscores,
which Python's own ``int()`` would take, are not.
"""

from __future__ import annotations

from dataclasses import dataclass

from django.views.decorators.debug import sensitive_variables

from sessions_plus.masked import Secret, revealed
from sessions_plus.mfa.recovery_codes import ALPHABET, LENGTH

MAX_TYPED_LENGTH = 64
DIGITS = range(6, 9)

# What Crockford's base 32 leaves out because people misread it.
_MISREAD = str.maketrans("OIL", "011")


@dataclass(frozen=True, slots=True, repr=False)
class TypedCode:
    """``text`` is the code as its maker wrote it, without separators."""

    text: str
    is_recovery_code: bool


@sensitive_variables()
def read_code(typed: Secret | str) -> TypedCode | None:
    """Return what was typed, or None where it cannot be a code of any kind."""
    typed = revealed(typed)
    if len(typed) > MAX_TYPED_LENGTH:
        return None
    text = "".join(typed.split()).replace("-", "")
    if not text.isascii():
        return None
    if len(text) in DIGITS and text.isdigit():
        return TypedCode(text, is_recovery_code=False)
    text = text.upper().translate(_MISREAD)
    if len(text) == LENGTH and set(text) <= set(ALPHABET):
        return TypedCode(text, is_recovery_code=True)
    return None
