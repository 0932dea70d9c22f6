"""
What a person typed, read strictly.

Spaces and hyphens are forgiven; digits of other scripts, signs and underscores,
which Python's own ``int()`` would take, are not.
"""

from __future__ import annotations

from dataclasses import dataclass

from django.views.decorators.debug import sensitive_variables

from sessions_plus.masked import Secret, revealed
from sessions_plus.mfa.recovery_codes import is_ours

MAX_TYPED_LENGTH = 64
DIGITS = range(6, 9)

# What other packages made for people to keep on paper: django-otp 8 letters and digits, or up
# to 16 that the help desk chose; allauth 8 digits. Shorter ones are not taken over.
IMPORTED = range(8, 17)

# What Crockford's base 32 leaves out because people misread it.
_MISREAD = str.maketrans("OIL", "011")


@dataclass(frozen=True, slots=True, repr=False)
class TypedCode:
    """
    ``text`` is the code as its maker wrote it, without separators.

    Eight digits may be either: see ``may_be_imported``.
    """

    text: str
    is_recovery_code: bool

    @property
    def may_be_imported(self) -> bool:
        """Whether it may be a recovery code that came along from another package."""
        return len(self.text) in IMPORTED


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
    text = canonical(text)
    if is_ours(text) or (len(text) in IMPORTED and text.isalnum()):
        return TypedCode(text, is_recovery_code=True)
    return None


@sensitive_variables()
def canonical(code: str) -> str:
    """Return how a recovery code is digested: in capitals, with what people misread put right."""
    return code.upper().translate(_MISREAD)
