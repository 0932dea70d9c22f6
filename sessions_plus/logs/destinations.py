"""
Where events are sent: standard output, a web server, a syslog server.

``deliver`` returns once the receiver has all of it, or raises ``Undelivered``. No delivery
waits longer than ``DEADLINE_SECONDS``, whatever the receiver does.
"""

from __future__ import annotations

import base64
import http.client
import os
import socket
import ssl
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Protocol, TextIO
from urllib.parse import SplitResult, urlsplit

from sessions_plus.crypto import signature

CONNECT_SECONDS = 10.0
DEADLINE_SECONDS = 30.0

LOOPBACK = ("localhost", "127.0.0.1", "::1")

# RFC 5424 §6.2.1: security and authorisation messages; warning, informational.
FACILITY, WARNING, INFORMATIONAL = 10, 4, 6


class Undelivered(Exception):
    """The receiver has not, or may not have, what it was sent."""


class ReaderGone(Undelivered):
    """Whoever read from standard output has ended: nobody ever will again."""


@dataclass(frozen=True, slots=True)
class Line:
    """One event as it is sent: one line of ASCII."""

    key: int
    at: str
    event: str
    is_failure: bool
    text: str


class Destination(Protocol):
    def deliver(self, lines: Sequence[Line]) -> None:
        """Send them. Raises: Undelivered."""


@dataclass(frozen=True)
class Stream:
    """Standard output, for a program that reads from it."""

    out: TextIO

    def deliver(self, lines: Sequence[Line]) -> None:
        try:
            self.out.write("".join(f"{line.text}\n" for line in lines))
            self.out.flush()
        except BrokenPipeError as error:
            raise ReaderGone(f"Nobody reads what is written: {error}.") from error
        except OSError as error:
            raise Undelivered(f"It cannot be written: {error}.") from error


@dataclass(frozen=True)
class Web:
    """
    A web server that takes lines of JSON by POST and answers 2xx once it keeps them.

    Signed as the Standard Webhooks have it, where there is a ``secret``: a receiver knows
    who sent it, that nothing was changed, and when.
    """

    url: SplitResult
    secret: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    tls: ssl.SSLContext | None = None

    def deliver(self, lines: Sequence[Line]) -> None:
        body = "".join(f"{line.text}\n" for line in lines).encode()
        name = f"{lines[0].key}-{lines[-1].key}"
        status = self._post(body, self._headers(name, body, now=int(time.time())))
        if not 200 <= status < 300:
            raise Undelivered(f"The receiver answered {status}.")

    def _headers(self, name: str, body: bytes, *, now: int) -> dict[str, str]:
        # The name is of these very events: a receiver that has seen it may drop all of them.
        headers = {
            "Content-Type": "application/x-ndjson",
            "Idempotency-Key": name,
            "Webhook-Id": name,
        }
        if self.secret:
            signed = signature(b"%s.%d.%s" % (name.encode(), now, body), secret=self.secret)
            headers["Webhook-Timestamp"] = str(now)
            headers["Webhook-Signature"] = f"v1,{base64.b64encode(signed).decode()}"
        return headers | dict(self.headers)

    def _post(self, body: bytes, headers: Mapping[str, str]) -> int:
        host, port = str(self.url.hostname), self.url.port or (443 if self.tls else 80)
        path = (self.url.path or "/") + (f"?{self.url.query}" if self.url.query else "")
        try:
            with connected(host, port, self.tls) as connection:
                # Redirects are not followed: they would take the events somewhere else.
                client = http.client.HTTPConnection(host, port)
                client.default_port = 443 if self.tls else 80
                client.sock = connection
                client.request("POST", path, body, {**headers, "Connection": "close"})
                return client.getresponse().status
        except (OSError, http.client.HTTPException) as error:
            raise Undelivered(f"The receiver cannot be reached: {_told(error)}.") from error


