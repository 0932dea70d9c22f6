"""No request waits for a mail server, and what became of its mail is known all the same."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core import mail
from django.db import connections, transaction
from django.test import override_settings
from django.utils.connection import BaseConnectionHandler

from sessions_plus.events import record
from sessions_plus.models import Event, SessionEvent
from sessions_plus.notices import background as module
from sessions_plus.notices.background import Background, background
from tests.conftest import World
from tests.notices import senders
from tests.notices.mail_servers import (
    Server,
    closed_port,
    silent_server,
    site_that_mails_to,
    take_mail,
)
from tests.support.browsers import FIREFOX, SAFARI, Browser
from tests.support.forks import forked, was_right
from tests.support.pauses import in_thread

pytestmark = [pytest.mark.urls("tests.notices.urls"), pytest.mark.django_db(transaction=True)]

ROOT = Path(__file__).resolve().parents[2]
IN_LINE = override_settings(SESSIONS_PLUS_NOTICE_SENDER="sessions_plus.notices.sending.send_now")


@pytest.fixture
def server() -> Iterator[Server]:
    with silent_server() as found:
        yield found
    background.drain()


def give_up_after(seconds: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "DEADLINE_SECONDS", seconds)


def failed() -> list[str]:
    """What the failed mails were about."""
    events = SessionEvent.objects.filter(event=Event.NOTICE_FAILED)
    return list(events.values_list("reason", flat=True))


def sign_in_elsewhere(world: World) -> Browser:
    Browser(world, user_agent=FIREFOX).get("sign-in", name="ann")
    phone = Browser(world, user_agent=SAFARI)
    phone.response = phone.get("sign-in", name="ann")
    return phone


def test_sign_in_waits_for_no_mail_server(
    engine: str, world: World, user: User, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever signs in is in before a mail server that never answers is given up."""
    give_up_after(600, monkeypatch)

    phone = sign_in_elsewhere(world)

    assert phone.response.status_code == 200
    assert phone.text("who") == "ann"
    server.wait()  # the mail is on its way
    assert failed() == []
    server.hang_up()
    background.drain()
    assert failed() == ["device.first_seen"]


