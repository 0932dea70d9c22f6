"""
Every setting of the app: name, type, default and meaning, in one table.

Read as ``conf.NAME`` at the moment of use: nothing may keep a value, so that a
test's ``override_settings`` or a reloaded configuration takes effect at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import PurePath
from types import MappingProxyType
from typing import Any, Generic, Literal, TypeVar, cast, overload
from urllib.parse import urlsplit

from django.conf import settings
from django.core.signals import setting_changed

PREFIX = "SESSIONS_PLUS_"

T = TypeVar("T")


class FromProfile:
    """The default of a setting that the chosen profile decides."""

    def __repr__(self) -> str:
        return "<from the profile>"


FROM_PROFILE = FromProfile()


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
            access_token_lifetime=timedelta(minutes=2),
            refresh_idle_timeout=timedelta(minutes=15),
            refresh_lifetime=timedelta(hours=12),
        ),
    }
)


class Setting(Generic[T]):
    """One ``SESSIONS_PLUS_*`` setting: a read-only attribute of ``conf``."""

    name: str

    def __init__(
        self,
        kind: type | tuple[type, ...],
        default: T | FromProfile,
        meaning: str,
        *,
        choices: tuple[T, ...] = (),
        optional: bool = False,
        profile_field: str = "",
        problem: Callable[[T], str | None] | None = None,
    ) -> None:
        """
        Declare it.

        ``kind`` is the type or types a value may have, ``optional`` says that None
        (off) may be given, ``profile_field`` names the profile's value that is the
        default, and ``problem`` returns what is wrong with a value of the right type.
        """
        self.kind = kind if isinstance(kind, tuple) else (kind,)
        self.default = default
        self.meaning = meaning
        self.choices = choices
        self.optional = optional
        self.profile_field = profile_field
        self.problem = problem

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    @property
    def full_name(self) -> str:
        return PREFIX + self.name

    @overload
    def __get__(self, instance: None, owner: type) -> Setting[T]: ...

    @overload
    def __get__(self, instance: Conf, owner: type) -> T: ...

    def __get__(self, instance: Conf | None, owner: type) -> Setting[T] | T:
        if instance is None:
            return self
        try:
            return cast(T, instance.resolved[self.name])
        except KeyError:
            value = instance.resolved[self.name] = self.resolve(instance)
            return value

    def resolve(self, conf: Conf) -> T:
        default = self.default
        if isinstance(default, FromProfile):
            default = cast(T, getattr(conf.profile, self.profile_field))
        return cast(T, getattr(settings, self.full_name, default))


def _not_negative(value: timedelta | int | None) -> str | None:
    if isinstance(value, timedelta):
        return "it is negative" if value < timedelta(0) else None
    return "it is negative" if value is not None and value < 0 else None


def _positive(value: timedelta | int | None) -> str | None:
    zero: Any = timedelta(0) if isinstance(value, timedelta) else 0
    return "it is not more than zero" if value is not None and value <= zero else None


def _empty(value: object) -> str | None:
    return "it is empty" if isinstance(value, str) and not value.strip() else None


SITE_DATA = ("cache", "cookies", "storage", "executionContexts", "*")


def _no_site_data(values: list[str]) -> str | None:
    unknown = [value for value in values if value not in SITE_DATA]
    return f"{unknown[0]!r} is none of {', '.join(SITE_DATA)}" if unknown else None


def _no_origin(value: str | None) -> str | None:
    if value is None:
        return None
    parts = urlsplit(value)
    is_origin = parts.scheme in ("http", "https") and parts.netloc and not parts.path.strip("/")
    return None if is_origin else "it is not a scheme and a host, such as https://example.com"


def _no_policy(value: object) -> str | None:
    if not isinstance(value, str) or value in ("optional", "staff", "required") or "." in value:
        return None
    return "it is neither optional, staff or required, nor the dotted path of a function"


class Conf:
    """The settings, each resolved once and again after a change."""

    def __init__(self) -> None:
        self.resolved: dict[str, object] = {}
        setting_changed.connect(self._forget, weak=False, dispatch_uid="sessions_plus.conf")

    def _forget(self, *, setting: str, **_: object) -> None:
        if setting.startswith((PREFIX, "SESSION_", "SECRET_KEY")):
            self.resolved.clear()

    def derived(self, name: str, make: Callable[[], T]) -> T:
        """Return what ``make`` makes of the settings, made once and again after a change."""
        try:
            return cast(T, self.resolved[name])
        except KeyError:
            value = self.resolved[name] = make()
            return value

    @classmethod
    def declared(cls) -> Iterator[Setting[Any]]:
        """Every setting there is, in the order of the documentation."""
        return (value for value in vars(cls).values() if isinstance(value, Setting))

    @property
    def profile(self) -> Profile:
        """The profile named by ``PROFILE``; ``aal1`` for an unknown name (a check reports it)."""
        return PROFILES.get(self.PROFILE, PROFILES["aal1"])

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
        problem=_positive,
    )
    ABSOLUTE_LIFETIME = Setting[timedelta | None](
        timedelta,
        FROM_PROFILE,
        "Longest age of a session since sign-in, however active. None: no such limit.",
        optional=True,
        profile_field="absolute_lifetime",
        problem=_positive,
    )
    ANONYMOUS_LIFETIME = Setting[timedelta | None](
        timedelta,
        FROM_PROFILE,
        "Longest pause between two requests of a session that nobody is signed in to. "
        "None: Django's `SESSION_COOKIE_AGE`.",
        optional=True,
        profile_field="anonymous_lifetime",
        problem=_positive,
    )
    ACTIVITY_INTERVAL = Setting[timedelta](
        timedelta,
        timedelta(seconds=60),
        "How often, at most, a session's last activity is written; and how long, at most, "
        "a session goes on after its end if the cache could not be told of it.",
        problem=_positive,
    )

    ROTATION_INTERVAL = Setting[timedelta | None](
        timedelta,
        FROM_PROFILE,
        "How often the key of a session in use is replaced. None: only when privilege changes.",
        optional=True,
        profile_field="rotation_interval",
        problem=_positive,
    )
    ROTATION_GRACE_PERIOD = Setting[timedelta](
        timedelta,
        FROM_PROFILE,
        "How long a key that was replaced while in use still finds the session, for requests "
        "that were under way.",
        profile_field="rotation_grace_period",
        problem=_not_negative,
    )

    PERSISTENT_COOKIE = Setting[bool](
        bool,
        FROM_PROFILE,
        "Whether the session's cookie may outlive the browser's window. False: it goes when the "
        "browser closes, whatever `SESSION_EXPIRE_AT_BROWSER_CLOSE` and `set_expiry()` say.",
        profile_field="persistent_cookie",
    )
    LIMITS = Setting[Callable[..., Any] | str | None](
        (str, Callable),  # type: ignore[arg-type]  # isinstance() takes it
        None,
        "A function `(session) -> Limits | None`, or its dotted path, that gives a user's or a "
        "session's own limits in place of the ones above. It runs at each request, so it must "
        "not ask a database. Its argument is a `sessions_plus.policy.SessionFacts`.",
        optional=True,
    )
    PASSIVE_PATHS = Setting[list[str]](
        (list, tuple),
        [],
        "Paths whose requests use a session without counting as activity, as a page that polls "
        "does: each stands for itself and all below it.",
    )

    MAX_SESSIONS_PER_USER = Setting[int | None](
        int,
        None,
        "How many browsers a user may be signed in with at once. None: any number.",
        optional=True,
        problem=_positive,
    )
    MAX_API_SESSIONS_PER_USER = Setting[int | None](
        int,
        None,
        "How many API clients a user may be signed in with at once. None: any number.",
        optional=True,
        problem=_positive,
    )
    ON_SESSION_LIMIT = Setting[Literal["revoke_oldest", "refuse"]](
        str,
        "revoke_oldest",
        "What one sign-in too many does: end the session that was signed in to longest ago, or "
        "not sign in.",
        choices=("revoke_oldest", "refuse"),
    )

    # Clean-up

    RETENTION_SESSIONS = Setting[timedelta | None](
        timedelta,
        timedelta(days=30),
        "How long ended sessions are kept, without their data, for people to look back on. "
        "None: for ever.",
        optional=True,
        problem=_not_negative,
    )
    RETENTION_EVENTS = Setting[timedelta | None](
        timedelta,
        timedelta(days=90),
        "How long events are kept. None: for ever.",
        optional=True,
        problem=_not_negative,
    )
    RETENTION_DEVICES = Setting[timedelta | None](
        timedelta,
        timedelta(days=365),
        "How long devices are kept after their last sign-in. None: for ever.",
        optional=True,
        problem=_not_negative,
    )

    CLIENT_CHANGE = Setting[Literal["ignore", "record", "reauthenticate", "revoke"]](
        str,
        "record",
        "What follows where a session is used with another browser or system than it is known by "
        "(an update is none). `reauthenticate`: nothing goes on before its user proved themselves "
        "again; `revoke`: it ends.",
        choices=("ignore", "record", "reauthenticate", "revoke"),
    )
    NETWORK_CHANGE = Setting[Literal["ignore", "record", "reauthenticate", "revoke"]](
        str,
        "ignore",
        "The same, for another network (/24 or /48). Telephones change theirs all day.",
        choices=("ignore", "record", "reauthenticate", "revoke"),
    )

    # Who is calling

    TRUSTED_PROXY_COUNT = Setting[int](
        int,
        0,
        "How many proxies of yours stand in front of the site and append to `X-Forwarded-For`.",
        problem=_not_negative,
    )
    TRUSTED_PROXIES = Setting[list[str]](
        (list, tuple),
        [],
        "Addresses and networks of your proxies, instead of their number. "
        "`unix` stands for a proxy that connects through a Unix socket.",
    )
    IP_ADDRESS_PRIVACY = Setting[Literal["full", "truncated", "none"]](
        str,
        "full",
        "What of an IP address is stored: all, its network (/24 or /48), or nothing.",
        choices=("full", "truncated", "none"),
    )
    TRACK_ANONYMOUS = Setting[bool](
        bool,
        True,
        "Whether address and user agent are stored for sessions that nobody is signed in to.",
    )
    LOCATION_DATABASE = Setting[str | PurePath | None](
        (str, PurePath),
        None,
        "Path of a MaxMind City or Country database (`.mmdb`). None: places are not looked up.",
        optional=True,
    )

    # Devices

    DEVICE_COOKIE_NAME = Setting[str | None](
        str,
        None,
        "Name of the cookie that recognises a browser. None: `device`, with the prefix "
        "`__Host-` or `__Secure-` where `SESSION_COOKIE_SECURE` is on.",
        optional=True,
    )
    DEVICE_COOKIE_AGE = Setting[timedelta](
        timedelta,
        timedelta(days=400),
        "How long a browser is recognised after its last sign-in. Browsers allow 400 days.",
        problem=_positive,
    )

    CLEAR_SITE_DATA = Setting[list[str]](
        (list, tuple),
        ["cache", "storage"],
        "What browsers are told to forget when a session has ended, on HTTPS: `Clear-Site-Data`. "
        "With `cookies` they forget their device, too. Empty: nothing.",
        problem=_no_site_data,
    )

    # Notices

    NOTICE_SENDER = Setting[str](
        str,
        "sessions_plus.notices.sending.send_now",
        "Dotted path of the function that sends a mail; name your own to queue it.",
    )
    SITE_URL = Setting[str | None](
        str,
        None,
        "Where the site is, for links in mails: `https://example.com`. None: the host of the "
        "request that caused the mail, if `ALLOWED_HOSTS` names it in full; else mails have no "
        "link.",
        optional=True,
        problem=_no_origin,
    )
    NOTICE_LANGUAGE = Setting[Callable[[Any], str | None] | str | None](
        (str, Callable),  # type: ignore[arg-type]  # isinstance() takes it
        None,
        "A function of the user, or its dotted path, that returns the language of their mails. "
        "None: `LANGUAGE_CODE`.",
        optional=True,
        problem=_empty,
    )

    # Secrets

    ENCRYPTION_KEYS = Setting[list[str]](
        (list, tuple),
        [],
        "Master keys that seal what is stored, newest first: each at least 32 random bytes "
        "in base64. Empty: derived from `SECRET_KEY` and `SECRET_KEY_FALLBACKS`.",
    )

    # Second factor

    MFA_POLICY = Setting[Callable[[Any], bool] | str](
        (str, Callable),  # type: ignore[arg-type]  # isinstance() takes it
        "optional",
        "Who must have a second factor: nobody (`optional`), `staff`, everybody (`required`), or "
        "a function of the user, or its dotted path. Who must and has none reaches nothing but "
        "its enrolment.",
        problem=_no_policy,
    )
    TOTP_ISSUER = Setting[str | None](
        str,
        None,
        "What authenticator apps call this site. None: the host of the request.",
        optional=True,
        problem=_empty,
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
        "How many time steps (30 s) an authenticator's clock may be off, either way.",
        profile_field="totp_tolerance",
        problem=_not_negative,
    )
    THROTTLE_ATTEMPTS = Setting[int](
        int,
        FROM_PROFILE,
        "How many wrong codes in a row are let through before each next one has to wait: 30 s at "
        "first, then longer and longer, an hour at most.",
        profile_field="throttle_attempts",
        problem=_positive,
    )
    THROTTLE_HARD_LIMIT = Setting[int](
        int,
        FROM_PROFILE,
        "How many wrong codes in a row disable an authenticator. NIST allows 100.",
        profile_field="throttle_hard_limit",
        problem=_positive,
    )
    FRESH_FACTOR_AGE = Setting[timedelta](
        timedelta,
        FROM_PROFILE,
        "How long ago somebody may have proved one factor to end sessions.",
        profile_field="fresh_factor_age",
        problem=_positive,
    )
    REAUTHENTICATION_AGE = Setting[timedelta](
        timedelta,
        FROM_PROFILE,
        "How long ago somebody may have proved all their factors to change one.",
        profile_field="reauthentication_age",
        problem=_positive,
    )
    TRUSTED_DEVICE_LIFETIME = Setting[timedelta | None](
        timedelta,
        FROM_PROFILE,
        "How long a device that its user trusts may skip the second factor; staff always need it. "
        "None: never.",
        optional=True,
        profile_field="trusted_device_lifetime",
        problem=_positive,
    )

    # Tokens

    TOKEN_ISSUER = Setting[str](
        str,
        "sessions-plus",
        "Who issues access tokens: their `iss`. A fixed URL of yours, once other services verify "
        "them.",
        problem=_empty,
    )
    TOKEN_AUDIENCE = Setting[str | None](
        str,
        None,
        "Whom access tokens are for: their `aud`. None: the issuer.",
        optional=True,
        problem=_empty,
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
        "What a bearer token has to pass: `session` also asks whether its session still lives, "
        "`stateless` asks nobody, so that it holds until it expires.",
        choices=("session", "stateless"),
    )
    TOKEN_CLAIMS = Setting[Callable[..., Mapping[str, Any]] | str | None](
        (str, Callable),  # type: ignore[arg-type]  # isinstance() takes it
        None,
        "A function `(user, session) -> dict`, or its dotted path, whose claims are added to "
        "access tokens.",
        optional=True,
    )
    ACCESS_TOKEN_LIFETIME = Setting[timedelta](
        timedelta,
        FROM_PROFILE,
        "How long an access token holds.",
        profile_field="access_token_lifetime",
        problem=_positive,
    )
    REFRESH_IDLE_TIMEOUT = Setting[timedelta | None](
        timedelta,
        FROM_PROFILE,
        "Longest pause between two uses of an API client's session. None: no such limit.",
        optional=True,
        profile_field="refresh_idle_timeout",
        problem=_positive,
    )
    REFRESH_LIFETIME = Setting[timedelta | None](
        timedelta,
        FROM_PROFILE,
        "Longest age of an API client's session since sign-in, however often it is refreshed. "
        "None: no such limit.",
        optional=True,
        profile_field="refresh_lifetime",
        problem=_positive,
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
        problem=_positive,
    )
    API_THROTTLE_RATES = Setting[dict[str, str | None]](
        dict,
        {},
        "Rates of the API that differ from ours, by scope: "
        '`{"requests": "600/min", "sign_in": "20/min", "refresh": "60/min"}`. None: no limit.',
    )


conf = Conf()
