"""Each check is provoked by its id, and a well configured site hears nothing."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from django.apps import AppConfig, apps
from django.apps.registry import Apps
from django.conf import settings
from django.contrib.sessions.base_session import AbstractBaseSession
from django.contrib.sessions.models import Session as DjangosSession
from django.contrib.sessions.serializers import JSONSerializer
from django.core.checks import CheckMessage, registry, run_checks
from django.db import models
from django.test import override_settings
from django.utils import timezone

import tests
from sessions_plus.auth_backends import BACKEND, MODEL_BACKEND, Backend
from sessions_plus.checks import (
    beside,
    catalogue,
    databases,
    deployment,
    foreign_columns,
    functions,
    installation,
    moving,
    second_factor,
)
from sessions_plus.checks import values as value_checks
from sessions_plus.conf import PREFIX, Conf, Setting
from sessions_plus.middleware import SessionMiddleware
from sessions_plus.models import Session

OURS = "sessions_plus.middleware.SessionMiddleware"
DJANGOS = "django.contrib.sessions.middleware.SessionMiddleware"
AUTH = "django.contrib.auth.middleware.AuthenticationMiddleware"
BEARERS = "sessions_plus.tokens.guards.BearerMiddleware"
OTPS = "sessions_plus.integrations.otp.OTPMiddleware"
MESSAGES = "django.contrib.messages.middleware.MessageMiddleware"
CSRF = "django.middleware.csrf.CsrfViewMiddleware"
OTHER_BACKEND = "tests.support.guessing.Elsewhere"
REMOTE_BACKEND = "django.contrib.auth.backends.RemoteUserBackend"
CACHED = "sessions_plus.backends.cached_db"
OLD = "django.contrib.sessions.backends.db"
DUMMY = {"default": {"BACKEND": "django.core.cache.backends.dummy.DummyCache"}}
GOOD_KEY = base64.b64encode(bytes(range(32))).decode()

# What a live site sets on Django's own advice.
DEPLOYED: Mapping[str, Any] = {
    "DEBUG": False,
    "SECRET_KEY": "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ",
    "SECURE_HSTS_SECONDS": 31536000,
    "SECURE_HSTS_INCLUDE_SUBDOMAINS": True,
    "SECURE_HSTS_PRELOAD": True,
    "SECURE_SSL_REDIRECT": True,
    "SESSION_COOKIE_SECURE": True,
    "CSRF_COOKIE_SECURE": True,
}


class Pickled:
    """Looks like pickle by what it writes; its name says nothing."""

    def dumps(self, obj: Any) -> bytes:
        return b"\x80\x04}\x94."

    def loads(self, data: bytes) -> Any:
        raise NotImplementedError


FUNCTION: Any = Callable
FUNCTIONS = [setting for setting in Conf.declared() if setting.call is not None]


def takes_nothing() -> None:
    """Whatever it is called with is too much."""


def takes_much(a: int, b: int, c: int, *, d: int) -> None:
    """No setting's function is called so."""


async def awaited(*args: object, **kwargs: object) -> None:
    """Returns what nobody awaits."""


def fits_all(*args: object, **kwargs: object) -> None:
    """May be called with anything."""


class Nonsense:
    """A value of no type that a setting could have."""

    __hash__ = None  # type: ignore[assignment]


class OwnMiddleware(SessionMiddleware):
    """A site's own subclass of ours."""


class Staged:
    """An adapter of allauth's kind, with our stage."""

    has_second_factor_stage = True


class OwnBackend(Backend):
    """A site's own subclass of ours."""


class OwnJSON(JSONSerializer):
    """A site's own serialiser that is no pickle."""


def messages_of(*, deploy: bool = False, **values: Any) -> list[CheckMessage]:
    """What our checks say of a site with these settings."""
    with override_settings(**values):
        tags = [catalogue.TAG]
        found = run_checks(tags=tags, include_deployment_checks=deploy)
    return [message for message in found if str(message.id).startswith("sessions_plus.")]


def ids(**values: Any) -> list[str]:
    return [str(message.id).removeprefix("sessions_plus.") for message in messages_of(**values)]


def unpickling(backend: str) -> dict[str, Any]:
    path = f"django.core.cache.backends.{backend}"
    return {"default": {"BACKEND": path, "LOCATION": "sessions_cache"}}


def only(*middleware: str) -> dict[str, Any]:
    return {"MIDDLEWARE": list(middleware)}


PROXIED = {"SESSIONS_PLUS_TRUSTED_PROXIES": ["10.0.0.0/8"]}


def adopting(**values: Any) -> dict[str, Any]:
    """A site that comes from Django's own engine, but for these settings."""
    usual = {"FROM": OLD, "UNTIL": timezone.now().date() + timedelta(days=14)}
    return {f"SESSIONS_PLUS_ADOPT_{name}": value for name, value in (usual | values).items()}


def backends(*paths: str) -> dict[str, Any]:
    return {"AUTHENTICATION_BACKENDS": list(paths)}


