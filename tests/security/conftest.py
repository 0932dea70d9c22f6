"""A site on HTTPS as it should be, and somebody signed in on it who has one of everything."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.core import mail
from django.test import Client, override_settings
from django.utils import timezone

from sessions_plus.models import Authenticator, Device, Session
from tests.support.browsers import FIREFOX, SAFARI

HTTPS: dict[str, Any] = {
    "SESSION_COOKIE_SECURE": True,
    "SESSION_COOKIE_NAME": "__Host-sessionid",
    "CSRF_COOKIE_SECURE": True,
    "CSRF_COOKIE_NAME": "__Host-csrftoken",
    # Else messages stand in a cookie of Django's, whose name cannot be chosen.
    "MESSAGE_STORAGE": "django.contrib.messages.storage.session.SessionStorage",
}


@pytest.fixture
def https_site() -> Iterator[None]:
    """The settings that ``check --deploy`` asks for."""
    with override_settings(**HTTPS):
        yield


class Person:
    """A browser on HTTPS that somebody uses, and every ``Set-Cookie`` that it was sent."""

    def __init__(self, user_agent: str = FIREFOX, *, enforce_csrf_checks: bool = False) -> None:
        self.client = Client(
            enforce_csrf_checks=enforce_csrf_checks, headers={"user-agent": user_agent}
        )
        self.jar: list[Any] = []

    def ask(self, method: str, path: str, data: Any = None, **options: Any) -> Any:
        response = getattr(self.client, method)(path, data, secure=True, **options)
        self.jar += response.cookies.values()
        return response

    def sign_in(self, user: User, password: str) -> Person:
        details = {"username": user.get_username(), "password": password}
        assert self.ask("post", "/account/login/", details).status_code == 302
        return self

    @property
    def key(self) -> str:
        return str(self.client.cookies[settings.SESSION_COOKIE_NAME].value)


@pytest.fixture
def ann(https_site: None, user: User, password: str) -> Person:
    """Ann, signed in on her second device a moment ago, on a site on HTTPS."""
    Person(SAFARI).sign_in(user, password)
    return Person().sign_in(user, password)


@pytest.fixture
def facts(ann: Person, user: User) -> dict[str, str]:
    """What fills the places of our addresses: Ann's session, device, person and mail."""
    device = Device.objects.get(system="Linux")
    public_id = Session.objects.get(device=device).public_id
    # One name for everything, as an address says only "public_id".
    Device.objects.filter(pk=device.pk).update(public_id=public_id)
    Authenticator.objects.create(
        user=user, public_id=public_id, sealed_secret=b"?", confirmed_at=timezone.now()
    )
    link = urlsplit(str(mail.outbox[-1].body).split("https://")[1].split()[0]).path
    return {
        "public_id": str(public_id),
        "user_id": str(user.pk),
        "token": link.rstrip("/").rpartition("/")[2],
        "uidb64": "MQ",
    }
