"""The short names of how somebody proved themselves, as ``auth_methods`` keeps them."""

from __future__ import annotations

from collections.abc import Iterable

PASSWORD = "pwd"  # noqa: S105 - a label
EXTERNAL = "ext"
TOTP_CODE = "otp"
RECOVERY_CODE = "rcv"
TRUSTED_DEVICE = "dev"
IMPERSONATED = "imp"

PASSKEY = "pky"
"""A passkey that also saw to it that its user is there, by finger, face or PIN: both factors."""

SECURITY_KEY = "sec"
"""A passkey that did not: whoever holds it can use it, so it is a second factor only."""

FIRST_FACTORS = frozenset({PASSWORD, EXTERNAL, PASSKEY})
SECOND_FACTORS = frozenset({TOTP_CODE, RECOVERY_CODE, PASSKEY, SECURITY_KEY})


def is_impersonated(methods: Iterable[str]) -> bool:
    """Say whether somebody else acts as the user, who proved nothing and may not be there."""
    return IMPERSONATED in methods


def has_second_factor(methods: Iterable[str]) -> bool:
    """
    Say whether a second factor was proved. A trusted device stands in for one and is none.
    """
    return not SECOND_FACTORS.isdisjoint(methods)
