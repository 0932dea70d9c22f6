"""What takes long: a bar on a terminal, one line elsewhere, JSON, and an end at any moment."""

from __future__ import annotations

import base64
import io
import json
import signal
import sys
from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command, load_command_class
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from sessions_plus import management
from sessions_plus.crypto import Purpose, seal
from sessions_plus.keys import new_public_id
from sessions_plus.maintenance import counting
from sessions_plus.maintenance.cleanup import cleanup, due
from sessions_plus.management import progress
from sessions_plus.models import (
    AdoptedKey,
    AdoptionBar,
    Challenge,
    Cursor,
    Device,
    DeviceKey,
    Event,
    HourCount,
    Notice,
    Reason,
    Session,
    SessionEvent,
    Span,
    Throttle,
    UsedNonce,
)
from sessions_plus.models.session import data_context
from tests.support.authenticators import a_passkey

pytestmark = [
    pytest.mark.usefixtures("_nobody_else_writes"),
    pytest.mark.django_db(transaction=True),
    pytest.mark.urls("tests.support.sites"),
]

COMMANDS = Path(management.__file__).parent / "commands"
DAY = timedelta(days=1)

# What each says in JSON, that it did.
LONG: Mapping[str, Callable[[dict[str, Any]], int]] = {
    "clearsessions": lambda told: sum(told["removed"].values()),
    "count_events": lambda told: int(told["events"]),
    "reduce_addresses": lambda told: sum(told["reduced"].values()),
    "reseal": lambda told: sum(one["moved"] for one in told.values()),
    "revoke_sessions": lambda told: int(told["ended"]),
}
ARGUMENTS = {"revoke_sessions": ["--all", "--noinput"]}
# Those that end or remove something.
FINAL = {"clearsessions", "erase_person", "reduce_addresses", "revoke_sessions"}


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def old_site(settings: Any, user: User) -> None:
    """A site on which each of them finds three rows or more to do something with."""
    first, second = (base64.b64encode(bytes([number]) * 32).decode() for number in (1, 2))
    settings.SESSIONS_PLUS_ENCRYPTION_KEYS = [first]
    now = timezone.now()
    for _ in range(3):
        a_session(user, expire_date=now + DAY)
        a_session(None, expire_date=now - DAY)
        SessionEvent.objects.create(event=Event.SESSION_STARTED, ip_address="203.0.113.9")
    settings.SESSIONS_PLUS_ENCRYPTION_KEYS = [second, first]
    settings.SESSIONS_PLUS_IP_ADDRESS_PRIVACY = "truncated"


def a_session(user: User | None, **columns: Any) -> Session:
    public_id = new_public_id()
    data = seal(
        b"{}",
        purpose=Purpose.SESSION_DATA,
        bound_to=data_context(public_id, user.pk if user is not None else None),
    )
    return Session.objects.create(
        public_id=public_id, user=user, data=data, ip_address="203.0.113.9", **columns
    )


def run(name: str, *arguments: str) -> str:
    out = io.StringIO()
    command = load_command_class("sessions_plus", name)  # not Django's of the same name
    call_command(command, *ARGUMENTS.get(name, []), *arguments, stdout=out)
    return out.getvalue()


def test_all_are_here() -> None:
    """Each command that shows how far it is, and that has an end, is in these tests."""
    watched = {path.stem for path in COMMANDS.glob("*.py") if "watched(" in path.read_text()}

    assert watched == set(LONG)


@pytest.mark.parametrize("name", sorted(FINAL))
def test_what_cannot_be_undone_is_shown_before(name: str) -> None:
    """Whatever ends or removes can say first what that would be."""
    parser = load_command_class("sessions_plus", name).create_parser("manage.py", name)

    assert "--dry-run" in parser.format_help()
    assert "--json" in parser.format_help()


