"""
No secret is in an error report, wherever a view or a command of ours fails.

Each door of the site is opened with a real person's cookies and typed secrets, and fails where
the view returns; and at every call and return of every function, what a report would show of
its variables is looked at. Whatever becomes a ``Secret`` on the way is looked for as well.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout, suppress
from io import StringIO
from pathlib import Path
from pprint import pformat
from types import CodeType, FrameType
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core import mail
from django.core.management import CommandError, call_command
from django.core.signals import got_request_exception
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest
from django.test import Client
from django.views.debug import ExceptionReporter

import sessions_plus
from sessions_plus import masked
from sessions_plus.cookies import trust_cookie_name
from sessions_plus.error_reports import ExceptionReporterFilter, secret_cookies
from sessions_plus.mfa import totp
from sessions_plus.models import Authenticator, Session
from sessions_plus.testing import sign_in
from tests.conftest import PASSWORD
from tests.security.test_authority_at_every_door import Door, doors
from tests.support.authenticators import enrol, only
from tests.support.failures import OURS, failing_at, functions_called, profiled
from tests.tokens.factories import new_tokens

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.urls("tests.support.gated"),
    pytest.mark.usefixtures("_site"),
]

TYPED = "739517 is what was typed"
VIEWS = tuple(f"{OURS}/{room}/" for room in ("views", "api/views", "admin"))
# Where others handle what our forms, bodies and cookies bring them.
THEIRS = ("/django/forms/", "/django/contrib/", "/django/views/", "/rest_framework/")
LONG = 12  # a shorter value might be a part of something else by chance


@pytest.fixture
def _site(settings: Any) -> None:
    settings.DEFAULT_EXCEPTION_REPORTER_FILTER = (
        "sessions_plus.error_reports.ExceptionReporterFilter"
    )
    settings.SESSIONS_PLUS_MAX_CLIENT_ATTEMPTS_PER_HOUR = 0
    settings.SESSIONS_PLUS_API_THROTTLE_RATES = dict.fromkeys(("requests", "sign_in", "refresh"))
    settings.ADMINS = [("Admins", "admins@example.org")]


class Secrets(set[str]):
    """Every secret that there is. Its ``repr`` tells none: what fails is printed."""

    def __repr__(self) -> str:
        return f"<{len(self)} secrets>"

    def in_(self, text: str) -> bool:
        return any(secret in text for secret in self)


@pytest.fixture
def secrets(monkeypatch: pytest.MonkeyPatch) -> Secrets:
    found = Secrets({PASSWORD, TYPED})
    init = masked.Secret.__init__

    def wrapped(self: masked.Secret, value: str) -> None:
        if len(value) >= LONG:
            found.add(value)
        init(self, value)

    monkeypatch.setattr(masked.Secret, "__init__", wrapped)
    return found


class Browser:
    """A browser of somebody who has proved all that they have, and opens doors."""

    def __init__(self, person: User, secrets: Secrets) -> None:
        self.person, self.secrets = person, secrets
        self.client = Client(raise_request_exception=False)
        sign_in(self.client, person, methods=("pwd", "otp"))
        self.client.cookies[trust_cookie_name()] = "a browser that was trusted for a month"
        self.key = self.client.cookies["sessionid"].value
        self._note_cookies()
        self.tokens = new_tokens(person, methods=("pwd", "otp"))
        secrets |= {self.tokens.refresh, self.tokens.access, str(self.tokens.device_token)}

    def _note_cookies(self) -> None:
        for name in secret_cookies() & set(self.client.cookies):
            if len(self.client.cookies[name].value) >= LONG:
                self.secrets.add(self.client.cookies[name].value)

    def open(self, door: Door, method: str) -> int:
        """Open a door with all that any form or body of ours asks for, and undo what it did."""
        is_api = door.name.startswith("sessions_plus_api:")
        fields: dict[str, Any] = {
            "username": self.person.username,
            "password": PASSWORD,
            "old_password": PASSWORD,
            "new_password1": TYPED,
            "new_password2": TYPED,
            "code": TYPED,
            "name": "My phone",
            "challenge": self.tokens.refresh,
            "refresh": self.tokens.refresh,
            "device_token": self.tokens.device_token,
            "nonce_token": self.tokens.refresh,
            "credential": {},
        }
        if method == "get":
            fields = {}
        elif is_api:
            wanted = FIELDS.get(door.name.partition(":")[2], ())
            fields = {name: fields[name] for name in wanted}
        more: dict[str, Any] = {"content_type": "application/json"} if is_api else {}
        if is_api and door.kind.needs != "nothing":
            more["headers"] = {"authorization": f"Bearer {self.tokens.access}"}
        with transaction.atomic():
            response = getattr(self.client, method)(door.path, fields, **more)
            b"".join(response)  # what is streamed is read to its end, and closed
            transaction.set_rollback(True)
        self._note_cookies()
        self.client.cookies["sessionid"] = self.key
        return int(response.status_code)


FIELDS = {
    "login": ("username", "password"),
    "login_challenge": ("code",),
    "token_issue": ("username", "password", "device_token"),
    "token_challenge": ("challenge", "code", "device_token"),
    "token_refresh": ("refresh", "device_token"),
    "token_revoke": ("refresh",),
    "reauthenticate": ("password", "code"),
    "totp_confirm": ("code", "name"),
    "token_passkey": ("credential", "nonce_token", "device_token"),
    "token_challenge_passkey_options": ("challenge",),
    "token_challenge_passkey": ("challenge", "credential", "device_token"),
    "reauthenticate_passkey": ("credential", "password"),
    "passkey_confirm": ("credential", "name"),
    "device_detail": ("name",),
}


@pytest.fixture
def visitor(staff: User, secrets: Secrets) -> Browser:
    enrol(staff)
    secrets.add(totp.in_base32(totp.open_secret(only(staff))))
    return Browser(staff, secrets)


def ours(person: User) -> Iterator[tuple[Door, str]]:
    """Yield each door of ours, with each method that it may be opened with."""
    session = Session.objects.for_user(person).filter(kind="browser").get()
    facts = {"public_id": str(session.public_id), "user_id": str(person.pk)}
    for door in doors(facts):
        if door.name.startswith(("sessions_plus", "admin:sessions_plus", "admin:login")):
            yield from ((door, method) for method in {"post", door.kind.method})


def of_a_view(code: CodeType) -> bool:
    return code.co_filename.startswith(VIEWS)


def report(request: HttpRequest | None, *, is_email: bool) -> ExceptionReporter:
    return ExceptionReporter(request, *sys.exc_info(), is_email=is_email)  # type: ignore[misc]


@contextmanager
def each_report(look: Callable[[str, str], None]) -> Iterator[None]:
    """Let ``look`` see each report of a failed request, with the name of its kind."""

    def failed(sender: object, request: HttpRequest | None = None, **_: object) -> None:
        for kind, is_email in (("HTML mail", True), ("DEBUG page", False)):
            look(kind, report(request, is_email=is_email).get_traceback_html())
        look("text mail", report(request, is_email=True).get_traceback_text())

    got_request_exception.connect(failed)
    try:
        yield
    finally:
        got_request_exception.disconnect(failed)


def test_no_door_tells_when_its_view_fails(visitor: Browser, secrets: Secrets) -> None:
    """Mail and page about a failed view show no secret, whichever view of ours it is."""
    told: list[str] = []
    failed = set()
    for door, method in ours(visitor.person):
        codes = functions_called(lambda: visitor.open(door, method))  # noqa: B023
        for code in [code for code in codes if of_a_view(code)][:1]:

            def look(kind: str, report: str) -> None:
                failed.add(door.name)  # noqa: B023
                if secrets.in_(report):
                    told.append(f"{kind} of {method} {door.name} in {code.co_qualname}")  # noqa: B023

            event = "call" if door.name.endswith("data_download") else "return"  # an open file
            with each_report(look), failing_at(code, event=event):
                visitor.open(door, method)

    assert not told, "\n".join(told)
    assert len(failed) > 40


def request_of(frame: FrameType | None) -> HttpRequest | None:
    """Return the request that is answered where this frame is."""
    while frame is not None:
        found = frame.f_locals.get("request")
        if isinstance(found, HttpRequest):
            return found
        frame = frame.f_back
    return None


def what_a_report_shows(frame: FrameType) -> Iterator[tuple[str, str]]:
    request = request_of(frame)
    for name, value in ExceptionReporterFilter().get_traceback_frame_variables(request, frame):
        if isinstance(value, QuerySet):
            continue  # no statement for a look
        with suppress(Exception):  # a report shows that its repr fails
            yield name, pformat(value)


@contextmanager
def every_frame_watched(secrets: Secrets, told: dict[str, None]) -> Iterator[None]:
    """Note each variable that a report would show a secret in, of functions of ours and callers."""

    def look(frame: FrameType | None, happened: str, _: object) -> None:
        if frame is None or not is_looked_at(frame):
            return
        if happened == "return" and frame.f_code.co_filename.startswith(OURS):
            note(frame)
        elif happened == "call" and frame.f_back is not None and is_looked_at(frame.f_back):
            note(frame.f_back)

    def note(frame: FrameType) -> None:
        for name, shown in what_a_report_shows(frame):
            if secrets.in_(shown):
                path = Path(frame.f_code.co_filename)
                told[f"{path.parent.name}/{path.name} {frame.f_code.co_qualname}: {name}"] = None

    with profiled(look):
        yield


def is_looked_at(frame: FrameType) -> bool:
    path = frame.f_code.co_filename
    return path.startswith(OURS) or any(room in path for room in THEIRS)


def test_no_frame_tells_at_any_moment(visitor: Browser, secrets: Secrets) -> None:
    """No variable of any function of ours would be shown with a secret, whatever fails when."""
    told: dict[str, None] = {}
    for door, method in ours(visitor.person):
        with every_frame_watched(secrets, told):
            status = visitor.open(door, method)
        assert status < 500, door.name

    assert not told, "\n".join(told)


def commands(person: User, to: Path) -> dict[str, list[str]]:
    name = person.username
    return {
        "adopt_sessions": [],
        "clearsessions": [],
        "count_events": [],
        "export_factors": ["--to", "otp", "--i-know"],
        "erase_person": [name, "--dry-run"],
        "export_events": ["--cursor", "test"],
        "export_person": [name, "--to", str(to / "person.zip")],
        "import_factors": ["--from", "otp"],
        "list_sessions": [name],
        "mfa_remove": [name],
        "reduce_addresses": ["--dry-run"],
        "reseal": [],
        "revoke_sessions": [name, "--noinput"],
        "rotate_signing_key": [],
        "sessionsdoctor": [],
    }


def test_no_command_tells(visitor: Browser, secrets: Secrets, tmp_path: Path) -> None:
    """The same of each command: none shows a secret in a variable, nor prints one."""
    told: dict[str, None] = {}
    printed = StringIO()
    known = commands(visitor.person, tmp_path)
    for name, arguments in known.items():
        with (
            every_frame_watched(secrets, told),
            transaction.atomic(),
            redirect_stdout(printed),
            suppress(SystemExit, CommandError),  # it may lack what it works on
        ):
            call_command(name, *arguments, stdout=printed, stderr=printed)

    assert not told, "\n".join(told)
    assert not secrets.in_(printed.getvalue())
    folder = Path(sessions_plus.__file__).parent / "management" / "commands"
    assert set(known) == {path.stem for path in folder.glob("[!_]*.py")}


def test_the_watch_sees(
    visitor: Browser, secrets: Secrets, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the filter the same look finds secrets: it is no look that never finds any."""

    def all_of_it(self: Any, request: Any, frame: FrameType) -> Any:
        return frame.f_locals.items()

    monkeypatch.setattr(ExceptionReporterFilter, "get_traceback_frame_variables", all_of_it)
    told: dict[str, None] = {}
    door = next(door for door, _ in ours(visitor.person) if door.name.endswith("token_issue"))

    with every_frame_watched(secrets, told):
        visitor.open(door, "post")

    assert told


def test_mail_to_the_admins_shows_no_cookie(visitor: Browser, secrets: Secrets) -> None:
    """What Django mails about a failed view of the site's own has our cookies masked."""
    client = visitor.client
    codes = functions_called(lambda: client.get("/account/devices/"))
    code = next(code for code in codes if of_a_view(code))

    with failing_at(code, event="call"):
        client.get("/account/devices/")

    [message] = [message for message in mail.outbox if "error" in message.subject.lower()]
    assert trust_cookie_name() in str(message.body)
    assert not secrets.in_(str(message.message()))
    assert Authenticator.objects.exists()
