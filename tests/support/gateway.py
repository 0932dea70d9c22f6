"""A small proxy that ends TLS before the processes of a site, and does what some proxies do."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.support.services.process import HOST, PATIENCE_SECONDS
from tests.support.tls import Certificate

# Of one connection, not of what is passed on (RFC 9110 §7.6.1).
HOP = {"connection", "keep-alive", "te", "transfer-encoding", "upgrade", "content-length"}


@dataclass
class Gateway:
    """
    What it does, for all requests or those below ``path``; by default it passes all on.

    ``drops`` are headers of responses that it loses, ``drops_sent`` those of requests;
    ``replaces`` statuses whose page it replaces, headers and all, and by which status;
    ``answers`` a status, and headers, that it answers with itself; ``changes_cookie`` what it
    makes of each ``Set-Cookie``; ``keeps`` whether it keeps answers, as caches do; ``host``,
    ``scheme`` what it tells the site of the request instead of the truth.
    """

    ports: Sequence[int] = ()
    path: str = "/"
    drops: Sequence[str] = ()
    drops_sent: Sequence[str] = ()
    replaces: dict[int, int] = field(default_factory=dict)
    answers: tuple[int, dict[str, str]] | None = None
    changes_cookie: Callable[[str], str] | None = None
    keeps: bool = False
    host: str | None = None
    scheme: str = "https"
    choose: Callable[[str], int] | None = None
    """Which of the ports a path goes to; by default the next one's turn it is."""
    seen: list[tuple[str, str, int, int]] = field(default_factory=list)
    """Method, path, port and status of each request, in the order of the answers."""

    def __post_init__(self) -> None:
        self._turn = 0
        self._lock = threading.Lock()
        self._kept: dict[str, Any] = {}

    def port_for(self, path: str) -> int:
        with self._lock:
            self._turn += 1
            if self.choose is not None:
                return self.choose(path)
            return self.ports[self._turn % len(self.ports)]

    def pass_on(self, request: BaseHTTPRequestHandler) -> tuple[int, list[tuple[str, str]], bytes]:
        is_meant = request.path.startswith(self.path)
        if self.answers is not None and is_meant:
            status, headers = self.answers
            return status, list(headers.items()), b""
        if self.keeps and is_meant and request.path in self._kept:
            kept: tuple[int, list[tuple[str, str]], bytes] = self._kept[request.path]
            return kept
        status, found, body = self._ask(request, is_meant=is_meant)
        if is_meant:
            found = [(name, self._changed(name, value)) for name, value in found]
            lost = {name.lower() for name in self.drops}
            found = [(name, value) for name, value in found if name.lower() not in lost]
            if status in self.replaces:
                status, found, body = self.replaces[status], [], b"<h1>Something is wrong</h1>"
        self._kept[request.path] = status, found, body
        return status, found, body

    def _changed(self, name: str, value: str) -> str:
        if self.changes_cookie is None or name.lower() != "set-cookie":
            return value
        return self.changes_cookie(value)

    def _ask(
        self, request: BaseHTTPRequestHandler, *, is_meant: bool
    ) -> tuple[int, list[tuple[str, str]], bytes]:
        lost = HOP | ({name.lower() for name in self.drops_sent} if is_meant else set())
        sent = {name: text for name, text in request.headers.items() if name.lower() not in lost}
        sent |= {"X-Forwarded-Proto": self.scheme, "Connection": "close"}
        if self.host is not None:
            sent["Host"] = self.host
        length = int(request.headers.get("Content-Length") or 0)
        body = request.rfile.read(length) if length else None
        port = self.port_for(request.path)
        connection = HTTPConnection(HOST, port, timeout=PATIENCE_SECONDS)
        try:
            connection.request(request.command, request.path, body=body, headers=sent)
            answer = connection.getresponse()
            got = answer.read()
        finally:
            connection.close()
        self.seen.append((request.command, request.path.split("?")[0], port, answer.status))
        found = [(name, text) for name, text in answer.getheaders() if name.lower() not in HOP]
        return answer.status, found, got


@contextmanager
def gateway(certificate: Certificate, passing: Gateway) -> Iterator[str]:
    """Serve through it on a free port of ``localhost``; the value is its address."""

    class Handler(BaseHTTPRequestHandler):
        timeout = PATIENCE_SECONDS

        def do(self) -> None:
            status, headers, body = passing.pass_on(self)
            self.send_response_only(status)
            for name, value in headers:
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        do_GET = do_HEAD = do_POST = do_OPTIONS = do  # noqa: N815 - as the class wants them

        def log_message(self, *args: Any) -> None:
            """Say nothing."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def get_request(self) -> Any:
            opened, address = super().get_request()
            wrapped = context.wrap_socket(opened, server_side=True, do_handshake_on_connect=False)
            return wrapped, address

        def handle_error(self, request: Any, client_address: Any) -> None:
            """A browser that goes in the middle of a request is no error."""

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.certificate, certificate.key)
    server = Server((HOST, 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"https://localhost:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
