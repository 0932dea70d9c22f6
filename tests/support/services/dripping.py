"""A proxy before a server of ours that lets its answers through a byte at a time."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress

from tests.support.services.process import HOST

# Shorter than any timeout for one wait, so that only one for all of them ends it; and so long
# that the shortest answer of all takes longer than that.
PAUSE_SECONDS = 0.1


class DrippingProxy:
    """
    Passes on all that is said between clients and the server on ``port``.

    From ``drip`` on, until ``flow``, the server's answers come a byte at a time.
    """

    def __init__(self, port: int, *, listen_on: int = 0) -> None:
        self._server_port = port
        self._drips, self._is_over = threading.Event(), threading.Event()
        self._listening = socket.create_server((HOST, listen_on))
        self.port: int = self._listening.getsockname()[1]
        self._open: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def drip(self) -> None:
        self._drips.set()

    def flow(self) -> None:
        self._drips.clear()

    def stop(self) -> None:
        self._is_over.set()
        for connection in (self._listening, *self._open):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while not self._is_over.is_set():
                client, _ = self._listening.accept()
                server = socket.create_connection((HOST, self._server_port))
                server.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._open += [client, server]
                for pump, one, other in (
                    (self._pass_on, client, server),
                    (self._answer, server, client),
                ):
                    threading.Thread(target=pump, args=(one, other), daemon=True).start()

    def _pass_on(self, client: socket.socket, server: socket.socket) -> None:
        with suppress(OSError):
            while said := client.recv(65536):
                server.sendall(said)
            server.shutdown(socket.SHUT_RDWR)

    def _answer(self, server: socket.socket, client: socket.socket) -> None:
        with suppress(OSError):
            while said := server.recv(65536):
                while said and self._drips.is_set():
                    client.sendall(said[:1])
                    said = said[1:]
                    self._is_over.wait(PAUSE_SECONDS)
                client.sendall(said)
            client.shutdown(socket.SHUT_RDWR)
