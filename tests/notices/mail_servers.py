"""Mail servers on loopback: one that takes mails, and one that accepts and never answers."""

from __future__ import annotations

import queue
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import django
from django.test import override_settings

SMTP = "django.core.mail.backends.smtp.EmailBackend"
PATIENCE_SECONDS = 60


def site_that_mails_to(port: int) -> override_settings:
    """The settings of a site whose mails go to a server on loopback."""
    if django.VERSION >= (6, 1):
        options = {"host": "127.0.0.1", "port": port}
        return override_settings(MAILERS={"default": {"BACKEND": SMTP, "OPTIONS": options}})
    return override_settings(EMAIL_BACKEND=SMTP, EMAIL_HOST="127.0.0.1", EMAIL_PORT=port)


class Server:
    """Accepts connections, and keeps each until it is told to hang up."""

    def __init__(self) -> None:
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        self.accepted: queue.Queue[socket.socket] = queue.Queue()
        self._kept: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            self._kept.append(connection)
            self.accepted.put(connection)

    def wait(self) -> socket.socket:
        """Return the next connection that somebody made."""
        return self.accepted.get(timeout=PATIENCE_SECONDS)

    def hang_up(self) -> None:
        while self._kept:
            self._kept.pop().close()

    def stop(self) -> None:
        # Wakes up the thread in accept(), which a close() alone does not.
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self.hang_up()


@contextmanager
def silent_server() -> Iterator[Server]:
    """Run a server that accepts and never answers; the site's mails go there."""
    server = Server()
    try:
        with site_that_mails_to(server.port):
            yield server
    finally:
        server.stop()


def closed_port() -> int:
    """Return a port on which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


def take_mail(connection: socket.socket, *, pause: Any = lambda: None) -> str:
    """Speak SMTP with somebody who sends one mail, and return it; ``pause`` before each answer."""
    lines = connection.makefile("rb")

    def answer(text: str) -> None:
        pause()
        connection.sendall(text.encode() + b"\r\n")

    taken = ""
    answer("220 here")
    for line in lines:
        command = line[:4].upper()
        if command == b"DATA":
            answer("354 go on")
            body = iter(lines.readline, b".\r\n")
            taken = b"".join(body).decode()
        elif command == b"QUIT":
            answer("221 bye")
            break
        answer("250 well")
    connection.close()
    return taken
