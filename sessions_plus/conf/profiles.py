"""The named sets of limits that other defaults come from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class Profile:
    """
    A named set of limits (NIST SP 800-63B-4 §2.1.3, §2.2.3, §2.3.3).

    ``idle_timeout`` and ``anonymous_lifetime`` None stand for Django's ``SESSION_COOKIE_AGE``.
    """

    idle_timeout: timedelta | None
    absolute_lifetime: timedelta
    anonymous_lifetime: timedelta | None
    rotation_interval: timedelta
    rotation_grace_period: timedelta
    persistent_cookie: bool
    fresh_factor_age: timedelta
    reauthentication_age: timedelta
    totp_tolerance: int
    throttle_attempts: int
    throttle_hard_limit: int
    trusted_device_lifetime: timedelta | None
    passkey_accept_synced: bool
    access_token_lifetime: timedelta
    refresh_idle_timeout: timedelta
    refresh_lifetime: timedelta


PROFILES: Mapping[str, Profile] = MappingProxyType(
    {
        "aal1": Profile(
            idle_timeout=None,
            absolute_lifetime=timedelta(days=30),
            anonymous_lifetime=None,
            rotation_interval=timedelta(hours=24),
            rotation_grace_period=timedelta(seconds=30),
            persistent_cookie=True,
            fresh_factor_age=timedelta(minutes=15),
            reauthentication_age=timedelta(minutes=10),
            totp_tolerance=1,
            throttle_attempts=10,
            throttle_hard_limit=100,
            trusted_device_lifetime=timedelta(days=30),
            passkey_accept_synced=True,
            access_token_lifetime=timedelta(minutes=5),
            refresh_idle_timeout=timedelta(days=7),
            refresh_lifetime=timedelta(days=30),
        ),
        "aal2": Profile(
            idle_timeout=timedelta(hours=1),
            absolute_lifetime=timedelta(hours=24),
            anonymous_lifetime=timedelta(hours=24),
            rotation_interval=timedelta(hours=1),
            rotation_grace_period=timedelta(seconds=30),
            persistent_cookie=False,
            fresh_factor_age=timedelta(minutes=10),
            reauthentication_age=timedelta(minutes=5),
            totp_tolerance=1,
            throttle_attempts=5,
            throttle_hard_limit=50,
            trusted_device_lifetime=None,
            passkey_accept_synced=True,
            access_token_lifetime=timedelta(minutes=5),
            refresh_idle_timeout=timedelta(hours=1),
            refresh_lifetime=timedelta(hours=24),
        ),
        "aal3": Profile(
            idle_timeout=timedelta(minutes=15),
            absolute_lifetime=timedelta(hours=12),
            anonymous_lifetime=timedelta(hours=1),
            rotation_interval=timedelta(minutes=15),
            rotation_grace_period=timedelta(seconds=10),
            persistent_cookie=False,
            fresh_factor_age=timedelta(minutes=5),
            reauthentication_age=timedelta(minutes=2),
            totp_tolerance=0,
            throttle_attempts=3,
            throttle_hard_limit=20,
            trusted_device_lifetime=None,
            # NIST SP 800-63B-4 §2.3.2: keys that cannot be exported.
            passkey_accept_synced=False,
            access_token_lifetime=timedelta(minutes=2),
            refresh_idle_timeout=timedelta(minutes=15),
            refresh_lifetime=timedelta(hours=12),
        ),
    }
)