def binding(**values: Any) -> dict[str, Any]:
    """A site that binds sessions to devices, but for these settings."""
    usual = {"SESSIONS_PLUS_DEVICE_BINDING": "observe", "SESSION_COOKIE_SECURE": True}
    return {**usual, **values}


def named(setting: Setting[Any], function: object) -> dict[str, Any]:
    """A site that names a function in a setting, and has what else that one needs."""
    needed = binding() if setting.name.startswith("DEVICE_BINDING") else {}
    return {**needed, setting.full_name: function}


ALLAUTH = "sessions_plus.integrations.allauth.AllauthIntegration"
OTP = "sessions_plus.integrations.otp.OtpIntegration"
# Packages that are not installed where these tests run: the checks know them by name.
NEIGHBOURS = [
    ("W401", ["allauth.mfa"]),
    ("W401", ["django_otp.plugins.otp_totp"]),
    ("W402", ["allauth.account.apps.AccountConfig"]),
    ("E401", ["allauth.account", ALLAUTH]),
    ("E402", ["allauth.mfa", ALLAUTH]),
    ("E402", ["django_otp", OTP]),
    ("W403", ["hijack", "hijack.contrib.admin"]),
    ("W405", ["daphne", "channels"]),
    ("W403", ["loginas"]),
    ("W403", ["impersonate.apps.AccountConfig"]),
]
HELP_DESKS = [
    "sessions_plus.integrations.hijack.HijackIntegration",
    "sessions_plus.integrations.loginas.LoginasIntegration",
    "sessions_plus.integrations.impersonate.ImpersonateIntegration",
]
WELL = [
    ["allauth.mfa", "allauth.account", ALLAUTH, "django_otp", OTP],
    ["allauthentic.mfa", "django_otpx"],
    ["hijack", "loginas", "impersonate", *HELP_DESKS],
    ["daphne", "channels", "sessions_plus.integrations.channels.ChannelsIntegration"],
]

