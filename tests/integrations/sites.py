"""A site before it moves in: signing in there, by the pages of its own packages."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from django.apps import apps
from django.contrib.auth.models import User
from django.test import Client, override_settings
from django.utils.module_loading import import_string

from tests.conftest import PASSWORD
from tests.integrations.settings import DJANGOS_MIDDLEWARE, middleware
from tests.support.authenticators import App

OTP_MIDDLEWARE = "django_otp.middleware.OTPMiddleware"


@dataclass(frozen=True)
class Site:
    """What a site had: an engine, its middleware, and a package for second factors."""

    engine: str
    factors: str
    sessions: str = DJANGOS_MIDDLEWARE

    def __str__(self) -> str:
        return f"{self.engine.removeprefix('django.contrib.sessions.backends.')}-{self.factors}"

    @contextmanager
    def serving(self) -> Iterator[None]:
        """Serve with the code of before."""
        login = "/account/login/" if self.factors == "otp" else "/allauth/login/"
        with override_settings(
            SESSION_ENGINE=self.engine,
            MIDDLEWARE=middleware(self.sessions, otp=OTP_MIDDLEWARE),
            LOGIN_URL=login,
        ):
            yield

    def make_person(self, name: str, *, has_factor: bool) -> Person:
        user = User.objects.create_user(name, password=PASSWORD)
        person = Person(user)
        if has_factor:
            enrol = enrol_in_otp if self.factors == "otp" else enrol_in_allauth
            enrol(person)
        return person

    def sign_in(self, person: Person) -> Client:
        """Sign in as a person does, in a browser of theirs, and put something into the cart."""
        sign_in = sign_in_with_otp if self.factors == "otp" else sign_in_with_allauth
        client = Client()
        sign_in(client, person)
        client.get("/fill/", {"what": person.cart})
        assert client.get("/who/").json()["user"] == person.user.username
        return client


@dataclass
class Person:
    user: User
    app: App | None = None
    codes: list[str] = field(default_factory=list)

    @property
    def cart(self) -> str:
        return f"tea for {self.user.username}"


def come_again(browser: Any, kind: Callable[[], Any] = Client) -> Any:
    """Let a browser come with its cookies to what serves now: a client keeps its middleware."""
    again = kind()
    for name, morsel in browser.cookies.items():
        again.cookies[name] = morsel.value
    return again


DJANGOS = "django.contrib.sessions.backends."
SITES = [
    Site(DJANGOS + "db", "allauth"),
    Site(DJANGOS + "cached_db", "otp"),
    Site(DJANGOS + "cache", "allauth"),
    Site(DJANGOS + "signed_cookies", "otp"),
    Site("user_sessions.backends.db", "otp", "user_sessions.middleware.SessionMiddleware"),
    Site("qsessions.backends.db", "allauth", "qsessions.middleware.SessionMiddleware"),
    Site("qsessions.backends.cached_db", "otp", "qsessions.middleware.SessionMiddleware"),
]


def _model(app: str, name: str) -> Any:
    return apps.get_model(app, name)


def enrol_in_otp(person: Person) -> None:
    """Give somebody an app and codes as django-otp's own pages do."""
    device = _model("otp_totp", "TOTPDevice")(user=person.user, name="default")
    device.save()
    person.app = App(bytes.fromhex(device.key))
    codes = _model("otp_static", "StaticDevice")(user=person.user, name="backup")
    codes.save()
    model = _model("otp_static", "StaticToken")
    person.codes = [model.random_token() for _ in range(10)]
    for code in person.codes:
        model(device=codes, token=code).save()


def enrol_in_allauth(person: Person) -> None:
    """Give somebody an app and codes as allauth's own pages do."""
    secret = import_string("allauth.mfa.totp.internal.auth.generate_totp_secret")()
    import_string("allauth.mfa.totp.internal.auth.TOTP").activate(person.user, secret)
    person.app = App(base64.b32decode(secret))
    codes = import_string("allauth.mfa.recovery_codes.internal.auth.RecoveryCodes")
    person.codes = codes.activate(person.user).generate_codes()


def sign_in_with_otp(client: Client, person: Person, code: str = "") -> None:
    """django-two-factor-auth's wizard."""
    url, step = "/account/login/", "login_view-current_step"
    client.get(url)
    client.post(
        url,
        {step: "auth", "auth-username": person.user.username, "auth-password": PASSWORD},
    )
    if person.app is not None:
        client.post(url, {step: "token", "token-otp_token": code or person.app.code()})


def sign_in_with_allauth(client: Client, person: Person, code: str = "") -> None:
    """allauth's pages."""
    found: Any = client.post(
        "/allauth/login/", {"login": person.user.username, "password": PASSWORD}
    )
    if person.app is not None:
        client.post(found.headers["Location"], {"code": code or person.app.code()})