def test_a_silent_server_is_given_up(
    user: User,
    server: Server,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """At the deadline the mail has failed: one event, and one line without a traceback."""
    give_up_after(0.05, monkeypatch)

    with caplog.at_level(logging.WARNING, "sessions_plus"):
        record(Event.PASSWORD_CHANGED, user=user)
        background.drain()

    assert failed() == ["password.changed"]
    (line,) = [line for line in caplog.records if line.name == "sessions_plus"]
    assert line.getMessage().startswith(
        "The mail about password.changed could not be sent: TimeoutError: no answer within"
    )
    assert line.exc_info is None
    server.hang_up()


def test_what_fails_after_it_was_given_up_fails_once(
    user: User, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the server does after the deadline, the mail has failed once."""
    give_up_after(0.05, monkeypatch)
    record(Event.PASSWORD_CHANGED, user=user)
    background.drain()

    server.hang_up()
    for thread in threading.enumerate():
        if getattr(thread, "_target", None) == background._do:
            thread.join(60)

    assert failed() == ["password.changed"]


def test_the_mail_arrives(user: User, server: Server) -> None:
    """A server that answers gets the mail, after the commit."""
    with transaction.atomic():
        record(Event.PASSWORD_CHANGED, user=user)
        assert server.accepted.empty()
    taken = take_mail(server.wait())
    background.drain()

    assert "To: ann@example.com" in taken
    assert "Subject: Your password was changed" in taken
    assert failed() == []


def test_a_rollback_sends_nothing(user: User, server: Server) -> None:
    """What did not happen after all asks no server."""
    with transaction.atomic():
        record(Event.PASSWORD_CHANGED, user=user)
        transaction.set_rollback(True)

    background.drain()
    assert server.accepted.empty()


@pytest.mark.parametrize("debug", [True, False])
def test_a_site_without_a_mail_server(
    world: World, user: User, caplog: pytest.LogCaptureFixture, debug: bool
) -> None:
    """
    Who has set up no mail yet is told in one line, without a traceback; nobody is kept out.

    While they develop it also says what they might want.
    """
    with (
        site_that_mails_to(closed_port()),
        override_settings(DEBUG=debug),
        caplog.at_level(logging.WARNING, "sessions_plus"),
    ):
        phone = sign_in_elsewhere(world)
        background.drain()

    assert phone.text("who") == "ann"
    (line,) = [line for line in caplog.records if line.name == "sessions_plus"]
    assert line.getMessage().startswith(
        "The mail about device.first_seen could not be sent: ConnectionRefusedError: "
    )
    assert ("django.core.mail.backends.console" in line.getMessage()) is debug
    assert "\n" not in line.getMessage()
    assert line.exc_info is None
    assert failed() == ["device.first_seen"]


def test_the_log_names_nobody(user: User, server: Server, caplog: pytest.LogCaptureFixture) -> None:
    """A server that refuses a person does not bring their address into the log."""

    def refuse() -> None:
        connection = server.wait()
        lines = connection.makefile("rb")
        connection.sendall(b"220 here\r\n")
        for line in lines:
            refused = line.startswith(b"rcpt")
            connection.sendall(b"550 no ann@example.com here\r\n" if refused else b"250 well\r\n")

    refusing = in_thread(refuse)
    with caplog.at_level(logging.WARNING, "sessions_plus"):
        record(Event.PASSWORD_CHANGED, user=user)
        background.drain()
    refusing.result(60)

    assert failed() == ["password.changed"]
    assert "SMTPRecipientsRefused" in caplog.text
    assert "ann@example.com" not in caplog.text


def test_backends_that_ask_no_server_are_done_at_once(
    user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A site's tests find the mail in ``mail.outbox`` when the request is over."""
    monkeypatch.setattr(background, "start", None)

    record(Event.PASSWORD_CHANGED, user=user)

    assert [message.subject for message in mail.outbox] == ["Your password was changed"]


def test_more_than_can_wait(user: User, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """While so many hang in a server, further mails fail at once, and the threads are bounded."""
    give_up_after(600, monkeypatch)
    monkeypatch.setattr(module, "MOST_AT_ONCE", 2)
    monkeypatch.setattr("sessions_plus.notices.sending.background", few := Background())
    before = threading.active_count()
    for _ in range(2):
        record(Event.PASSWORD_CHANGED, user=user)
        server.wait()

    record(Event.RECOVERY_CODES_MADE, user=user)

    assert failed() == ["recovery_codes.made"]
    assert threading.active_count() <= before + 4  # a thread and a timer each
    server.hang_up()
    few.drain()
    assert sorted(failed()) == ["password.changed"] * 2 + ["recovery_codes.made"]


def test_threads_leave_no_connection_open(user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    """A thread that wrote down a failed mail parts from the database."""
    closed: list[int] = []
    close_all = type(connections).close_all

    def count(handler: BaseConnectionHandler) -> None:
        close_all(handler)
        closed.append(threading.get_ident())

    monkeypatch.setattr(type(connections), "close_all", count)

    with site_that_mails_to(closed_port()):
        record(Event.PASSWORD_CHANGED, user=user)
        background.drain()

    assert failed() == ["password.changed"]
    assert set(closed) - {threading.get_ident()}
    monkeypatch.undo()


def test_a_site_may_let_the_request_wait(user: User, server: Server) -> None:
    """``send_now`` sends before the request goes on, for servers that run no threads."""
    running = in_thread(lambda: take_mail(server.wait()))

    with IN_LINE:
        record(Event.PASSWORD_CHANGED, user=user)

    assert "Subject: Your password was changed" in running.result(60)


def test_a_sites_own_executor(user: User) -> None:
    """A sender may return a future: where that fails, so has the mail."""
    senders.futures.clear()
    with override_settings(SESSIONS_PLUS_NOTICE_SENDER="tests.notices.senders.submit"):
        record(Event.PASSWORD_CHANGED, user=user)
        record(Event.RECOVERY_CODES_MADE, user=user)
    assert failed() == []

    first, second = senders.futures
    first.set_result(None)
    second.set_exception(OSError("the queue is full"))

    assert failed() == ["recovery_codes.made"]


PROGRAM = """
import os, sys, django
os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
django.setup()
from tests.notices.mail_servers import site_that_mails_to
from sessions_plus.notices.sending import send_in_background
site_that_mails_to(int(sys.argv[1])).enable()
send_in_background(to="ann@example.com", subject="The last", text="words", html="", event="")
"""


def test_a_process_that_ends_sends_its_mail(server: Server) -> None:
    """A command whose mail is on its way when it is done waits for it."""
    command = [sys.executable, "-c", PROGRAM, str(server.port)]
    with subprocess.Popen(command, cwd=ROOT, env={**os.environ}) as process:
        taken = take_mail(server.wait())

    assert "Subject: The last" in taken
    assert process.returncode == 0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")
def test_a_child_waits_for_no_mail_of_its_parent(server: Server) -> None:
    """A process that was forked meanwhile ends without waiting, and may send its own."""
    doing = Background()
    go_on = threading.Event()
    future: Future[None] = doing.start(lambda: go_on.wait(60))

    child = forked(lambda: doing._slots.acquire(blocking=False) and not doing._under_way)
    go_on.set()
    future.result(60)

    assert was_right(child)


def test_it_is_done_or_failed() -> None:
    """What is started comes back with its own error, or with none."""
    doing: Any = Background()

    def fail() -> None:
        raise LookupError("nowhere")

    assert doing.start(lambda: None).result(60) is None
    with pytest.raises(LookupError, match="nowhere"):
        doing.start(fail).result(60)
