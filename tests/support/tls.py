"""The tests' site over TLS, in this process: browsers act on device keys (DBSC) there alone."""

from __future__ import annotations

import base64
import ipaddress
import ssl
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256, Hash
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from django.contrib.staticfiles.handlers import StaticFilesHandler
from django.core.servers.basehttp import ThreadedWSGIServer
from django.db import connections
from django.test.testcases import LiveServerThread, QuietWSGIRequestHandler

StartResponse = Callable[..., Any]

FEATURES = ",".join(
    (
        "DeviceBoundSessions:RefreshQuota/false",
        "EnableBoundSessionCredentialsSoftwareKeysForManualTesting",
    )
)
"""Of Chromium: it binds sessions, also where the device has no hardware for keys."""


class Certificate:
    """A self-made certificate of ``localhost`` and ``127.0.0.1``, and its key, as files."""

    def __init__(self, directory: Path, *, days: int = 7) -> None:
        self.certificate, self.key = directory / "site.pem", directory / "site.key"
        if not self._is_kept():
            self._make(days)
        made = x509.load_pem_x509_certificate(self.certificate.read_bytes()).public_key()
        spki = made.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        hashed = Hash(SHA256())
        hashed.update(spki)
        self.fingerprint = base64.b64encode(hashed.finalize()).decode()
        """By which Chromium is told to trust it."""

    def _is_kept(self) -> bool:
        """Say whether one of before is there, and good for a day more."""
        if not (self.certificate.exists() and self.key.exists()):
            return False
        kept = x509.load_pem_x509_certificate(self.certificate.read_bytes())
        return kept.not_valid_after_utc > datetime.now(UTC) + timedelta(days=1)

    def _make(self, days: int) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
        names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
        now = datetime.now(UTC)
        made = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=days))
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .sign(key, SHA256())
        )
        secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        self.key.touch(mode=0o600)
        self.key.write_bytes(secret)
        self.certificate.write_bytes(made.public_bytes(Encoding.PEM))


class Proxy:
    """
    What stands before the site, and does what some proxies do.

    ``replaces`` are statuses whose page and headers it replaces, ``drops`` the headers of
    responses, and ``drops_sent`` those of requests (as WSGI names them) that it loses.
    """

    replaces: tuple[int, ...] = ()
    drops: tuple[str, ...] = ()
    drops_sent: tuple[str, ...] = ()

    def __init__(self) -> None:
        self.seen: list[tuple[str, str, int]] = []
        """Method, path and status of each request, in the order of the answers."""

    def __call__(
        self, site: Any, environ: dict[str, Any], start_response: StartResponse
    ) -> Iterable[bytes]:
        for name in self.drops_sent:
            environ.pop(name, None)

        def start(status: str, headers: list[tuple[str, str]], *more: Any) -> Any:
            code = int(status.split(maxsplit=1)[0])
            self.seen.append((environ["REQUEST_METHOD"], environ["PATH_INFO"], code))
            kept = [(name, value) for name, value in headers if name not in self.drops]
            if code in self.replaces:
                kept = [("Content-Type", "text/html"), ("Content-Length", "0")]
            return start_response(status, kept, *more)

        body: Iterable[bytes] = site(environ, start)
        return body


class Handler(QuietWSGIRequestHandler):
    def get_environ(self) -> Any:
        return {**super().get_environ(), "HTTPS": "on", "wsgi.url_scheme": "https"}


class Server(ThreadedWSGIServer):
    """Ends TLS itself. ``use`` comes before the first request."""

    context: ssl.SSLContext

    def use(self, certificate: Certificate) -> None:
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(certificate.certificate, certificate.key)

    def get_request(self) -> Any:
        opened, address = super().get_request()
        opened.settimeout(60)
        wrapped = self.context.wrap_socket(opened, server_side=True, do_handshake_on_connect=False)
        return wrapped, address

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A browser that goes in the middle of a request is no error."""


@contextmanager
def served(certificate: Certificate, proxy: Proxy) -> Iterator[str]:
    """Serve the site of the settings in force; the value is its address."""

    class Site(StaticFilesHandler):
        def __call__(self, environ: Any, start_response: Any) -> Any:
            return proxy(super().__call__, environ, start_response)

    class Thread(LiveServerThread):
        def _create_server(self, connections_override: Any = None) -> Server:
            server = Server(
                (self.host, self.port),
                Handler,
                allow_reuse_address=False,
                connections_override=connections_override,
            )
            server.use(certificate)
            return server

    shared = {
        connection.alias: connection
        for connection in connections.all()
        if connection.vendor == "sqlite" and connection.is_in_memory_db()  # type: ignore[attr-defined]
    }
    for connection in shared.values():
        connection.inc_thread_sharing()
    thread = Thread("localhost", Site, connections_override=shared)
    thread.daemon = True
    thread.start()
    thread.is_ready.wait()
    try:
        if thread.error:
            raise thread.error
        yield f"https://localhost:{thread.port}"
    finally:
        thread.terminate()
        for connection in shared.values():
            connection.dec_thread_sharing()
