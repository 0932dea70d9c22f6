"""``export_events --to …``: send events to another system, each at least once and in order."""

from __future__ import annotations

import base64
import binascii
import json
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from django.core.management.base import CommandError, CommandParser

from sessions_plus.management.operators import OperatorCommand
from sessions_plus.management.progress import ProgressBar

if TYPE_CHECKING:
    from sessions_plus.logs.destinations import Destination
    from sessions_plus.logs.export import Exported, Exporter

PREFIX = "export:"
"""What the names of cursors of exports begin with."""


class Command(OperatorCommand):
    help = (
        "Send events, the oldest first, to standard output, a web server or a syslog server, and "
        "go on where the last run ended. Each event is sent at least once: receivers drop what "
        "they have by its id. It may be interrupted and begun again. Exit code: 0, all that there "
        "is was sent; 1, the receiver does not take it, or another run uses the same cursor."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--to",
            default="-",
            help="- (standard output), https://… or syslog+tls://host:port. Without TLS "
            "(http, syslog+tcp) on this machine only.",
        )
        parser.add_argument("--format", choices=("jsonl", "ocsf", "ecs"), default="jsonl")
        parser.add_argument(
            "--cursor", default="default", help="Whose place it is: one name for each receiver."
        )
        parser.add_argument(
            "--after", type=int, help="Begin after the event with this id, not where it ended."
        )
        parser.add_argument(
            "--follow", action="store_true", help="Go on with what comes, and try again on errors."
        )
        parser.add_argument(
            "--batch", type=int, default=500, help="How many events are sent at once."
        )
        parser.add_argument(
            "--secret-file",
            type=Path,
            help="A file with the secret that signs what is sent to a web server: whsec_… or text.",
        )
        parser.add_argument(
            "--header-file", type=Path, help="A file with headers for a web server, one a line."
        )
        parser.add_argument("--ca-file", help="Whose certificates to trust, in place of all.")
        parser.add_argument("--json", action="store_true", help="Summarise as one JSON object.")

    def handle(self, *, cursor: str, **options: Any) -> None:
        from sessions_plus.logs.destinations import Undelivered
        from sessions_plus.logs.export import CursorMoved

        exporter = self._exporter(cursor, **options)
        if options["after"] is not None:
            exporter.begin_after(options["after"])
        try:
            with stopped_by_signals() as stop:
                done = (
                    exporter.follow(stop=stop, report=self._report)
                    if options["follow"]
                    else self._send(exporter, stop, **options)
                )
        except Undelivered as error:
            raise CommandError(f"{error} {exporter.sent} events were sent before.") from error
        except CursorMoved as error:
            raise CommandError(
                f"Another run moves the cursor {cursor!r}. Stop it, or give this one a name."
            ) from error
        self._summarise(done, **options)

    def _exporter(self, cursor: str, **options: Any) -> Exporter:
        from sessions_plus.logs.export import Exporter
        from sessions_plus.logs.formats import FORMATS

        if options["batch"] < 1:
            raise CommandError("--batch is at least 1.")
        return Exporter(
            f"{PREFIX}{cursor}"[:64],
            render=FORMATS[options["format"]],
            destination=self._destination(**options),
            rows_at_once=options["batch"],
        )

    def _destination(self, **options: Any) -> Destination:
        from sessions_plus.logs.destinations import destination_of

        try:
            return destination_of(
                options["to"],
                out=self.stdout,  # type: ignore[arg-type]  # Django's wrapper writes as a file does
                secret=read_secret(options["secret_file"]),
                headers=read_headers(options["header_file"]),
                ca_file=options["ca_file"],
            )
        except (ValueError, OSError) as error:
            raise CommandError(str(error)) from error

    def _send(self, exporter: Exporter, stop: threading.Event, **options: Any) -> Exported:
        if options["to"] == "-":
            return exporter.run(stop=stop)  # the lines themselves show how far it is
        bar = ProgressBar(sys.stderr)
        try:
            return exporter.run(stop=stop, progress=partial(bar.show, "events"))
        finally:
            bar.end()

    def _report(self, text: str) -> None:
        self.stderr.write(text)

    def _summarise(self, done: Exported, **options: Any) -> None:
        out = self.stderr if options["to"] == "-" else self.stdout
        if options["json"]:
            out.write(json.dumps(asdict(done)))
            return
        held = " More wait for one that is still being written." if done.is_held else ""
        out.write(f"{done.events} events sent, up to id {done.position}.{held}")


@contextmanager
def stopped_by_signals() -> Iterator[threading.Event]:
    """Let SIGINT and SIGTERM end it after the batch that is under way."""
    stop = threading.Event()

    def end(number: int, frame: FrameType | None) -> None:
        stop.set()

    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = {number: signal.signal(number, end) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def read_secret(path: Path | None) -> bytes:
    """Return the secret in a file: of Standard Webhooks, ``whsec_`` and base64, or plain text."""
    if path is None:
        return b""
    text = path.read_text().strip()
    if not text.startswith("whsec_"):
        return text.encode()
    try:
        return base64.b64decode(text.removeprefix("whsec_"), validate=True)
    except binascii.Error as error:
        raise ValueError(f"What follows whsec_ in {path} is not base64.") from error


def read_headers(path: Path | None) -> dict[str, str]:
    """Return the headers in a file: ``Authorization: Bearer …``, one a line."""
    if path is None:
        return {}
    lines = [line for line in path.read_text().splitlines() if line.strip()]
    for line in lines:
        if ":" not in line:
            raise ValueError(f"{path} has a line that is no header: name, colon, value.")
    pairs = (line.split(":", 1) for line in lines)
    return {name.strip(): value.strip() for name, value in pairs}
