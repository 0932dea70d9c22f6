"""A site of several processes of its own: an asynchronous server, and one of threads."""

from __future__ import annotations

import subprocess
import sys
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Any

import httpx

from tests.support.services import left_behind
from tests.support.services.process import HOST, answers, free_port, wait_until

ROOT = Path(__file__).resolve().parents[2]
SERVERS = {
    "asyncio": "uvicorn --factory django.core.asgi:get_asgi_application --lifespan off "
    "--host {host} --port {port} --log-level error",
    "threads": "gunicorn django.core.wsgi:get_wsgi_application() --threads 4 "
    "--bind {host}:{port} --log-level error",
}


class Site:
    """The processes of a site, asked in turn, as by a load balancer that knows no sessions."""

    def __init__(self, environment: dict[str, str], *, greeted_at: str = "/kept/") -> None:
        """``greeted_at``: a path that each process answers once it is up."""
        self.environment, self.greeted_at = environment, greeted_at
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.addresses: list[str] = []
        self.ports: list[int] = []
        self._turn = count()

    def start(self, kind: str) -> None:
        port = free_port()
        words = SERVERS[kind].format(host=HOST, port=port).split()
        self.processes[kind] = subprocess.Popen(
            [sys.executable, "-m", *words], cwd=ROOT, env=self.environment, start_new_session=True
        )
        left_behind.remember(self.processes[kind].pid)
        request = f"GET {self.greeted_at} HTTP/1.0\r\nHost: localhost\r\n\r\n".encode()
        wait_until(lambda: answers(port, request, b"HTTP"), what=kind)
        self.addresses.append(f"http://{HOST}:{port}")
        self.ports.append(port)

    def get(self, client: httpx.Client, path: str, **params: str) -> dict[str, Any]:
        """Ask whoever's turn it is; if that one is dead, the next."""
        first = next(self._turn)  # once: others take turns meanwhile
        for turn in range(first, first + 2 * len(self.addresses)):
            address = self.addresses[turn % len(self.addresses)]
            with suppress(httpx.TransportError):
                response = client.get(f"{address}/{path}/", params=params)
                assert response.status_code == 200, response.text
                is_json = response.headers["content-type"] == "application/json"
                return dict(response.json()) if is_json else {}
        raise AssertionError("no process answers")

    def stop(self) -> None:
        for process in self.processes.values():
            left_behind.kill(process.pid)
            process.wait()
            left_behind.forget(process.pid)
