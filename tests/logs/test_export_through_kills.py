"""Two hundred writers, an exporter that is killed, a receiver that fails: nothing is lost."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.support.receivers import Post, Receiver, make_certificate, receiving
from tests.support.services.process import Server

pytestmark = pytest.mark.services

ROOT = Path(__file__).resolve().parents[2]
WRITERS, ROUNDS = 200, 4
KILLS = 4


class Site:
    """A site's commands, with a database of its own."""

    def __init__(self, server: Server) -> None:
        with psycopg.connect(server.url, autocommit=True) as connection:
            connection.execute("CREATE DATABASE exported")
        url = server.url.rpartition("/")[0] + "/exported"
        self.environment = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "tests.settings",
            "TEST_DATABASE_URL": url,
        }

    def start(self, *words: str, **options: Any) -> subprocess.Popen[bytes]:
        return subprocess.Popen([sys.executable, *words], cwd=ROOT, env=self.environment, **options)

    def manage(self, *words: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "django", *words],
            cwd=ROOT,
            env=self.environment,
            check=True,
            capture_output=True,
            timeout=300,
        )
        return done.stdout.decode()


def test_every_event_is_delivered(start_server: Callable[[str], Server], tmp_path: Path) -> None:
    """Whatever is killed and whatever fails, each event that was committed arrives, in order."""
    certificate = make_certificate(tmp_path)
    site = Site(start_server("postgresql"))
    site.manage("migrate", "--verbosity", "0")
    dice = random.Random(1)
    answers: dict[int, int | None] = {}

    def answer(post: Post) -> int | None:
        return answers.setdefault(id(post), dice.choice([204] * 5 + [500, None]))

    with receiving(Receiver(answer), certificate=certificate) as receiver:
        export = ["export_events", "--to", receiver.url, "--ca-file", str(certificate)]
        writers = site.start(
            *("-m", "tests.support.event_writers", str(WRITERS), str(ROUNDS)),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        for _ in range(KILLS):
            exporter = site.start(
                *("-m", "django", *export, "--follow", "--batch", "20"), stderr=subprocess.DEVNULL
            )
            receiver.wait_for(len(receiver.posts) + 3, seconds=120)
            exporter.kill()
            exporter.wait()
        committed = json.loads(writers.communicate(timeout=300)[0])
        receiver.answer = lambda post: answers.setdefault(id(post), 204)
        site.manage(*export)

        taken = receiver.taken
    counted = json.loads(site.manage("count_events", "--json"))

    assert len(committed) > WRITERS * ROUNDS / 2
    assert list(dict.fromkeys(taken)) == sorted(committed)
    assert counted["events"] == len(committed)
