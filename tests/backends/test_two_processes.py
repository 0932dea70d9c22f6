"""Two app processes, one PostgreSQL, one Redis, no stickiness; one of them dies under load."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.services import left_behind
from tests.support.services.process import HOST, PATIENCE_SECONDS, answers, free_port, wait_until

pytestmark = pytest.mark.services

ROOT = Path(__file__).resolve().parents[2]
SERVERS = {
    "asyncio": "uvicorn --factory django.core.asgi:get_asgi_application --lifespan off "
    "--host {host} --port {port} --log-level error",
    "threads": "gunicorn django.core.wsgi:get_wsgi_application() --threads 4 "
    "--bind {host}:{port} --log-level error",
}


class Site:
    """The processes of a site, asked in turn, as by a load balancer that knows no sessions."""

    def __init__(self, environment: dict[str, str]) -> None:
        self.environment = environment
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.addresses: list[str] = []
        self._turn = count()

    def start(self, kind: str) -> None:
        port = free_port()
        words = SERVERS[kind].format(host=HOST, port=port).split()
        self.processes[kind] = subprocess.Popen(
            [sys.executable, "-m", *words], cwd=ROOT, env=self.environment, start_new_session=True
        )
        left_behind.remember(self.processes[kind].pid)
        request = b"GET /kept/ HTTP/1.0\r\nHost: localhost\r\n\r\n"
        wait_until(lambda: answers(port, request, b"HTTP"), what=kind)
        self.addresses.append(f"http://{HOST}:{port}")

    def get(self, client: httpx.Client, path: str, **params: str) -> dict[str, Any]:
        """Ask whoever's turn it is; if that one is dead, the next."""
        for _ in range(4):
            address = self.addresses[next(self._turn) % len(self.addresses)]
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


@pytest.fixture
def site(start_server: Callable[[str], Any]) -> Iterator[Site]:
    database, redis = start_server("postgresql"), start_server("redis")
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "tests.support.served",
        "TEST_DATABASE_URL": database.url,
        "TEST_REDIS_URL": redis.url,
    }
    set_up = (
        "import django; django.setup()\n"
        "from django.core.management import call_command\n"
        "call_command('migrate', verbosity=0)\n"
        "from django.contrib.auth.models import User\n"
        "User.objects.create_user('ann')\n"
    )
    subprocess.run([sys.executable, "-c", set_up], cwd=ROOT, env=environment, check=True)
    site = Site(environment)
    try:
        for kind in SERVERS:
            site.start(kind)
        yield site
    finally:
        site.stop()


def test_one_dies_and_nobody_notices(site: Site) -> None:
    """Signed in on one, writing on both, one killed: still signed in, and nothing is lost."""
    client = httpx.Client(timeout=PATIENCE_SECONDS)
    site.get(client, "sign-in", name="ann")
    cookies = dict(client.cookies)
    accepted: list[str] = []
    halfway = threading.Event()

    def write(writer: int) -> None:
        with httpx.Client(timeout=PATIENCE_SECONDS, cookies=cookies) as own:
            for number in range(40):
                name = f"change {writer} {number}"
                assert site.get(own, "keep", name=name)["user"] == "ann"
                accepted.append(name)
                if len(accepted) > 60:
                    halfway.set()

    with ThreadPoolExecutor(4) as executor:
        running = [executor.submit(write, writer) for writer in range(4)]
        assert halfway.wait(PATIENCE_SECONDS)
        site.processes["asyncio"].kill()
        for each in running:
            each.result(PATIENCE_SECONDS)

    found = site.get(client, "kept")
    client.close()
    assert found["user"] == "ann"
    assert set(accepted) <= set(found["names"])
    assert len(accepted) == 160
