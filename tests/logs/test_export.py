"""Sending events to another system: each at least once, in order."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import re
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone

from sessions_plus.events import record
from sessions_plus.logs import destinations, export
from sessions_plus.logs.destinations import (
    Line,
    Stream,
    Syslog,
    Undelivered,
    Web,
    destination_of,
)
from sessions_plus.logs.export import CursorMoved, Exporter
from sessions_plus.logs.formats import as_json
from sessions_plus.management.commands.export_events import read_headers, read_secret
from sessions_plus.models import Cursor, Event, SessionEvent
from sessions_plus.privacy.erasure import erase
from tests.support.pauses import PATIENCE_SECONDS, in_thread
from tests.support.receivers import (
    Receiver,
    SyslogReceiver,
    dripping,
    make_certificate,
    receiving,
    receiving_syslog,
    silent,
)

pytestmark = pytest.mark.django_db(transaction=True)

CURSOR = "export:siem"


@pytest.fixture
def keys(user: User) -> list[int]:
    """Seven events, which a cursor has not seen; those of before are behind it."""
    first = record(Event.SIGNING_KEY_ROTATED).pk
    Cursor.objects.create(name=CURSOR, position=first)
    return [record(Event.SESSION_STARTED, user=user, reason="pwd").pk for _ in range(7)]


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    return make_certificate(tmp_path)


@pytest.fixture
def receiver(certificate: Path) -> Iterator[Receiver]:
    with receiving(Receiver(), certificate=certificate) as running:
        yield running


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export, "FIRST_PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(export, "LONGEST_PAUSE_SECONDS", 0.02)
    monkeypatch.setattr(export, "POLL_SECONDS", 0.01)


def run(*options: str, to: str) -> str:
    """Run the command to its end; return its summary."""
    out, told = StringIO(), StringIO()
    words = ["--cursor", "siem", "--batch", "3", "--to", to, *options]
    call_command("export_events", *words, stdout=out, stderr=told)
    return told.getvalue() if to == "-" else out.getvalue()


def position() -> int:
    return Cursor.objects.get(name=CURSOR).position


class Terminal(StringIO):
    def isatty(self) -> bool:
        return True


class TestWeb:
    def test_all_is_sent_in_order(
        self, keys: list[int], receiver: Receiver, certificate: Path
    ) -> None:
        """A web server gets every event once, in batches, and the cursor is behind the last."""
        summary = run("--ca-file", str(certificate), to=receiver.url)

        assert receiver.ids == keys
        assert [len(post.ids) for post in receiver.posts] == [3, 3, 1]
        assert position() == keys[-1]
        assert summary == f"7 events sent, up to id {keys[-1]}.\n"

    def test_a_terminal_shows_how_far_it_is(
        self,
        keys: list[int],
        receiver: Receiver,
        certificate: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """A bar is drawn on a terminal, after each batch; the summary is one line."""
        monkeypatch.setattr(sys, "stderr", screen := Terminal())

        summary = run("--ca-file", str(certificate), to=receiver.url)

        assert screen.getvalue().count("\r") == 3
        assert screen.getvalue().endswith("100%\n")
        assert len(summary.splitlines()) == 1

    def test_the_next_run_sends_what_is_new(
        self, keys: list[int], receiver: Receiver, certificate: Path
    ) -> None:
        """What was sent is not sent again."""
        run("--ca-file", str(certificate), to=receiver.url)
        new = record(Event.SESSION_SIGNED_OUT).pk

        run("--ca-file", str(certificate), to=receiver.url)

        assert receiver.ids == [*keys, new]

    def test_requests_say_what_they_are(
        self, keys: list[int], receiver: Receiver, certificate: Path, tmp_path: Path
    ) -> None:
        """Each has its type, a name of its very events, the site's headers and a signature."""
        secret = tmp_path / "secret"
        secret.write_text("whsec_" + base64.b64encode(b"32 bytes of a secret, as it were").decode())
        headers = tmp_path / "headers"
        headers.write_text("Authorization: Splunk 1234\n\n")

        run(
            *("--ca-file", str(certificate), "--secret-file", str(secret)),
            *("--header-file", str(headers)),
            to=receiver.url,
        )

        post = receiver.posts[0]
        assert post.path == "/events?source=shop"
        assert post.headers["content-type"] == "application/x-ndjson"
        assert post.headers["authorization"] == "Splunk 1234"
        assert post.headers["idempotency-key"] == f"{keys[0]}-{keys[2]}"
        signed = f"{post.headers['webhook-id']}.{post.headers['webhook-timestamp']}.".encode()
        expected = hmac.digest(
            b"32 bytes of a secret, as it were", signed + post.body, hashlib.sha256
        )
        assert post.headers["webhook-signature"] == f"v1,{base64.b64encode(expected).decode()}"
        assert abs(int(post.headers["webhook-timestamp"]) - time.time()) < 300

    @pytest.mark.parametrize("status", [301, 302, 307, 400, 401, 404, 429, 500, 503, None])
    def test_anything_but_2xx_is_none(
        self, keys: list[int], receiver: Receiver, certificate: Path, status: int | None
    ) -> None:
        """Where the receiver does not say that it keeps them, the cursor stays."""
        receiver.answer = lambda post: status if post.ids[0] == keys[3] else 204

        with pytest.raises(CommandError, match="3 events were sent before"):
            run("--ca-file", str(certificate), to=receiver.url)

        assert position() == keys[2]
        receiver.answer = lambda post: 204
        run("--ca-file", str(certificate), to=receiver.url)
        assert receiver.ids == [*keys[:6], *keys[3:]]

    def test_a_receiver_that_is_not_trusted_gets_nothing(
        self, keys: list[int], receiver: Receiver
    ) -> None:
        """A certificate that nobody vouches for ends it before an event is sent."""
        with pytest.raises(CommandError, match="certificate"):
            run(to=receiver.url)

        assert receiver.posts == []

    def test_a_receiver_of_another_name_gets_nothing(self, keys: list[int], tmp_path: Path) -> None:
        """Nor does a server whose certificate is somebody else's."""
        other = make_certificate(tmp_path, address="127.0.0.2")
        with (
            receiving(Receiver(), certificate=other) as receiver,
            pytest.raises(CommandError, match="certificate"),
        ):
            run("--ca-file", str(other), to=receiver.url)

        assert receiver.posts == []

    def test_nobody_there(self, keys: list[int]) -> None:
        """Where nobody listens, the command says so."""
        with silent() as port:
            pass
        with pytest.raises(CommandError, match="cannot be reached"):
            run(to=f"http://127.0.0.1:{port}/")

    @pytest.mark.parametrize("server", [silent, dripping])
    def test_no_receiver_holds_us_for_ever(
        self,
        keys: list[int],
        server: Callable[[], Any],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """Neither silence nor an answer without end takes longer than the deadline for all."""
        monkeypatch.setattr(destinations, "DEADLINE_SECONDS", 0.3)
        with server() as port, pytest.raises(CommandError, match="cannot be reached"):
            run(to=f"http://127.0.0.1:{port}/")

        assert position() == keys[0] - 1


class TestFollow:
    def follow(self, receiver: Receiver, **options: Any) -> tuple[threading.Event, Any, list[str]]:
        stop, reports = threading.Event(), list[str]()
        exporter = Exporter(
            CURSOR,
            render=as_json,
            destination=destination_of(receiver.url, out=StringIO()),
            **options,
        )
        running = in_thread(lambda: exporter.follow(stop=stop, report=reports.append))
        return stop, running, reports

    def test_what_comes_is_sent(self, keys: list[int]) -> None:
        """It goes on with each event as it happens, until it is told to stop."""
        with receiving(Receiver()) as receiver:
            stop, running, _ = self.follow(receiver)
            receiver.wait_for(1)
            new = record(Event.SESSION_SIGNED_OUT).pk
            receiver.wait_for(2)
            stop.set()
            done = running.result(PATIENCE_SECONDS)

        assert receiver.ids == [*keys, new]
        assert (done.events, done.position) == (8, new)

    def test_a_receiver_that_fails_is_tried_again(self, keys: list[int]) -> None:
        """Through errors, and answers that got lost, everything arrives in order."""
        answers = iter([500, None, 204, 503, None, None, 204, 500])
        given: dict[int, int | None] = {}

        def answer(post: Any) -> int | None:
            return given.setdefault(id(post), next(answers, 204))

        with receiving(Receiver(answer)) as receiver:
            stop, running, reports = self.follow(receiver, rows_at_once=2)
            while Cursor.objects.get(name=CURSOR).position < keys[-1]:
                time.sleep(0.01)
            stop.set()
            running.result(PATIENCE_SECONDS)

        assert receiver.taken == keys
        assert len(reports) == 6
        assert all("Trying again" in report for report in reports)

    def test_a_broken_connection_to_the_database_is_made_again(
        self, keys: list[int], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A database that restarts does not end it."""
        from django.db import OperationalError

        read, failures = Exporter._next, iter([True, True])

        def failing(self: Exporter) -> Any:
            if next(failures, False):
                raise OperationalError("server closed the connection unexpectedly")
            return read(self)

        monkeypatch.setattr(Exporter, "_next", failing)
        with receiving(Receiver()) as receiver:
            stop, running, reports = self.follow(receiver)
            receiver.wait_for(1)
            stop.set()
            running.result(PATIENCE_SECONDS)

        assert receiver.ids == keys
        assert len(reports) == 2

    def test_who_is_erased_meanwhile_is_sent_without_a_name(
        self, keys: list[int], user: User
    ) -> None:
        """What waits for a receiver is read again each time: it names nobody any more."""
        with receiving(Receiver(lambda post: 503)) as receiver:
            stop, running, _ = self.follow(receiver)
            receiver.wait_for(1)
            erase(user.pk)
            receiver.wait_for(len(receiver.posts) + 2)  # the first was perhaps read before
            receiver.answer = lambda post: 204
            while Cursor.objects.get(name=CURSOR).position < keys[-1]:
                time.sleep(0.01)
            stop.set()
            running.result(PATIENCE_SECONDS)

        assert receiver.posts[0].events[0]["user"] == str(user.pk)
        assert all("user" not in event for event in receiver.posts[-1].events)

    def test_two_do_not_send_the_same(self, keys: list[int]) -> None:
        """Of two with one cursor, one ends with an error."""
        with receiving(Receiver()) as receiver:
            exporter = Exporter(
                CURSOR, render=as_json, destination=destination_of(receiver.url, out=StringIO())
            )
            deliver = exporter.destination.deliver

            def late(lines: Any) -> None:
                deliver(lines)
                Cursor.objects.filter(name=CURSOR).update(position=keys[-1])

            class Slow:
                deliver = staticmethod(late)

            exporter.destination = Slow()
            with pytest.raises(CursorMoved):
                exporter.run(stop=threading.Event())


class TestSyslog:
    def test_messages(self, keys: list[int], certificate: Path) -> None:
        """Each event is one message of RFC 5424, with its length before it."""
        record(Event.KEY_REUSED, outcome="failure")  # type: ignore[arg-type]
        with receiving_syslog(SyslogReceiver(), certificate) as receiver:
            run(
                "--ca-file",
                str(certificate),
                to=f"syslog+tls://127.0.0.1:{receiver.port}",
            )

        assert len(receiver.messages) == 8
        head, _, text = receiver.messages[-1].decode().partition(" - {")
        priority, at, _host, app, _pid, event = head.split(" ")
        assert (priority, app, event) == ("<84>1", "sessions_plus", "key.reused")
        assert at.endswith("+00:00")
        assert json.loads("{" + text)["event"] == "key.reused"
        assert receiver.messages[0].startswith(b"<86>1 ")
        assert [int(json.loads(m.partition(b" - ")[2])["id"]) for m in receiver.messages][
            :7
        ] == keys

    def test_a_connection_that_breaks_off_moves_nothing(
        self, keys: list[int], certificate: Path
    ) -> None:
        """Only where the other side has read to the end is it taken as delivered."""
        with (
            receiving_syslog(SyslogReceiver(resets=True), certificate) as receiver,
            pytest.raises(CommandError),
        ):
            run("--ca-file", str(certificate), to=f"syslog+tls://127.0.0.1:{receiver.port}")

        assert position() == keys[0] - 1


class TestStandardOutput:
    def test_lines(self, keys: list[int]) -> None:
        """Each event is a line; the summary stands elsewhere."""
        out, told = StringIO(), StringIO()

        call_command(
            "export_events",
            "--cursor",
            "siem",
            "--format",
            "ocsf",
            "--json",
            stdout=out,
            stderr=told,
        )

        lines = [json.loads(line) for line in out.getvalue().splitlines()]
        assert [int(line["metadata"]["uid"]) for line in lines] == keys
        assert json.loads(told.getvalue()) == {
            "events": 7,
            "position": keys[-1],
            "is_held": False,
        }

    def test_nobody_reads(self, keys: list[int]) -> None:
        """Where the reader is gone, the cursor stays."""

        class Closed(StringIO):
            def write(self, text: str) -> int:
                raise BrokenPipeError("Broken pipe")

        with pytest.raises(Undelivered):
            Exporter(CURSOR, render=as_json, destination=Stream(Closed())).run(
                stop=threading.Event()
            )

        assert position() == keys[0] - 1

    @pytest.mark.parametrize("follow", [(), ("--follow",)])
    def test_a_reader_that_ended_ends_the_command(
        self, keys: list[int], follow: tuple[str, ...]
    ) -> None:
        """Nobody will ever read from a broken pipe: who started both has to hear of it."""
        reader, writer = os.pipe()
        os.close(reader)
        out = os.fdopen(writer, "w")

        with pytest.raises(CommandError, match="Nobody reads"):
            call_command(
                "export_events", "--cursor", "siem", *follow, stdout=out, stderr=StringIO()
            )

        with suppress(BrokenPipeError):
            out.close()
        assert position() == keys[0] - 1

    def test_no_id_comes_again_after_a_restored_backup(self, keys: list[int]) -> None:
        """The statement that the page names for this database moves ids on, also past deletions."""
        page = (Path(__file__).parents[2] / "docs" / "operating.md").read_text()
        name = {"postgresql": "PostgreSQL", "mysql": "MariaDB", "sqlite": "SQLite"}
        statement = re.search(rf"\| {name[connection.vendor]} \| `(.+)` \|", page)
        assert statement is not None
        sent = keys[-1] + 1_000

        with connection.cursor() as cursor:
            cursor.execute(statement[1].replace("5000000", str(sent + 1)))

        assert record(Event.SESSION_STARTED, reason="pwd").pk > sent

    def test_begin_elsewhere(self, keys: list[int]) -> None:
        """A run can begin after any event, and goes on from there the next time."""
        out = StringIO()
        words = ["export_events", "--cursor", "siem"]

        call_command(*words, "--after", str(keys[4]), stdout=out, stderr=StringIO())

        assert [int(json.loads(line)["id"]) for line in out.getvalue().splitlines()] == keys[5:]

    def test_cursors_are_apart(self, keys: list[int]) -> None:
        """Each name has a place of its own."""
        one, other = StringIO(), StringIO()
        Cursor.objects.create(name="export:other", position=keys[0] - 1)
        call_command("export_events", "--cursor", "siem", stdout=one, stderr=StringIO())

        call_command("export_events", "--cursor", "other", stdout=other, stderr=StringIO())

        assert one.getvalue() == other.getvalue() != ""


@pytest.mark.parametrize(
    ("target", "words"),
    [
        pytest.param("ftp://x/", "is none of", id="another protocol"),
        pytest.param("https:///x", "is none of", id="no host"),
        pytest.param("http://siem.example/", "not encrypted", id="not encrypted"),
        pytest.param("syslog+tcp://siem.example", "not encrypted", id="syslog, not encrypted"),
        pytest.param("https://u:p@siem.example/", "use a header", id="a password"),
    ],
)
def test_wrong_targets(target: str, words: str) -> None:
    """What cannot be sent to, or not safely, is refused with what to write."""
    with pytest.raises(CommandError, match=words):
        call_command("export_events", "--to", target)


def test_right_targets() -> None:
    """Each kind of address is one kind of destination."""
    kinds = {
        "-": Stream,
        "https://siem.example/in": Web,
        "http://localhost:8080": Web,
        "syslog+tls://siem.example": Syslog,
        "syslog+tcp://127.0.0.1:514": Syslog,
    }

    found = {target: destination_of(target, out=StringIO()) for target in kinds}

    assert {target: type(destination) for target, destination in found.items()} == kinds
    assert getattr(found["syslog+tls://siem.example"], "port", 0) == 6514
    assert getattr(found["https://siem.example/in"], "tls", None) is not None


def test_files_of_secrets_and_headers(tmp_path: Path) -> None:
    """What is wrong in them is said."""
    file = tmp_path / "file"
    file.write_text("whsec_???")
    with pytest.raises(ValueError, match="not base64"):
        read_secret(file)
    with pytest.raises(ValueError, match="no header"):
        read_headers(file)
    file.write_text("plain words\n")
    assert read_secret(file) == b"plain words"
    with pytest.raises(CommandError, match="No such file"):
        call_command("export_events", "--secret-file", str(tmp_path / "none"))


def test_a_name_for_each_batch() -> None:
    """A receiver that drops what it knows by name never drops an event that it does not have."""
    web = Web(urlsplit("https://x/"))
    lines = [Line(key, "", "", False, "") for key in (4, 5, 6)]

    names = {
        web._headers(f"{part[0].key}-{part[-1].key}", b"", now=0)["Idempotency-Key"]
        for part in (lines, lines[:2])
    }

    assert names == {"4-6", "4-5"}


def test_old_events_are_sent_too(user: User) -> None:
    """A new cursor begins with the oldest event that is kept."""
    old = SessionEvent.objects.create(
        at=timezone.now() - timedelta(days=80), event=Event.SESSION_STARTED
    )
    out = StringIO()

    call_command("export_events", "--cursor", "new", stdout=out, stderr=StringIO())

    assert str(old.pk) in [json.loads(line)["id"] for line in out.getvalue().splitlines()]
