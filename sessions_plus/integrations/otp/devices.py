"""What devices of django-otp are to us, whichever page asked for their codes."""

from __future__ import annotations

from typing import Protocol

from sessions_plus.mfa.methods import RECOVERY_CODE, TOTP_CODE
from sessions_plus.named_types import SiteUser, UserId


class OtpDevice(Protocol):
    """What we ask of a device; django-otp has no types."""

    name: str
    user_id: UserId
    user: SiteUser


INTEGRATION = "sessions_plus.integrations.otp"
"""The name of the app that joins the two."""

TYPED = "otp_token"
"""How fields for a code are named there, with whatever else before it."""


def method_of(device: object) -> str:
    """Return what a code of ``device`` is called here."""
    return RECOVERY_CODE if hasattr(device, "token_set") else TOTP_CODE
