"""
No secret of the second factor stands anywhere but in the one answer meant to show it.

The whole journey is walked, then database, cache, logs, mails, headers and other pages are
searched for every secret in every spelling.
"""

from __future__ import annotations

import base64
import logging
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest
from django.apps import apps
from django.contrib.auth.models import User
from django.core import mail
from django.core.cache import caches
from django.db import connection
from django.test import Client, RequestFactory
from django.utils import timezone
from django.views.debug import ExceptionReporter
from django.views.decorators.debug import sensitive_post_parameters

from sessions_plus.mfa import enrolment, totp
from sessions_plus.mfa.typed_code import read_code
from sessions_plus.models import Authenticator, Event, SessionEvent
from tests.support.authenticators import SESSION, App, enrol

pytestmark = pytest.mark.django_db(transaction=True)


def spellings(secret: bytes, text: str) -> Iterator[str]:
    """Yield a secret as a dump might have it."""
    yield text
    yield text.lower()
    yield quote(text)
    yield secret.hex()
    yield base64.b64encode(secret).decode().rstrip("=")
    yield base64.urlsafe_b64encode(secret).decode().rstrip("=")
    yield repr(secret)[2:-1]
    yield quote(secret)


def everything_stored() -> str:
    """Return each value of each table, bytes also as hex and Base64."""
    found: list[str] = []
    for model in apps.get_models():
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT * FROM {connection.ops.quote_name(model._meta.db_table)}")  # noqa: S608
            for row in cursor.fetchall():
                for value in row:
                    if isinstance(value, (bytes, memoryview)):
                        raw = bytes(value)
                        found += [repr(raw), raw.hex(), base64.b64encode(raw).decode()]
                    found.append(str(value))
    cache: Any = caches["default"]
    for raw in cache._cache.values():
        found += [repr(raw), raw.hex()]
    return "\n".join(found)


@pytest.fixture(autouse=True)
def site(settings: Any) -> None:
    settings.ROOT_URLCONF = "tests.support.doors"
    settings.LOGIN_URL = "/account/login/"
    settings.LOGIN_REDIRECT_URL = "/"
    settings.SESSION_ENGINE = "sessions_plus.backends.cached_db"


def test_no_secret_is_left_anywhere(
    user: User, password: str, caplog: pytest.LogCaptureFixture
) -> None:
    """After the whole journey no secret or code is in database, cache, log, mail or URL."""
    caplog.set_level(logging.DEBUG)
    client = Client()
    answers: list[Any] = []

    def visit(method: str, path: str, data: dict[str, str] | None = None) -> str:
        response = getattr(client, method)(path, data or {})
        answers.append((path, response))
        return str(response.content.decode())

    visit("post", "/account/login/", {"username": "ann", "password": password})
    visit("post", "/account/security/totp/begin/")
    page = visit("get", "/account/security/totp/")
    app = App.typed(re.findall(r'class="secret"[^>]*>([^<]+)<', page)[0])
    pending = everything_stored()
    first = app.code(steps=-1)
    shown = visit("post", "/account/security/totp/", {"code": first})
    codes = re.findall(r"<code>([^<]+)</code>", shown)
    visit("get", "/account/security/")
    visit("post", "/account/logout/")
    visit("post", "/account/login/", {"username": "ann", "password": password})
    visit("post", "/account/challenge/", {"code": app.wrong_code()})
    second = app.code()
    visit("post", "/account/challenge/", {"code": second, "trust": "on"})
    visit("post", "/account/reauthenticate/", {"password": password, "code": codes[0]})
    visit("get", "/account/devices/")
    visit("get", "/account/activity/")
    trust = client.cookies["trust"].value
    session = client.cookies["sessionid"].value

    base32 = base64.b32encode(app.secret).decode().rstrip("=")
    secrets = set(spellings(app.secret, base32)) | {trust, session, password}
    for code in codes:
        read = read_code(code)
        assert read is not None
        secrets |= {code, read.text, *spellings(read.text.encode(), read.text)}
    logged = caplog.text + "\n".join(str(record.__dict__) for record in caplog.records)
    mails = "\n".join(str(sent.message()) for sent in mail.outbox)
    places = {
        "database and cache": everything_stored(),
        "while pending": pending,
        "log": logged,
        "mail": mails,
    }
    for path, response in answers:
        places[f"headers of {path}"] = "\n".join(
            f"{name}: {value}" for name, value in response.headers.items()
        )
        if response.content.decode() not in (page, shown):
            places[f"page {path}"] = response.content.decode()
    for place, text in places.items():
        # No message: pytest would print what was found.
        found = [number for number, secret in enumerate(sorted(secrets)) if secret in text]
        assert not found, place
    assert len(codes) == 10
    for code in (first, second):
        assert f"'{code}'" not in logged


def test_no_repr_tells(user: User) -> None:
    """Neither rows nor the values that carry codes show them."""
    now = timezone.now()
    pending = enrolment.begin(user, session_public_id=SESSION, now=now)
    app = App(totp.open_secret(pending))
    enrolled = enrolment.confirm(
        user, app.code(now), authority=None, session_public_id=SESSION, client=None, now=now
    )

    text = repr(enrolled) + repr(Authenticator.objects.get()) + str(Authenticator.objects.get())

    assert totp.in_base32(app.secret) not in text
    assert not any(code.reveal() in text for code in enrolled.recovery_codes)


def test_error_reports_hide_what_was_typed(
    user: User, password: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fault while a code is verified is a 500 whose report shows neither code nor secret."""

    def fail(*args: Any, **kwargs: Any) -> bool:
        raise RuntimeError("the disk is full")

    app = enrol(user)
    client = Client()
    client.post("/account/login/", {"username": "ann", "password": password})
    monkeypatch.setattr(totp, "spend", fail)
    code = app.code()

    with pytest.raises(RuntimeError) as fault:
        client.post("/account/challenge/", {"code": code})

    info = (fault.type, fault.value, fault.tb)
    request = RequestFactory().post("/", {"code": code})
    sensitive_post_parameters("code")(lambda request: None)(request)
    report = ExceptionReporter(request, *info).get_traceback_text()
    assert "the disk is full" in report
    assert code not in report
    assert repr(app.secret)[2:-1] not in report
    assert totp.in_base32(app.secret) not in report
    assert client.get("/sync/who/").content == b"AnonymousUser"


def test_a_secret_that_does_not_open_is_no_door(user: User, password: str) -> None:
    """With a damaged secret no code is right, the audit says why, and a recovery code works."""
    app = enrol(user)
    Authenticator.objects.update(sealed_secret=b"damaged")
    client = Client()
    client.post("/account/login/", {"username": "ann", "password": password})

    client.post("/account/challenge/", {"code": app.code()})

    assert client.get("/sync/who/").content == b"AnonymousUser"
    assert SessionEvent.objects.get(event=Event.CHALLENGE_FAILED).reason == "unreadable"
    client.post("/account/challenge/", {"code": app.recovery_codes[0]})
    assert client.get("/sync/who/").content == b"ann"