@dataclass(frozen=True)
class Syslog:
    """
    A syslog server over TLS (RFC 5425), in messages of RFC 5424.

    Syslog confirms nothing. A connection that both sides have closed in order is the nearest
    to it, so each batch has one of its own.
    """

    host: str
    port: int
    tls: ssl.SSLContext | None
    hostname: str = field(default_factory=socket.gethostname)

    def deliver(self, lines: Sequence[Line]) -> None:
        frames = b"".join(self._frame(line) for line in lines)
        try:
            with connected(self.host, self.port, self.tls) as connection:
                connection.sendall(frames)
                _close_in_order(connection)
        except OSError as error:
            raise Undelivered(f"The receiver cannot be reached: {_told(error)}.") from error

    def _frame(self, line: Line) -> bytes:
        """One message, with its length before it."""
        priority = FACILITY * 8 + (WARNING if line.is_failure else INFORMATIONAL)
        head = f"<{priority}>1 {line.at} {self.hostname[:255] or '-'} sessions_plus {os.getpid()}"
        message = f"{head} {line.event} - {line.text}".encode("ascii", "replace")
        return b"%d %s" % (len(message), message)


def _close_in_order(connection: socket.socket) -> None:
    """Say that this was all, and wait until the other side has read to the end."""
    if isinstance(connection, ssl.SSLSocket):
        # Many servers end the connection without a word of TLS.
        with suppress(ssl.SSLEOFError, ssl.SSLZeroReturnError):
            connection = connection.unwrap()
    connection.shutdown(socket.SHUT_WR)
    while connection.recv(4096):
        pass


@contextmanager
def connected(host: str, port: int, tls: ssl.SSLContext | None) -> Iterator[socket.socket]:
    """
    Connect, and cut the connection where all of it takes too long.

    Raises:
        OSError: there is nobody, it is somebody else, or the time is over.
    """
    connection = socket.create_connection((host, port), timeout=CONNECT_SECONDS)
    if tls is not None:
        connection = tls.wrap_socket(
            connection, server_hostname=host, do_handshake_on_connect=False
        )
    # A limit for each step would let a server that sends a byte now and then hold us for ever.
    is_over = threading.Event()
    timer = threading.Timer(DEADLINE_SECONDS, _cut, [connection, is_over])
    timer.daemon = True
    timer.start()
    try:
        if isinstance(connection, ssl.SSLSocket):
            connection.do_handshake()
        yield connection
        if is_over.is_set():
            # What was read of an answer until then may look like a whole one.
            raise TimeoutError(f"it took longer than {DEADLINE_SECONDS:.0f} s")
    finally:
        timer.cancel()
        connection.close()


def _cut(connection: socket.socket, is_over: threading.Event) -> None:
    is_over.set()
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)


def _told(error: Exception) -> str:
    return str(error) or type(error).__name__


def destination_of(
    target: str,
    *,
    out: TextIO,
    secret: bytes = b"",
    headers: Mapping[str, str] | None = None,
    ca_file: str | None = None,
) -> Destination:
    """
    Return what ``-``, ``https://…`` or ``syslog+tls://host:port`` names.

    Without TLS only on this machine, for a collector that runs beside.

    Raises:
        ValueError: it names nothing of the kind; the message says what to write.
    """
    if target == "-":
        return Stream(out)
    url = urlsplit(target)
    if url.username or url.password:
        raise ValueError("A password in an address ends up in lists of processes: use a header.")
    is_plain = url.scheme in ("http", "syslog+tcp")
    if is_plain and url.hostname not in LOOPBACK:
        raise ValueError(f"{target} is not encrypted. Without TLS events go to this machine only.")
    tls = None if is_plain else ssl.create_default_context(cafile=ca_file)
    match url.scheme:
        case "https" | "http" if url.hostname:
            return Web(url, secret=secret, headers=headers or {}, tls=tls)
        case "syslog+tls" | "syslog+tcp" if url.hostname:
            return Syslog(url.hostname, url.port or 6514, tls)
    raise ValueError(f"{target!r} is none of -, https://…, syslog+tls://host:port.")
