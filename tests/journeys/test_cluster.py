"""`make demo-cluster`: the shop as two processes, of which one may be killed."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from tests.support.demo import PASSWORD, program, told_by
from tests.support.services.process import HOST, free_port

pytestmark = pytest.mark.services


@dataclass
class Cluster:
    """Where the shop is, and the processes that serve it."""

    url: str
    processes: list[int]
    ports: list[int]
    metrics_token: str


@pytest.fixture
def cluster(start_server: Callable[[str], Any]) -> Iterator[Cluster]:
    port = free_port()
    environment = {
        **os.environ,
        "PYTHONUNBUFFERED": "1",
        "DATABASE_URL": start_server("postgresql").url,
        "REDIS_URL": start_server("redis").url,
    }
    module = "demo_project.cluster"
    with told_by(wait_for, module, str(port), environment=environment) as found:
        yield found


def wait_for(running: subprocess.Popen[str]) -> Cluster:
    """Read what the command says until the shop is there."""
    processes: list[int] = []
    ports: list[int] = []
    token = ""
    for line in running.stdout or ():
        if found := re.search(r"on port (\d+): kill (\d+)", line):
            ports.append(int(found[1]))
            processes.append(int(found[2]))
        if found := re.search(r"Bearer ([\w-]+)", line):
            token = found[1]
        if found := re.match(r"The shop: (\S+)/ ", line):
            return Cluster(found[1], processes, ports, token)
    raise AssertionError("the shop did not open")


class Shopper:
    """Somebody who fills a cart; each request goes to the other process."""

    def __init__(self, url: str) -> None:
        self.client = program(url, follow_redirects=True)

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
    try:
        os.kill(cluster.processes[0], signal.SIGKILL)
        for _ in range(6):
            shopper.page("/cart/")
    finally:
        over.set()
        for visitor in visitors:
            visitor.join()

    assert set(statuses) == {200}
    assert "Signed in as jonas" in shopper.page("/").text
    assert 'value="2"' in shopper.page("/cart/").text


def test_metrics_and_health_of_both(cluster: Cluster) -> None:
    """Each of the two says that it is well, and tells the same of the whole shop."""
    holds = {"Authorization": f"Bearer {cluster.metrics_token}"}
    sites = [f"http://{HOST}:{port}/-" for port in cluster.ports]

    live = [httpx.get(f"{site}/health/live").status_code for site in sites]
    ready = [httpx.get(f"{site}/health/ready", timeout=120).json()["status"] for site in sites]
    pages = [httpx.get(f"{site}/metrics", headers=holds, timeout=120) for site in sites]
    strangers = httpx.get(f"{cluster.url}/-/metrics", timeout=120)

    assert live == [200, 200]
    # The shop's weeks are seeded, and nobody has cleaned up yet.
    assert ready == ["degraded", "degraded"]
    assert [page.status_code for page in pages] == [200, 200]
    assert pages[0].text == pages[1].text
    started = re.findall(r'events_total\{event="session.started",.*\} (\d+)', pages[0].text)
    assert sum(map(int, started)) > 0
    assert strangers.status_code == 401