PROVOKED = [
    pytest.param(
        "E113",
        {
            "SESSIONS_PLUS_MFA_PHISHING_RESISTANT": "staff",
            "SESSIONS_PLUS_PASSKEY_SIGN_IN": "off",
        },
        id="passkeys wanted that are off",
    ),
    pytest.param("E001", {"SESSIONS_PLUS_IDLE_TIMEUOT": 1}, id="unknown name"),
    pytest.param("E001", {"SESSION_PLUS_MFA_POLICY": "staff"}, id="prefix without an s"),
    pytest.param("E001", {"SESSIONSPLUS_MFA_POLICY": "staff"}, id="prefix in one word"),
    pytest.param("E001", {"DJANGO_SESSIONS_PLUS_PROFILE": "aal2"}, id="prefix of the package"),
    pytest.param("E001", {"SESSIONS_PLUS": {"PROFILE": "aal2"}}, id="a dictionary of settings"),
    pytest.param("E002", {"SESSIONS_PLUS_ACTIVITY_INTERVAL": 60}, id="a number for a duration"),
    pytest.param("E002", {"SESSIONS_PLUS_TRUSTED_PROXIES": "10.0.0.0/8"}, id="text for a list"),
    pytest.param("E002", {"SESSIONS_PLUS_ACTIVITY_INTERVAL": None}, id="None for one that must be"),
    pytest.param("E002", {"SESSIONS_PLUS_TRUSTED_PROXY_COUNT": True}, id="True for a number"),
    pytest.param("E003", {"SESSIONS_PLUS_PROFILE": "aal4"}, id="not a choice"),
    pytest.param("E004", {"SESSIONS_PLUS_ACTIVITY_INTERVAL": timedelta(0)}, id="no duration"),
    pytest.param("E004", {"SESSIONS_PLUS_TRUSTED_PROXY_COUNT": -1}, id="negative"),
    pytest.param("E005", {"SESSIONS_PLUS_ENCRYPTION_KEYS": [GOOD_KEY, "short"]}, id="short key"),
    pytest.param("E005", {"SESSIONS_PLUS_ENCRYPTION_KEYS": [b"x" * 32]}, id="key of raw bytes"),
    pytest.param("E006", {"SESSIONS_PLUS_TRUSTED_PROXIES": ["10.1.2.3/8"]}, id="host bits"),
    pytest.param(
        "E007",
        {"SESSIONS_PLUS_TRUSTED_PROXIES": ["::1"], "SESSIONS_PLUS_TRUSTED_PROXY_COUNT": 1},
        id="proxies twice",
    ),
    pytest.param("E008", {"SESSIONS_PLUS_IP_ADDRESS_HEADER": "X-Real-IP"}, id="nobody's header"),
    *(
        pytest.param(
            "E004", {"SESSIONS_PLUS_IP_ADDRESS_HEADER": name} | PROXIED, id=f"header {name}"
        )
        for name in (
            "X-Forwarded-For",
            "forwarded",
            "HTTP_X_REAL_IP",
            "X Real IP",
            "X-Real-IP:",
            "",
        )
    ),
    *(
        pytest.param("E009", {setting.full_name: path}, id=f"{setting.name}: {path}")
        for setting in FUNCTIONS
        for path in ("nowhere.at.all", f"{__name__}.nowhere", "no_path", f"{__name__}.BROKEN.deep")
        if setting.problem is None or setting.problem(path) is None
    ),
    *(
        pytest.param("E010", {setting.full_name: path}, id=f"{setting.name}: {path}")
        for setting in FUNCTIONS
        for path in (f"{__name__}.takes_nothing", f"{__name__}.takes_much", f"{__name__}.awaited")
    ),
    pytest.param("E010", {"SESSIONS_PLUS_LIMITS": f"{__name__}.GOOD_KEY"}, id="no function"),
    pytest.param("E010", {"SESSIONS_PLUS_LIMITS": lambda: None}, id="itself, with no argument"),
    pytest.param(
        "E010", {"SESSIONS_PLUS_LIMITS": lambda session: session.data["x"]}, id="fails for visitors"
    ),
    pytest.param("E010", {"SESSIONS_PLUS_LIMITS": lambda session: 60}, id="returns no limits"),
    pytest.param("W001", {"SESSIONS_PLUS_IDLE_TIMEOUT": timedelta(days=31)}, id="idle timeout"),
    pytest.param("W001", {"SESSION_COOKIE_AGE": 31 * 86400}, id="Django's idle timeout"),
    pytest.param("E101", only(DJANGOS, OURS, AUTH), id="Django's middleware beside ours"),
    pytest.param("E101", only(DJANGOS, AUTH), id="Django's middleware instead"),
    pytest.param("E102", only(AUTH), id="no middleware"),
    pytest.param("E103", only(AUTH, OURS), id="after authentication"),
    pytest.param("E103", only(MESSAGES, OURS, AUTH), id="after messages"),
    pytest.param("E103", only(CSRF, OURS) | {"CSRF_USE_SESSIONS": True}, id="after CSRF"),
    pytest.param("E114", only(OURS, OTPS, AUTH), id="whose user verified is not known yet"),
    pytest.param("E114", only(BEARERS, OURS, AUTH), id="bearers before authentication"),
    pytest.param("E104", {"SESSION_ENGINE": "django.contrib.sessions.backends.db"}, id="engine"),
    pytest.param("E104", {"SESSION_ENGINE": "nowhere.at.all"}, id="engine that is not there"),
    pytest.param("E105", {"SESSION_SERIALIZER": f"{__name__}.Pickled"}, id="pickle"),
    pytest.param(
        "E106", {"SESSION_ENGINE": CACHED, "SESSION_CACHE_ALIAS": "nowhere"}, id="no such cache"
    ),
    pytest.param("E107", {"SESSION_ENGINE": CACHED, "CACHES": DUMMY}, id="dummy cache"),
    pytest.param("E109", {"SESSION_COOKIE_NAME": "__Host-s"}, id="prefix over HTTP"),
    pytest.param(
        "E109",
        {
            "SESSION_COOKIE_NAME": "__Host-s",
            "SESSION_COOKIE_SECURE": True,
            "SESSION_COOKIE_DOMAIN": "example.com",
        },
        id="prefix and domain",
    ),
    pytest.param(
        "E109",
        {
            "SESSIONS_PLUS_DEVICE_COOKIE_NAME": "__Host-d",
            "SESSION_COOKIE_SECURE": True,
            "SESSION_COOKIE_PATH": "/shop/",
        },
        id="prefix and path",
    ),
    pytest.param("E301", {"SESSIONS_PLUS_ADOPT_FROM": OLD}, id="adopts without an end"),
    pytest.param("E302", adopting(FROM="nowhere.at.all"), id="adopts from nothing"),
    pytest.param("E302", adopting(FROM="tests"), id="adopts from no engine"),
    pytest.param("E302", adopting(FROM="tests.support.uninstalled"), id="adopts from a gone app"),
    pytest.param("E303", adopting(FROM=CACHED), id="adopts from itself"),
    pytest.param("E304", adopting(KEEP_OLD=True), id="old code with the same cookie"),
    pytest.param(
        "E304",
        adopting(KEEP_OLD=True, COOKIE_NAME=settings.SESSION_COOKIE_NAME),
        id="old code with the same name",
    ),
    pytest.param(
        "W301", adopting(UNTIL=timezone.now().date() + timedelta(days=90)), id="adopts for months"
    ),
    pytest.param("W302", adopting(UNTIL=date(2020, 1, 1)), id="adopted once"),
    pytest.param(
        "W303", {"SESSIONS_PLUS_ADOPT_UNTIL": timezone.now().date()}, id="adopts from nowhere"
    ),
    pytest.param("W102", backends(MODEL_BACKEND), id="Django's backend"),
    pytest.param("W102", backends(OTHER_BACKEND), id="another backend"),
    pytest.param("W103", backends(MODEL_BACKEND, BACKEND), id="after another backend"),
    pytest.param("E110", {"AUTHENTICATION_BACKENDS": ["nowhere.Backend"]}, id="no such backend"),
    pytest.param("E110", {"SESSION_SERIALIZER": "nowhere.JSON"}, id="no such serialiser"),
    pytest.param(
        "E111",
        {"SESSION_ENGINE": CACHED, "CACHES": {"default": {"BACKEND": "nowhere.Cache"}}},
        id="a cache that cannot be made",
    ),
    pytest.param("W404", {"LOGIN_URL": "account_login"}, id="signs in by a name that is none"),
    pytest.param("W106", {"ROOT_URLCONF": "tests.notices.urls"}, id="reset without its page"),
    pytest.param("E004", {"SESSIONS_PLUS_DEVICE_BINDING": "on"}, id="binding of no kind"),
    *(
        pytest.param("E004", {"SESSIONS_PLUS_PROOF_LIFETIME": lifetime}, id=f"proofs of {lifetime}")
        for lifetime in (timedelta(seconds=179), timedelta(seconds=3601))
    ),
    pytest.param("E141", binding(SESSION_COOKIE_SECURE=False), id="binding over HTTP"),
    pytest.param("E142", binding(SESSION_COOKIE_DOMAIN="a.example"), id="binding many hosts"),
    pytest.param("E142", binding(SESSION_COOKIE_PATH="/shop/"), id="binding below a path"),
    pytest.param("E143", binding(ROOT_URLCONF="tests.support.sites"), id="binding nowhere"),
    pytest.param("E144", {"SESSIONS_PLUS_DEVICE_BINDING_REQUIRED": bool}, id="binding required"),
    pytest.param("W241", binding(STATIC_URL="/"), id="binding files"),
    pytest.param("W242", binding(SESSION_COOKIE_SAMESITE="None"), id="binding in frames"),
    pytest.param("W243", binding(ROOT_URLCONF="tests.support.languages"), id="binding by language"),
    pytest.param("W101", {"SESSIONS_PLUS_LOCATION_DATABASE": "no.mmdb"}, id="no such file"),
]
PROVOKED_LIVE = [
    pytest.param("W201", {"SESSION_COOKIE_SECURE": False}, id="plain HTTP"),
    pytest.param("W202", {"SESSION_COOKIE_HTTPONLY": False}, id="scripts"),
    pytest.param("W203", {}, id="session cookie without prefix"),
    pytest.param("W204", {}, id="CSRF cookie without prefix"),
    pytest.param("W205", {"SESSION_COOKIE_SAMESITE": None}, id="SameSite not sent"),
    pytest.param("W205", {"SESSION_COOKIE_SAMESITE": "None"}, id="SameSite=None"),
    pytest.param("W206", {"SESSION_COOKIE_DOMAIN": "example.com"}, id="domain"),
    pytest.param("W207", {"SESSION_ENGINE": CACHED}, id="local cache"),
    *(
        pytest.param("W212", {"SESSION_ENGINE": CACHED, "CACHES": unpickling(backend)}, id=backend)
        for backend in ("db.DatabaseCache", "filebased.FileBasedCache")
    ),
    pytest.param(
        "W208",
        {
            "REST_FRAMEWORK": {
                "DEFAULT_AUTHENTICATION_CLASSES": [
                    "rest_framework.authentication.TokenAuthentication"
                ]
            }
        },
        id="static tokens",
    ),
    pytest.param("W209", {}, id="no issuer"),
    pytest.param("W210", {"ALLOWED_HOSTS": ["shop.example", "*"]}, id="any host"),
    pytest.param("W210", {"ALLOWED_HOSTS": [".shop.example"]}, id="any host below"),
    pytest.param("W211", {}, id="reports with cookies"),
    pytest.param("W220", {"ROOT_URLCONF": "tests.support.foreign_doors"}, id="tokens of others"),
    pytest.param(
        "W222",
        {
            "SESSIONS_PLUS_SITE_URL": "https://shop.example",
            "SESSIONS_PLUS_PASSKEY_RP_ID": "other.example",
        },
        id="passkeys of another domain",
    ),
    pytest.param(
        "W224",
        {
            "SESSIONS_PLUS_SITE_URL": "https://shop.example",
            "SESSIONS_PLUS_PASSKEY_ORIGINS": ["https://shop.example", "https://shop.test"],
        },
        id="related origins that nobody is told of",
    ),
    pytest.param(
        "W223", {"SESSIONS_PLUS_SITE_URL": "http://shop.example"}, id="passkeys without HTTPS"
    ),
    pytest.param("W221", {"ROOT_URLCONF": "tests.support.foreign_doors"}, id="a password each"),
]


