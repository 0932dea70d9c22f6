"""Sessions in the hands of other processes: a second worker, and a worker of Celery."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_SECONDS = 300


@dataclass
class Site:
    """A site whose processes share a database and a Redis."""

    environment: dict[str, str]

    def begin(self, *words: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", *words],
            cwd=ROOT,
            env=os.environ | self.environment,
            stdout=subprocess.PIPE,
            text=True,
        )

    def act(self, *words: str) -> Any:
        """Let another process do something to its end, and return what it told."""
        process = self.begin("tests.integrations.processes", *words)
        told, _ = process.communicate(timeout=PATIENCE_SECONDS)
        assert process.returncode == 0, words
        return json.loads(told) if told else None


@pytest.fixture
def site(redis_server: Any, tmp_path: Path) -> Site:
    found = Site(
        {
            "SITE_DATABASE": str(tmp_path / "site.sqlite3"),
            "SITE_REDIS": redis_server.url.rpartition("/")[0],
            "DJANGO_SETTINGS_MODULE": "tests.integrations.worker_settings",
        }
    )
    found.act("prepare")
    return found


@pytest.fixture
def worker_of_sockets(site: Site) -> Iterator[subprocess.Popen[str]]:
    with site.begin("tests.integrations.processes", "serve_socket") as process:
        yield process
        process.kill()


def next_told(process: subprocess.Popen[str]) -> Any:
    assert process.stdout is not None
    return json.loads(process.stdout.readline())


@pytest.mark.parametrize("how", ["revoke_all", "delete", "password"])
def test_another_worker_ends_it(
    site: Site, worker_of_sockets: subprocess.Popen[str], how: str
) -> None:
    """
    A socket closes at the word of the process that ended its session.

    Looking now and then would take an hour here.
    """
    assert next_told(worker_of_sockets) == {"user": "ann"}

    began = time.monotonic()
    site.act("end", how)

    assert next_told(worker_of_sockets) == {"code": 4401}
    assert time.monotonic() - began < PATIENCE_SECONDS


def test_celery(site: Site) -> None:
    """
    A task that was queued before its session's key was replaced twice finds it by its name.

    What it saves arrives; one that was queued with the key finds nothing, and accuses nobody.
    After the end of the session a task finds none.
    """
    queued = site.act("queue")
    words = ["-A", "tests.integrations.tasks", "worker", "--pool", "prefork", "-c", "1"]
    with site.begin("celery", *words, "--loglevel", "error") as worker:
        try:
            told = site.act("outcome", json.dumps(queued))
        finally:
            worker.terminate()

    assert told == {
        "results": ["made", []],
        "report": "ready",
        "after": "signed out meanwhile",
        "accused": False,
    }
