"""Receivers of exported events: real servers with real TLS, which do as they are told."""

from __future__ import annotations

import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

HOST = "127.0.0.1"


def make_certificate(directory: Path, *, address: str = HOST) -> Path:
    """Return a file with a key and a certificate for an address, which vouches for itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "receiver")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=400))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address(address))]), False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
        .sign(key, hashes.SHA256())
    )
    file = directory / f"{address}.pem"
    pem = serialization.Encoding.PEM
    file.write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + certificate.public_bytes(pem)
    )
    return file


@dataclass
class Post:
    """One request as it came."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def events(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.body.splitlines()]

    @property
    def ids(self) -> list[int]:
        return [int(event["id"]) for event in self.events]


@dataclass
class Receiver:
    """
    A web server that keeps what it is sent.

    ``answer`` says what each request is answered with: a status, or None to hang up without
    a word after it was kept.
    """

    answer: Callable[[Post], int | None] = lambda post: 204
    posts: list[Post] = field(default_factory=list)
    came: threading.Condition = field(default_factory=threading.Condition)
    url: str = ""

    def wait_for(self, count: int, *, seconds: float = 60) -> None:
        """Return once that many requests have come."""
        with self.came:
            assert self.came.wait_for(lambda: len(self.posts) >= count, seconds)

    @property
    def ids(self) -> list[int]:
        return [key for post in list(self.posts) for key in post.ids]

    @property
    def taken(self) -> list[int]:
        """The ids of what it answered for with 2xx."""
        return [key for post in list(self.posts) if self.answer(post) == 204 for key in post.ids]


@contextmanager
def receiving(receiver: Receiver, *, certificate: Path | None = None) -> Iterator[Receiver]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            post = Post(self.path, {k.lower(): v for k, v in self.headers.items()}, body)
            with receiver.came:
                receiver.posts.append(post)
                receiver.came.notify_all()
            status = receiver.answer(post)
            if status is None:
                return
            self.send_response(status)
            if status in (301, 302, 307):
                self.send_header("Location", "http://127.0.0.1:1/elsewhere")
            self.end_headers()

        def log_message(self, *args: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer((HOST, 0), Handler)
    server.handle_error = lambda *args: None  # type: ignore[method-assign]  # who hangs up is meant
    scheme = "http"
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
        scheme = "https"
    receiver.url = f"{scheme}://{HOST}:{server.server_address[1]}/events?source=shop"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()
        thread.join(120)


@dataclass
class SyslogReceiver:
    """A syslog server over TLS that keeps the messages it is sent."""

    messages: list[bytes] = field(default_factory=list)
    port: int = 0
    resets: bool = False
    """Whether it breaks the connection off instead of closing it."""


@contextmanager
def receiving_syslog(receiver: SyslogReceiver, certificate: Path) -> Iterator[SyslogReceiver]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    listener = socket.create_server((HOST, 0))
    receiver.port = listener.getsockname()[1]

    def serve() -> None:
        with suppress(OSError):
            while True:
                connection, _ = listener.accept()
                with suppress(OSError), context.wrap_socket(connection, server_side=True) as tls:
                    if receiver.resets:
                        tls.recv(10)
                        reset(tls)
                        continue
                    receiver.messages += frames(read_all(tls))
                    tls.unwrap()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(120)


def reset(connection: socket.socket) -> None:
    """Break a connection off, so that the other side gets an error."""
    import struct

    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def read_all(connection: socket.socket) -> bytes:
    data = b""
    while part := connection.recv(65536):
        data += part
    return data


def frames(data: bytes) -> list[bytes]:
    """Take messages apart by the lengths before them (RFC 5425 §4.3)."""
    found = []
    while data:
        length, _, rest = data.partition(b" ")
        found.append(rest[: int(length)])
        data = rest[int(length) :]
    return found


@contextmanager
def silent() -> Iterator[int]:
    """A server that takes connections and never says anything; yields its port."""
    listener = socket.create_server((HOST, 0))
    try:
        yield listener.getsockname()[1]
    finally:
        listener.close()


@contextmanager
def dripping() -> Iterator[int]:
    """A server whose answer comes a byte at a time, and never to its end; yields its port."""
    listener = socket.create_server((HOST, 0))
    over = threading.Event()

    def serve() -> None:
        with suppress(OSError):
            connection, _ = listener.accept()
            with connection:
                connection.sendall(b"HTTP/1.1 200 ")
                while not over.wait(0.02):
                    connection.sendall(b"O")

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        over.set()
        listener.close()
        thread.join(120)
