"""Tokens and the API."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Literal

from sessions_plus.conf.problems import empty, positive
from sessions_plus.conf.setting import FROM_PROFILE, FUNCTION, Call, Setting


class TokenSettings:
    """Tokens and the API."""

    # Tokens

    TOKEN_ISSUER = Setting[str](
        str,
        "sessions-plus",
        "Who issues access tokens: their `iss`. A fixed URL of yours, once other services verify "
        "them.",
        problem=empty,
    )
    TOKEN_AUDIENCE = Setting[str | None](
        str,
        None,
        "Whom access tokens are for: their `aud`. None: the issuer.",
        optional=True,
        problem=empty,
    )
    TOKEN_ALGORITHM = Setting[Literal["ES256", "EdDSA"]](
        str,
        "ES256",
        "How new signing keys sign access tokens.",
        choices=("ES256", "EdDSA"),
    )
    TOKEN_VERIFICATION = Setting[Literal["session", "stateless"]](
        str,
        "session",
        "What a bearer token has to pass. `session`: its session still lives. `stateless`: "
        "nobody is asked, so the token holds until it expires.",
        choices=("session", "stateless"),
    )
    TOKEN_CLAIMS = Setting[Callable[..., Mapping[str, object]] | str | None](
        FUNCTION,
        None,
        "A function `(user, session) -> dict`, or its dotted path, whose claims are added to "
        "access tokens.",
        optional=True,
        call=Call(("user", "session")),
    )
    ACCESS_TOKEN_LIFETIME = Setting[timedelta](
        timedelta,
        FROM_PROFILE,
        "How long an access token holds.",
        profile_field="access_token_lifetime",
        problem=positive,
    )
    REFRESH_IDLE_TIMEOUT = Setting[timedelta | None](
        timedelta,
        FROM_PROFILE,
        "Longest pause between two uses of an API client's session. None: no such limit.",
        optional=True,
        profile_field="refresh_idle_timeout",
        problem=positive,
    )
    REFRESH_LIFETIME = Setting[timedelta | None](
        timedelta,
        FROM_PROFILE,
        "Longest age of an API client's session since sign-in, however often it is refreshed. "
        "None: no such limit.",
        optional=True,
        profile_field="refresh_lifetime",
        problem=positive,
    )
    SIGNING_KEYS = Setting[list[str]](
        (list, tuple),
        [],
        "Private keys that sign access tokens, as PEM, newest first: the first signs, all verify. "
        "Empty: made, sealed in the database and rotated by the app.",
    )
    SIGNING_KEY_ROTATION_INTERVAL = Setting[timedelta | None](
        timedelta,
        timedelta(days=90),
        "How long one signing key signs before the next. None: rotated by command only.",
        optional=True,
        problem=positive,
    )
    API_THROTTLE_RATES = Setting[dict[str, str | None]](
        dict,
        {},
        "Rates of the API that differ from ours, by scope: "
        '`{"requests": "600/min", "sign_in": "20/min", "refresh": "60/min"}`. None: no limit.',
    )