@pytest.mark.parametrize(("expected", "values"), PROVOKED)
def test_is_reported(expected: str, values: dict[str, Any]) -> None:
    """Each mistake is reported by its id, and the same site without it is not."""
    assert expected in ids(**values)
    assert expected not in ids()


@pytest.mark.parametrize(("expected", "values"), PROVOKED_LIVE)
def test_is_reported_before_going_live(expected: str, values: dict[str, Any]) -> None:
    """What matters on a live site is reported by ``check --deploy`` and by no other run."""
    assert expected in ids(deploy=True, **{**DEPLOYED, **values})
    assert expected not in ids(**{**DEPLOYED, **values})


@pytest.mark.parametrize(
    "values",
    [
        pytest.param({"SESSIONS_PLUS_TOKEN_ISSUER": "https://shop.example"}, id="a name"),
        pytest.param({"ROOT_URLCONF": "tests.support.sites"}, id="no API"),
        pytest.param({"ROOT_URLCONF": None}, id="no addresses"),
    ],
)
def test_an_issuer_is_asked_for_where_tokens_are_issued(values: dict[str, Any]) -> None:
    """A site that names itself, or has no API, hears nothing of issuers."""
    assert "W209" not in ids(deploy=True, **{**DEPLOYED, **values})


@pytest.mark.parametrize(
    "values",
    [
        pytest.param({"ALLOWED_HOSTS": ["shop.example", "[::1]"]}, id="hosts in full"),
        pytest.param({"SESSIONS_PLUS_SITE_URL": "https://shop.example"}, id="a site"),
        pytest.param({"ROOT_URLCONF": "tests.support.sites"}, id="no pages"),
        pytest.param({"ROOT_URLCONF": None}, id="no addresses"),
    ],
)
def test_a_site_is_asked_for_where_mails_could_have_a_link(values: dict[str, Any]) -> None:
    """A site that says where it is, by setting or by hosts in full, or has no pages, is fine."""
    assert "W210" not in ids(deploy=True, **{**DEPLOYED, "ALLOWED_HOSTS": ["*"], **values})


