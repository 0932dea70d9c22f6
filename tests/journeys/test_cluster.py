"""`make demo-cluster`: the shop as two processes, of which one may be killed."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from tests.support.demo import PASSWORD, ROOT
from tests.support.services.process import HOST, free_port

pytestmark = pytest.mark.services

START_SECONDS = 60


@dataclass
class Cluster:
    """Where the shop is, and the processes that serve it."""

    url: str
    processes: list[int]


@pytest.fixture
def cluster(start_server: Callable[[str], Any]) -> Iterator[Cluster]:
    port = free_port()
    environment = {
        **os.environ,
        "PYTHONUNBUFFERED": "1",
        "DATABASE_URL": start_server("postgresql").url,
        "REDIS_URL": start_server("redis").url,
    }
    command = [sys.executable, "-m", "demo_project.cluster", str(port)]
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True
    ) as running:
        stuck = threading.Timer(START_SECONDS, running.kill)
        stuck.start()
        processes = []
        for line in running.stdout or ():
            if found := re.search(r"kill (\d+)", line):
                processes.append(int(found[1]))
            if line.startswith("The shop:"):
                break
        stuck.cancel()
        yield Cluster(f"http://{HOST}:{port}", processes)
        running.send_signal(signal.SIGINT)


class Shopper:
    """Somebody who fills a cart; each request goes to the other process."""

    def __init__(self, url: str) -> None:
        self.client = httpx.Client(base_url=url, follow_redirects=True, timeout=20)

    def sign_in(self, name: str) -> None:
        page = self.client.get("/account/login/")
        self._post(str(page.url), username=name, password=PASSWORD)

    def add(self, slug: str) -> None:
        self._post(f"/cart/{slug}/add/")

    def page(self, path: str) -> httpx.Response:
        """Ask again where the process died while it answered."""
        for _ in range(20):
            try:
                return self.client.get(path)
            except httpx.TransportError:
                continue
        raise AssertionError("nobody answers")

    def _post(self, path: str, **fields: str) -> None:
        token = {"csrfmiddlewaretoken": self.client.cookies["csrftoken"]}
        answered = self.client.post(path, data={**fields, **token})
        assert answered.status_code == 200, answered.text


def test_one_of_the_two_is_killed(cluster: Cluster) -> None:
    """Signed in on one, the cart filled on both: after a kill under load both are as they were."""
    shopper = Shopper(cluster.url)
    shopper.sign_in("jonas")
    shopper.add("cup")
    shopper.add("cup")
    statuses: list[int] = []
    over = threading.Event()

    def browse() -> None:
        while not over.is_set():
            statuses.append(shopper.page("/account/devices/").status_code)

    visitors = [threading.Thread(target=browse) for _ in range(4)]
    for visitor in visitors:
        visitor.start()
    os.kill(cluster.processes[0], signal.SIGKILL)
    for _ in range(6):
        shopper.page("/cart/")
    over.set()
    for visitor in visitors:
        visitor.join()

    assert set(statuses) == {200}
    assert "Signed in as jonas" in shopper.page("/").text
    assert 'value="2"' in shopper.page("/cart/").text
