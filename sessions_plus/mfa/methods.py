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

# Beside either of them: whether it may be copied to other devices (RFC 8176 §2).
DEVICE_BOUND = "hwk"
SYNCED = "swk"

FIRST_FACTORS = frozenset({PASSWORD, EXTERNAL, PASSKEY})
SECOND_FACTORS = frozenset({TOTP_CODE, RECOVERY_CODE, PASSKEY, SECURITY_KEY})
PHISHING_RESISTANT = frozenset({PASSKEY, SECURITY_KEY})

# What RFC 8176 §2 says beside our own words: somebody was there, and proved two factors.
_IN_TOKENS = {PASSKEY: ("user", "mfa"), SECURITY_KEY: ("user",)}


def is_impersonated(methods: Iterable[str]) -> bool:
    """Say whether somebody else acts as the user, who proved nothing and may not be there."""
    return IMPERSONATED in methods


def has_second_factor(methods: Iterable[str]) -> bool:
    """
    Say whether a second factor was proved. A trusted device stands in for one and is none.
    """
    return not SECOND_FACTORS.isdisjoint(methods)


def is_phishing_resistant(methods: Iterable[str]) -> bool:
    """Say whether a factor was proved that a false site could not have asked for."""
    return not PHISHING_RESISTANT.isdisjoint(methods)


def without_second_factors(methods: Iterable[str]) -> list[str]:
    """Return the methods of a session whose account has no second factor any more."""
    gone = SECOND_FACTORS | {DEVICE_BOUND, SYNCED}
    return [method for method in methods if method not in gone]


def in_tokens(methods: Iterable[str]) -> list[str]:
    """Return the claim ``amr`` of an access token: our words, and those of RFC 8176."""
    known = list(methods)
    also = (word for method in known for word in _IN_TOKENS.get(method, ()))
    return list(dict.fromkeys([*known, *also]))