@pytest.mark.parametrize(
    ("library", "extra", "values"),
    [
        pytest.param(
            "webauthn",
            "passkeys",
            {"SESSIONS_PLUS_PASSKEY_RP_ID": "shop.example"},
            id="passkeys",
        ),
        pytest.param("geoip2", "geoip", {"SESSIONS_PLUS_LOCATION_DATABASE": __file__}, id="geoip"),
        pytest.param(
            "joserfc",
            "api",
            {"REST_FRAMEWORK": {"DEFAULT_AUTHENTICATION_CLASSES": ["sessions_plus.api.x.Y"]}},
            id="api",
        ),
        pytest.param(
            "django_redis",
            "redis",
            {
                "SESSION_ENGINE": CACHED,
                "CACHES": {"default": {"BACKEND": "django_redis.cache.RedisCache"}},
            },
            id="redis",
        ),
        pytest.param("opentelemetry", "metrics", {"SESSIONS_PLUS_METRICS": True}, id="metrics"),
    ],
)
def test_missing_extra_is_reported(
    monkeypatch: pytest.MonkeyPatch, library: str, extra: str, values: dict[str, Any]
) -> None:
    """A library that the settings call for and that is not installed is named with its extra."""
    with override_settings(**values):
        needed = {name for _, _, name in installation.needed_libraries()}
        monkeypatch.setattr(installation, "is_installed", lambda name: name != library)
        found = installation.check_extras()
        monkeypatch.setattr(installation, "is_installed", lambda name: True)
        nothing = installation.check_extras()

    assert library in needed
    assert [message.id for message in found] == ["sessions_plus.E108"]
    assert f"django-sessions-plus[{extra}]" in str(found[0].hint)
    assert nothing == []


def with_key_column(app: str, *, max_length: int, **others: Any) -> type[models.Model]:
    """Return a model of another's app, with a column for session keys and more."""
    config = AppConfig(app, tests)
    known = Apps([])
    config.apps, config.models = known, {}
    known.app_configs[config.label] = config
    column: Any = models.CharField(max_length=max_length, primary_key=bool(others))
    meta = type("Meta", (), {"app_label": config.label, "apps": known})
    body = {"session_key": column, "Meta": meta, "__module__": __name__, **others}
    return type("UserSession", (models.Model,), body)


@pytest.mark.parametrize(
    ("app", "expected", "advice"),
    [
        pytest.param(
            "allauth.usersessions",
            "sessions_plus.E112",
            "Remove 'allauth.usersessions' from INSTALLED_APPS",
            id="an app that writes it at each sign-in",
        ),
        pytest.param("shop", "sessions_plus.W104", "Keep request.session.public_id", id="a site's"),
    ],
)
def test_a_column_for_shorter_keys_is_reported(app: str, expected: str, advice: str) -> None:
    """Where another app would write our key, and it does not fit, it is said what to do."""
    (message,) = foreign_columns.messages_about([with_key_column(app, max_length=40)])

    assert message.id == expected
    assert f"{app.rpartition('.')[2]}.UserSession.session_key" in message.msg
    assert "holds 40 characters" in message.msg
    assert advice in str(message.hint)