@pytest.mark.usefixtures("old_site")
@pytest.mark.parametrize("name", LONG)
def test_off_a_terminal(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """It says in one line what it did, and draws nothing; with ``--json`` in one object."""
    (line,) = run(name).splitlines()
    (told,) = run(name, "--json").splitlines()

    assert line.endswith(".")
    assert isinstance(json.loads(told), dict)
    assert capsys.readouterr().err == ""


@pytest.mark.usefixtures("old_site")
@pytest.mark.parametrize("name", LONG)
def test_on_a_terminal(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bar is drawn to its end, and what follows stands on a line of its own."""
    monkeypatch.setattr(sys, "stderr", screen := Terminal())

    run(name)

    assert "100%" in screen.getvalue()
    assert screen.getvalue().endswith("\n")


@pytest.mark.usefixtures("old_site")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("name", LONG)
def test_interrupted_and_begun_again(
    name: str, number: signal.Signals, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C ends it between two steps, calmly; begun again it does the rest, and then no more."""
    former = signal.getsignal(number)
    draw = progress.ProgressBar.show
    signals = [number]

    def show(bar: progress.ProgressBar, label: str, done: float) -> None:
        draw(bar, label, done)
        while signals:
            signal.raise_signal(signals.pop())

    with monkeypatch.context() as patch:
        patch.setattr(progress.ProgressBar, "show", show)
        with pytest.raises(CommandError, match=r"Interrupted.* [Rr]un this again"):
            run(name)
    run(name)

    assert signal.getsignal(number) is former
    assert LONG[name](json.loads(run(name, "--json"))) == 0


@pytest.mark.usefixtures("old_site")
@pytest.mark.parametrize("name", sorted(set(LONG) & FINAL))
def test_dry_run_says_what_would_be_done(name: str) -> None:
    """It writes nothing, and counts what the command then does."""
    with CaptureQueriesContext(
        connection,
    ) as seen:
        told = json.loads(run(name, "--dry-run", "--json"))
    done = json.loads(run(name, "--json"))

    assert told["dry_run"] is True
    assert not [one["sql"] for one in seen if one["sql"].startswith(("INS", "UPD", "DEL"))]
    expected = told["sessions"] if name == "revoke_sessions" else LONG[name](told)
    assert LONG[name](done) == expected > 0


def test_dry_run_of_the_clean_up(user: User) -> None:
    """Of each kind it counts what goes, and a row that two steps would take once."""
    now = timezone.now()
    long_ago = now - 400 * DAY
    device = Device.objects.create(user=user, last_seen_at=long_ago)
    for ends in (now + DAY, now - DAY, long_ago):
        a_session(user, expire_date=ends)
        a_session(None, expire_date=ends)
    a_session(user, expire_date=now + DAY, revoked_at=long_ago, revoked_reason=Reason.REVOKED)
    event = SessionEvent.objects.create(event=Event.SESSION_STARTED)
    SessionEvent.objects.filter(pk=event.pk).update(at=long_ago)
    SessionEvent.objects.create(event=Event.SESSION_STARTED)
    Challenge.objects.create(user=user, expires_at=long_ago)
    Notice.objects.create(user=user, event=Event.KEY_REUSED, expires_at=long_ago)
    UsedNonce.objects.create(hash="x", expires_at=long_ago)
    a_passkey(user, confirmed_at=None, created_at=long_ago)
    Throttle.objects.create(scope="address", subject="x", window_started_at=long_ago)
    HourCount.objects.create(span=Span.HOUR, hour=now - 5 * 366 * DAY, event="x", count=1)
    AdoptedKey.objects.create(session_public_id=uuid4(), adopted_at=long_ago)
    AdoptionBar.objects.create(user=user, at=long_ago)

    DeviceKey.objects.create(session_id=999, algorithm="ES256", sealed_jwk=b"sealed")

    told = due(now)
    uncounted = not Cursor.objects.filter(name=counting.CURSOR).exists()
    done = cleanup(now)

    assert uncounted
    assert told == done
    assert all(told.values()), told
    assert not Device.objects.filter(pk=device.pk).exists()


def test_other_engines_rows_stay_in_a_dry_run(settings: Any) -> None:
    """Where another engine keeps the sessions, a dry run does not have it remove any."""
    settings.SESSION_ENGINE = "django.contrib.sessions.backends.db"

    with CaptureQueriesContext(connection) as seen:
        run("clearsessions", "--dry-run")

    assert not [one["sql"] for one in seen if "DELETE" in one["sql"]]
