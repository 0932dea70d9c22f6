"""How long sessions go on, how many there may be, and what is kept of them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Literal

from sessions_plus.conf.problems import not_negative, positive
from sessions_plus.conf.setting import FROM_PROFILE, FUNCTION, Call, Setting


class SessionSettings:
    """How long sessions go on, how many there may be, and what is kept of them."""

    # Limits

    PROFILE = Setting[str](
        str,
        "aal1",
        "The named set of limits that all other defaults come from.",
        choices=("aal1", "aal2", "aal3"),
    )
    IDLE_TIMEOUT = Setting[timedelta | None](
        timedelta,
        FROM_PROFILE,
        "Longest pause between two requests of a session. None: Django's `SESSION_COOKIE_AGE`.",
        optional=True,
        profile_field="idle_timeout",
        problem=positive,
    )
    ABSOLUTE_LIFETIME = Setting[timedelta | None](
        timedelta,
        FROM_PROFILE,
        "Longest age of a session since sign-in, however active. None: no such limit.",
        optional=True,
        profile_field="absolute_lifetime",
        problem=positive,
    )
    ANONYMOUS_LIFETIME = Setting[timedelta | None](
        timedelta,
        FROM_PROFILE,
        "Longest pause between two requests of a session that nobody is signed in to. "
        "None: Django's `SESSION_COOKIE_AGE`.",
        optional=True,
        profile_field="anonymous_lifetime",
        problem=positive,
    )
    ACTIVITY_INTERVAL = Setting[timedelta](
        timedelta,
        timedelta(seconds=60),
        "How long the last activity of a session in use goes unwritten at most. With `cached_db`, "
        "from half of it on that is done after the response. It is also how long a session that "
        "was ended may still go on, where the cache could not be told.",
        problem=positive,
    )

    ROTATION_INTERVAL = Setting[timedelta | None](
        timedelta,
        FROM_PROFILE,
        "How often the key of a session in use is replaced. None: only when privilege changes.",
        optional=True,
        profile_field="rotation_interval",
        problem=positive,
    )
    ROTATION_GRACE_PERIOD = Setting[timedelta](
        timedelta,
        FROM_PROFILE,
        "How long a replaced key still finds its session, for requests that were under way.",
        profile_field="rotation_grace_period",
        problem=not_negative,
    )

    PERSISTENT_COOKIE = Setting[bool](
        bool,
        FROM_PROFILE,
        "Whether the session's cookie stays when the browser closes. False: it goes, whatever "
        "`SESSION_EXPIRE_AT_BROWSER_CLOSE` and `set_expiry()` say.",
        profile_field="persistent_cookie",
    )
    LIMITS = Setting[Callable[..., object] | str | None](
        FUNCTION,
        None,
        "A function `(session) -> Limits | None`, or its dotted path. It gives a user or a "
        "session limits of their own, in place of the ones above. It is called at each request, "
        "so it must not ask a database. Its argument is a `sessions_plus.policy.SessionFacts`.",
        optional=True,
        call=Call(("session",)),
    )
    PASSIVE_PATHS = Setting[list[str]](
        (list, tuple),
        [],
        "Paths whose requests are no activity, such as a page that polls. Each stands for itself "
        "and all below it.",
    )

    MAX_SESSIONS_PER_USER = Setting[int | None](
        int,
        None,
        "How many browsers a user may be signed in with at once. None: any number.",
        optional=True,
        problem=positive,
    )
    MAX_API_SESSIONS_PER_USER = Setting[int | None](
        int,
        None,
        "How many API clients a user may be signed in with at once. None: any number.",
        optional=True,
        problem=positive,
    )
    ON_SESSION_LIMIT = Setting[Literal["revoke_oldest", "refuse"]](
        str,
        "revoke_oldest",
        "What happens at one sign-in too many. `revoke_oldest`: the session that was signed in "
        "to longest ago ends. `refuse`: nobody is signed in.",
        choices=("revoke_oldest", "refuse"),
    )

    # Clean-up

    RETENTION_SESSIONS = Setting[timedelta | None](
        timedelta,
        timedelta(days=30),
        "How long ended sessions are kept, without their data, for people to look back on. "
        "None: for ever.",
        optional=True,
        problem=not_negative,
    )
    RETENTION_EVENTS = Setting[timedelta | None](
        timedelta,
        timedelta(days=90),
        "How long events are kept. None: for ever.",
        optional=True,
        problem=not_negative,
    )
    RETENTION_DEVICES = Setting[timedelta | None](
        timedelta,
        timedelta(days=365),
        "How long devices are kept after their last sign-in. None: for ever.",
        optional=True,
        problem=not_negative,
    )

    CLIENT_CHANGE = Setting[Literal["ignore", "record", "reauthenticate", "revoke"]](
        str,
        "record",
        "What happens when a session is used with another browser or system (an update is no "
        "change). `reauthenticate`: nothing goes on before its user proved themselves again. "
        "`revoke`: it ends.",
        choices=("ignore", "record", "reauthenticate", "revoke"),
    )
    NETWORK_CHANGE = Setting[Literal["ignore", "record", "reauthenticate", "revoke"]](
        str,
        "ignore",
        "The same for another network (/24 of IPv4, /48 of IPv6). Telephones change theirs all "
        "day.",
        choices=("ignore", "record", "reauthenticate", "revoke"),
    )