def test_tables_of_other_engines_may_stay() -> None:
    """While a site moves, the sessions of Django and of others are left alone."""
    of_engine = {"session_data": models.TextField(), "expire_date": models.DateTimeField()}
    of_qsessions: Any = type(
        "QSession",
        (AbstractBaseSession,),
        {"__module__": __name__, "Meta": type("Meta", (), {"app_label": "q", "apps": Apps([])})},
    )

    assert not foreign_columns.messages_about(
        [
            DjangosSession,
            Session,
            of_qsessions,
            with_key_column("user_sessions", max_length=40, **of_engine),
            with_key_column("shop", max_length=76),
        ]
    )


class Keeping:
    """A router that lets only some of our models into the sessions' database."""

    kept_out: frozenset[str]

    def allow_migrate(self, db: str, app_label: str, **hints: Any) -> bool | None:
        is_ours = app_label == "sessions_plus"
        return not is_ours or hints.get("model_name") not in self.kept_out


class KeepingEvents(Keeping):
    kept_out = frozenset({"sessionevent"})


class KeepingAll(Keeping):
    """As a site whose tables are made by somebody else."""

    kept_out = frozenset(
        model._meta.model_name or "" for model in apps.get_app_config("sessions_plus").get_models()
    )


@pytest.mark.parametrize(
    ("routers", "expected"),
    [
        pytest.param([], [], id="no router"),
        pytest.param([KeepingEvents()], ["sessions_plus.W107"], id="keeps events out"),
        pytest.param([KeepingAll()], [], id="keeps all out"),
    ],
)
def test_a_table_kept_out_of_the_sessions_database_is_reported(
    routers: list[object], expected: list[str]
) -> None:
    """Pages and clean-up fail where the sessions' database has no table of events."""
    with override_settings(DATABASE_ROUTERS=routers):
        found = databases.check_tables_beside_sessions()

    assert [message.id for message in found] == expected
    if found:
        assert "sessions_plus.SessionEvent" in found[0].msg
        assert "'default'" in found[0].msg


def test_every_finding_is_provoked() -> None:
    """No message is left that no test has seen."""
    provoked = {str(case.values[0]) for case in (*PROVOKED, *PROVOKED_LIVE)} | {
        "E108",
        "E112",
        "W104",
        "W105",
        "W107",
    }
    provoked |= {finding for finding, _ in NEIGHBOURS}

    assert {finding.id for finding in catalogue.findings()} == provoked


def test_every_function_says_how_it_is_called() -> None:
    """A setting that may be a function, or names one by default, declares its arguments."""
    for setting in Conf.declared():
        path = setting.default
        is_path = isinstance(path, str) and "." in path and callable(installation.find(path))
        assert setting.call is not None or not (FUNCTION in setting.kind or is_path), setting.name
        if is_path:
            assert ids(**{setting.full_name: path}) == []


def test_ids_are_unique() -> None:
    """No two messages share an id."""
    found = [finding.id for finding in catalogue.findings()]

    assert len(found) == len(set(found))


def test_every_check_is_registered() -> None:
    """Each function that checks is known to Django, those of a live site as such."""
    known = registry.registry.get_checks(include_deployment_checks=True)
    everyday = registry.registry.get_checks()
    everyday_ones = (value_checks, functions, foreign_columns, installation, moving, databases)
    modules = (*everyday_ones, deployment, second_factor)
    for module in modules:
        checks = {check for name, check in vars(module).items() if name.startswith("check_")}
        assert checks
        assert checks <= set(known)
        assert checks.isdisjoint(everyday) == (module in (deployment, second_factor))


@pytest.mark.parametrize("setting", [pytest.param(s, id=s.name) for s in Conf.declared()])
def test_default_passes(setting: Any) -> None:
    """Writing a setting's default into the settings changes nothing and is no mistake."""
    from sessions_plus.conf import conf

    assert messages_of(**{setting.full_name: getattr(conf, setting.name)}) == []


@pytest.mark.parametrize("setting", [pytest.param(s, id=s.name) for s in Conf.declared()])
def test_a_value_of_a_wrong_type_is_reported_and_breaks_no_check(setting: Any) -> None:
    """Whatever stands in a setting, the checks run to their end and name it."""
    values: dict[str, Any] = {setting.full_name: Nonsense()}

    found = messages_of(**values)

    assert "sessions_plus.E002" in [message.id for message in found]
    assert setting.full_name in " ".join(message.msg for message in found)


