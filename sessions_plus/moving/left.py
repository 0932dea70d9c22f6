"""Why a factor does not come along from another package."""

from __future__ import annotations

from enum import StrEnum


class Left(StrEnum):
    """Why a factor does not come along."""

    CLOCK = "clock"
    """Its codes are counted from another moment, or by a clock too far from ours."""
    DIGITS = "digits"
    """Its codes have fewer or more digits than are read here."""
    DAMAGED = "damaged"
    """Its secret does not open."""
    SHORT = "short"
    """A recovery code of less than 8 letters and digits, or more than 16, or with other signs."""
    OTHER = "other"
    """Another kind: codes by mail or telephone."""
    PASSKEY = "passkey"
    """A passkey, and it is not certain of what domain they are here, or they are off."""
    DOMAIN = "domain"
    """A passkey of another domain, where alone it works."""
    SYNCED = "synced"
    """A passkey that can be copied to other devices, which the site does not take."""
