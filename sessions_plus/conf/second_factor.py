"""Secrets, the second factor, and proving oneself again."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Literal

from sessions_plus.conf.problems import (
    POLICIES,
    empty,
    no_domain,
    no_origins,
    no_policy,
    not_negative,
    positive,
)
from sessions_plus.conf.setting import FROM_PROFILE, FUNCTION, Call, Setting
from sessions_plus.named_types import SiteUser


class SecondFactorSettings:
    """Secrets, the second factor, and proving oneself again."""

    # Secrets

    ENCRYPTION_KEYS = Setting[list[str]](
        (list, tuple),
        [],
        "Master keys that seal what is stored, newest first: each at least 32 random bytes "
        "in base64. Empty: derived from `SECRET_KEY` and `SECRET_KEY_FALLBACKS`.",
    )

    # Second factor

    MFA_POLICY = Setting[Callable[[SiteUser], bool] | str](
        FUNCTION,
        "optional",
        "Who must have a second factor: nobody (`optional`), `staff`, or everybody (`required`); "
        "or a function of the user, or its dotted path. People who must have one and have none "
        "are led to set it up, and reach nothing else.",
        problem=no_policy,
        call=Call(("user",), words=POLICIES),
    )
    MFA_PHISHING_RESISTANT = Setting[Callable[[SiteUser], bool] | str](
        FUNCTION,
        "optional",
        "Who must use a passkey as their second factor, which no false site can get out of them: "
        "nobody (`optional`), `staff`, everybody (`required`), or a function of the user, or its "
        "dotted path. Who must and has none reaches nothing but its enrolment.",
        problem=no_policy,
        call=Call(("user",), words=POLICIES),
    )
    TOTP_ISSUER = Setting[str | None](
        str,
        None,
        "What authenticator apps call this site. None: the host of the request.",
        optional=True,
        problem=empty,
    )
    TOTP_DIGITS = Setting[int](
        int,
        6,
        "How many digits the codes of new authenticators have.",
        choices=(6, 7, 8),
    )
    TOTP_ALGORITHM = Setting[Literal["SHA1", "SHA256", "SHA512"]](
        str,
        "SHA1",
        "The hash of new authenticators. Several apps know `SHA1` only, whatever they are told.",
        choices=("SHA1", "SHA256", "SHA512"),
    )
    TOTP_TOLERANCE = Setting[int](
        int,
        FROM_PROFILE,
        "How many time steps of 30 s the clock of an authenticator may be early or late.",
        profile_field="totp_tolerance",
        problem=not_negative,
    )

    # Passkeys

    PASSKEY_SIGN_IN = Setting[Literal["only_factor", "second_factor", "off"]](
        str,
        "only_factor",
        "What passkeys are for: signing in with nothing else (`only_factor`), confirming a "
        "password (`second_factor`), or nothing (`off`): then none is accepted either. Without the "
        "extra `passkeys` they are off.",
        choices=("only_factor", "second_factor", "off"),
    )
    PASSKEY_RP_ID = Setting[str | None](
        str,
        None,
        "The domain that passkeys are made for, and work on with all below it: `example.com`. "
        "None: the host of `SESSIONS_PLUS_SITE_URL`, or of the request if `ALLOWED_HOSTS` names it "
        "in full. Changing it makes every passkey worthless.",
        optional=True,
        problem=no_domain,
    )
    PASSKEY_ORIGINS = Setting[list[str]](
        (list, tuple),
        [],
        "Where passkeys may be used, each in full: `https://shop.example.com`, or "
        "`android:apk-key-hash:…` of an app. Empty: where the site is. Those on other domains are "
        "told to browsers as related origins.",
        problem=no_origins,
    )
    PASSKEY_NAME = Setting[str | None](
        str,
        None,
        "What authenticators call this site. None: `SESSIONS_PLUS_PASSKEY_RP_ID`.",
        optional=True,
        problem=empty,
    )
    PASSKEY_ACCEPT_SYNCED = Setting[bool](
        bool,
        FROM_PROFILE,
        "Whether passkeys are accepted that can be copied to other devices, as those of password "
        "managers. NIST's AAL3 forbids them.",
        profile_field="passkey_accept_synced",
    )
    MAX_PASSKEYS = Setting[int](
        int,
        20,
        "How many passkeys a person may have.",
        problem=positive,
    )

    # Guessing, and proving oneself again

    THROTTLE_ATTEMPTS = Setting[int](
        int,
        FROM_PROFILE,
        "How many wrong passwords or codes in a row are free. Each one after them has to wait: "
        "30 s at first, then longer, an hour at most.",
        profile_field="throttle_attempts",
        problem=positive,
    )
    THROTTLE_HARD_LIMIT = Setting[int](
        int,
        FROM_PROFILE,
        "How many wrong codes in a row disable an authenticator. NIST allows 100.",
        profile_field="throttle_hard_limit",
        problem=positive,
    )
    FRESH_FACTOR_AGE = Setting[timedelta](
        timedelta,
        FROM_PROFILE,
        "To end sessions, a person must have proved one factor within this time.",
        profile_field="fresh_factor_age",
        problem=positive,
    )
    REAUTHENTICATION_AGE = Setting[timedelta](
        timedelta,
        FROM_PROFILE,
        "To change a factor, a person must have proved all of theirs within this time.",
        profile_field="reauthentication_age",
        problem=positive,
    )
    TRUSTED_DEVICE_LIFETIME = Setting[timedelta | None](
        timedelta,
        FROM_PROFILE,
        "How long a trusted device may skip the second factor. Staff always need it. None: no "
        "device may.",
        optional=True,
        profile_field="trusted_device_lifetime",
        problem=positive,
    )