@pytest.mark.parametrize(
    "values",
    [
        pytest.param(
            {"SESSIONS_PLUS_TRUSTED_PROXIES": ["unix", "10.0.0.0/8", "::1"]}, id="proxies"
        ),
        pytest.param({"SESSIONS_PLUS_TRUSTED_PROXIES": ("unix",)}, id="a tuple for a list"),
        pytest.param({"SESSIONS_PLUS_ENCRYPTION_KEYS": [GOOD_KEY]}, id="key"),
        pytest.param({"SESSIONS_PLUS_IDLE_TIMEOUT": timedelta(days=30)}, id="as long as allowed"),
        pytest.param({"SESSIONS_PLUS_ABSOLUTE_LIFETIME": None}, id="off"),
        pytest.param({"SESSIONS_PLUS_LOCATION_DATABASE": Path(__file__)}, id="a path"),
        pytest.param(only(f"{__name__}.OwnMiddleware", AUTH), id="a subclass of ours"),
        pytest.param(only(CSRF, OURS, AUTH), id="CSRF with its own cookie"),
        pytest.param(backends(BACKEND, MODEL_BACKEND, OTHER_BACKEND), id="before other backends"),
        pytest.param(backends(f"{__name__}.OwnBackend"), id="a subclass of our backend"),
        pytest.param(backends(REMOTE_BACKEND), id="a proxy that names the user"),
        pytest.param(only(OURS, AUTH, "no.such.Middleware"), id="what others report"),
        pytest.param({"SESSION_SERIALIZER": f"{__name__}.OwnJSON"}, id="a serialiser"),
        pytest.param(adopting(), id="moving in"),
        pytest.param(adopting(UNTIL=datetime.now(UTC) + timedelta(days=60)), id="until a moment"),
        pytest.param(adopting(KEEP_OLD=True, COOKIE_NAME="old"), id="moving in beside old code"),
        *(
            pytest.param(named(setting, f"{__name__}.fits_all"), id=f"{setting.name}: a path")
            for setting in FUNCTIONS
        ),
        *(
            pytest.param(named(setting, fits_all), id=f"{setting.name}: itself")
            for setting in FUNCTIONS
            if FUNCTION in setting.kind
        ),
        *(
            pytest.param({"SESSIONS_PLUS_MFA_POLICY": word}, id=word)
            for word in ("optional", "staff", "required")
        ),
        pytest.param({"SESSION_ENGINE": CACHED}, id="local cache while developing"),
        pytest.param({"CACHES": DUMMY}, id="dummy cache that holds no session"),
        pytest.param(
            {"INSTALLED_APPS": [*settings.INSTALLED_APPS, "django.contrib.sessions"]}
            if "django.contrib.sessions" not in settings.INSTALLED_APPS
            else {},
            id="Django's app, for its clearsessions",
        ),
        pytest.param(
            {
                "SESSION_COOKIE_NAME": "__Secure-s",
                "SESSION_COOKIE_SECURE": True,
                "SESSION_COOKIE_DOMAIN": "example.com",
            },
            id="the prefix that allows a domain",
        ),
    ],
)
def test_is_not_reported(values: dict[str, Any]) -> None:
    """What is allowed is not complained of."""
    assert messages_of(**values) == []


def test_the_app_of_static_tokens_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    """Django REST framework's app of tokens is reported also where only the admin uses it."""
    # Not by override_settings, which would load the app's models for the rest of the run.
    apps = [*settings.INSTALLED_APPS, "rest_framework.authtoken"]
    monkeypatch.setattr(settings, "INSTALLED_APPS", apps)

    assert [message.id for message in deployment.check_static_tokens()] == ["sessions_plus.W208"]


@pytest.mark.parametrize(("expected", "apps"), NEIGHBOURS)
def test_a_package_of_others_is_reported(
    expected: str, apps: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A package that keeps second factors, or signs people in, is asked for its integration."""
    monkeypatch.setattr(settings, "INSTALLED_APPS", [*settings.INSTALLED_APPS, *apps])

    with override_settings(LOGIN_URL="sessions_plus:login"):
        found = [*beside.check_factors_of_others(), *beside.check_where_others_ask()]
        found += [*beside.check_login_of_allauth(), *beside.check_help_desks()]
        found += beside.check_sockets()

    assert f"sessions_plus.{expected}" in {message.id for message in found}


@pytest.mark.parametrize("apps", WELL, ids=["integrated", "similar names", "help desks", "sockets"])
@pytest.mark.parametrize("urls", ["tests.urls", "tests.support.sites", None])
def test_packages_that_are_integrated_are_not(
    apps: list[str], urls: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings, "INSTALLED_APPS", [*settings.INSTALLED_APPS, *apps])

    with override_settings(
        ROOT_URLCONF=urls, LOGIN_URL="/elsewhere/", ACCOUNT_ADAPTER=f"{__name__}.Staged"
    ):
        found = [*beside.check_factors_of_others(), *beside.check_where_others_ask()]
        found += [*beside.check_sockets(), *beside.check_help_desks()]
        assert not [*found, *beside.check_login_of_allauth()]


def test_a_name_is_suggested() -> None:
    """A misspelt name is answered with the right one."""
    (message,) = messages_of(SESSIONS_PLUS_IDLE_TIMEUOT=1)

    assert "SESSIONS_PLUS_IDLE_TIMEUOT" in message.msg
    assert message.hint == "Did you mean SESSIONS_PLUS_IDLE_TIMEOUT?"


@pytest.mark.parametrize("prefix", ["SESSION_PLUS_", "SESSIONSPLUS_", "DJANGO_SESSIONS_PLUS_"])
def test_a_misspelt_prefix_is_told(prefix: str) -> None:
    """Else what was set would be off, and nobody would know."""
    values: dict[str, Any] = {f"{prefix}MFA_POLICY": "staff"}

    (message,) = messages_of(**values)

    assert message.hint == "Did you mean SESSIONS_PLUS_MFA_POLICY?"


def test_a_dictionary_of_settings_is_told() -> None:
    """As other packages have it: read by nobody here."""
    (message,) = messages_of(SESSIONS_PLUS={"MFA_POLICY": "staff"})

    assert message.hint == "Write each setting by itself, such as SESSIONS_PLUS_PROFILE."


def test_a_name_like_no_other_has_no_suggestion() -> None:
    """A name that resembles none is not answered with a guess."""
    (message,) = messages_of(SESSIONS_PLUS_XYZZY=1)

    assert message.hint == "Remove it."


def test_a_duration_is_written_out() -> None:
    """A number of seconds is answered with the duration to write."""
    (message,) = messages_of(SESSIONS_PLUS_ACTIVITY_INTERVAL=60)

    assert message.msg == "SESSIONS_PLUS_ACTIVITY_INTERVAL is 60, which is not timedelta."
    assert message.hint == "Write datetime.timedelta(seconds=60)."


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param([MODEL_BACKEND], [BACKEND], id="in the place of Django's"),
        pytest.param([OTHER_BACKEND], [BACKEND, OTHER_BACKEND], id="before another"),
        pytest.param(
            [MODEL_BACKEND, OTHER_BACKEND], [BACKEND, MODEL_BACKEND, OTHER_BACKEND], id="before two"
        ),
        pytest.param([OTHER_BACKEND, BACKEND], [BACKEND, OTHER_BACKEND], id="at its place"),
    ],
)
def test_backends_are_written_out(before: list[str], after: list[str]) -> None:
    """The list to write is given in full, and is one that nothing is said of."""
    (message,) = messages_of(**backends(*before))

    assert f"Write AUTHENTICATION_BACKENDS = {after!r}." in str(message.hint)
    assert messages_of(**backends(*after)) == []


def test_timeouts_are_named_with_their_values() -> None:
    """The message says which two limits contradict each other, and how long they are."""
    (message,) = messages_of(
        SESSIONS_PLUS_PROFILE="aal3", SESSIONS_PLUS_IDLE_TIMEOUT=timedelta(days=5)
    )

    for text in ("5 days", "SESSIONS_PLUS_IDLE_TIMEOUT", "12:00:00"):
        assert text in message.msg


@pytest.mark.parametrize("keys", ["topsecret", ["topsecret"], {"topsecret": 1}, b"topsecret"])
@pytest.mark.parametrize("name", [s.full_name for s in Conf.declared() if "_KEYS" in s.full_name])
def test_no_message_shows_a_key(name: str, keys: Any) -> None:
    """A key that is wrong is not printed for that."""
    found = messages_of(**{name: keys})

    assert found or isinstance(keys, list)
    assert not [message for message in found if "topsecret" in f"{message.msg}{message.hint}"]


def test_each_message_says_what_to_write() -> None:
    """No message comes without its hint."""
    assert not [finding.id for finding in catalogue.findings() if len(finding.hint) < 8]


@pytest.mark.django_db  # some checks of Django's ask the database what it can do
def test_a_well_deployed_site_hears_of_three_things() -> None:
    """The four lines and Django's own advice leave three warnings, each ended by one line."""
    site = {**DEPLOYED, "SESSIONS_PLUS_TOKEN_ISSUER": "https://shop.example"}
    assert sorted(ids(deploy=True, **site)) == ["W203", "W204", "W211"]
    named = {"SESSION_COOKIE_NAME": "__Host-s", "CSRF_COOKIE_NAME": "__Host-c"}
    named["DEFAULT_EXCEPTION_REPORTER_FILTER"] = (
        "sessions_plus.error_reports.ExceptionReporterFilter"
    )
    mailers = {"default": {"BACKEND": "django.core.mail.backends.smtp.EmailBackend"}}

    with override_settings(**site, **named, MAILERS=mailers):
        assert run_checks(include_deployment_checks=True) == []


def test_names_of_other_apps_are_theirs() -> None:
    """Only names with our prefix are looked at."""
    assert PREFIX == "SESSIONS_PLUS_"
    assert messages_of(SESSIONS_MINUS_XYZZY=SimpleNamespace()) == []
