"""A thousand acts over workers that restart and are killed: every count is the same."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from prometheus_client.parser import text_string_to_metric_families

from sessions_plus.mfa.failed_sign_ins import SINGLY
from tests.support.counted_site import SESSIONS_PLUS_METRICS_TOKEN
from tests.support.services.process import HOST, answers, free_port, wait_until

pytestmark = pytest.mark.services

ROOT = Path(__file__).resolve().parents[2]
VISITORS, ACTS_EACH = 4, 250
ALIVE = b"GET /-/health/live HTTP/1.0\r\nHost: localhost\r\n\r\n"
EVENTS = {
    "sign-in": "session.started",
    "mistype": "sign_in.failed",
    "revoke": "session.revoked",
}
NOT_YET_EVENTS = f"""
SELECT 'sign_in.failed', sum(count - {SINGLY}) FROM sessions_plus_failurecount
WHERE count > {SINGLY} GROUP BY 1
"""  # noqa: S608 - a number of ours
TOTAL = "sessions_plus_site_events_total"

SET_UP = """
import django; django.setup()
from django.core.management import call_command
call_command('migrate', verbosity=0)
from django.contrib.auth.models import User
for number in range(4):
    User.objects.create_user(f'visitor{number}', password='a password')
"""


class Site:
    """Three workers of gunicorn, each of which ends after some requests, and what they did."""

    def __init__(self, database: str, redis: str) -> None:
        self.database = database
        self.port = free_port()
        self.address = f"http://{HOST}:{self.port}"
        self.environment = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "tests.support.counted_site",
            "TEST_DATABASE_URL": database,
            "TEST_REDIS_URL": redis,
        }
        self.seen: set[int] = set()
        self.done: Counter[str] = Counter()
        self.tried: Counter[str] = Counter()

    def run(self, *words: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, *words]
        return subprocess.Popen(command, cwd=ROOT, env=self.environment, stderr=subprocess.DEVNULL)

    def serve(self) -> subprocess.Popen[bytes]:
        words = (
            "-m gunicorn django.core.wsgi:get_wsgi_application() --workers 3 --max-requests 120 "
            f"--max-requests-jitter 60 --bind {HOST}:{self.port} --log-level critical"
        )
        master = self.run(*words.split())
        wait_until(lambda: answers(self.port, ALIVE, b"HTTP"), what="gunicorn")
        return master

    def act(self, client: httpx.Client, act: str, name: str) -> None:
        """Do it once, as far as the worker lives."""
        self.tried[act] += 1
        try:
            response = client.get(f"{self.address}/{act}/", params={"name": name})
        except httpx.TransportError:
            return
        assert response.status_code == 200, response.text
        self.seen.add(int(response.headers["X-Process"]))
        self.done[act] += 1

    def visit(self, number: int) -> None:
        """Sign in, mistype, and have sessions revoked, in any order."""
        dice = random.Random(number)
        name = f"visitor{number}"
        with httpx.Client(timeout=60) as client:
            for _ in range(ACTS_EACH):
                can_revoke = "sessionid" in client.cookies
                act = dice.choice(["sign-in", "mistype", "revoke"] if can_revoke else ["sign-in"])
                if act == "sign-in":
                    client.cookies.clear()
                self.act(client, act, name)
                if act == "revoke":
                    client.cookies.clear()

    def totals(self) -> Counter[str]:
        """What the page of metrics tells of each kind of event, whichever worker answers."""
        holds = {"Authorization": f"Bearer {SESSIONS_PLUS_METRICS_TOKEN}"}
        transport = httpx.HTTPTransport(retries=10)
        with httpx.Client(transport=transport, headers=holds, timeout=60) as client:
            page = client.get(f"{self.address}/-/metrics")
        assert page.status_code == 200, page.text
        found: Counter[str] = Counter()
        for family in text_string_to_metric_families(page.text):
            for sample in family.samples:
                if sample.name == TOTAL:
                    found[sample.labels["event"]] += int(sample.value)
        return found

    def ask(self, sql: str) -> dict[Any, int]:
        with psycopg.connect(self.database) as connection:
            return {key: int(count) for key, count in connection.execute(sql.encode()).fetchall()}


@pytest.fixture
def site(start_server: Callable[[str], Any]) -> Iterator[Site]:
    site = Site(start_server("postgresql").url, start_server("redis").url)
    assert site.run("-c", SET_UP).wait(120) == 0
    master = site.serve()
    try:
        yield site
    finally:
        master.terminate()
        master.wait(60)


def count_while(site: Site, running: list[Future[None]]) -> list[Counter[str]]:
    """Count again and again, be killed, and kill workers; return what was told meanwhile."""
    dice = random.Random(1)
    told: list[Counter[str]] = []
    killed: set[int] = set()
    while not all(each.done() for each in running):
        counting = site.run("-m", "django", "count_events")
        if len(told) % 2:
            counting.kill()
        counting.wait(120)
        if len(killed) < 3 and (alive := [pid for pid in site.seen - killed if is_alive(pid)]):
            victim = dice.choice(alive)
            os.kill(victim, signal.SIGKILL)
            killed.add(victim)
        told.append(site.totals())
    assert killed
    return told


def is_alive(pid: int) -> bool:
    return Path(f"/proc/{pid}/cmdline").exists() and "gunicorn" in Path(
        f"/proc/{pid}/cmdline"
    ).read_bytes().decode(errors="replace")


def test_all_counts_agree(site: Site) -> None:
    """Table, hourly counts, sums by day and of all time, and each worker's page: one number."""
    with ThreadPoolExecutor(VISITORS) as executor:
        running = [executor.submit(site.visit, number) for number in range(VISITORS)]
        told = count_while(site, running)
        for each in running:
            each.result()
    assert site.run("-m", "django", "count_events").wait(120) == 0

    happened = site.ask("SELECT event, sum(count) FROM sessions_plus_sessionevent GROUP BY event")
    assert sum(site.tried.values()) == VISITORS * ACTS_EACH
    assert len(site.seen) > 6, "the workers restarted"
    # Failures of the minute that is not over are no event yet.
    waiting = site.ask(NOT_YET_EVENTS)
    for act, event in EVENTS.items():
        # Of a request whose worker was killed nobody knows whether it was done.
        assert site.done[act] <= happened[event] + waiting.get(event, 0) <= site.tried[act]
    for span in ("hour", "day", "ever"):
        counted = "SELECT event, sum(count) FROM sessions_plus_hourcount WHERE outcome <> '' "
        assert site.ask(f"{counted} AND span = '{span}' GROUP BY event") == happened
    for page in [site.totals() for _ in range(9)]:
        assert {event: count for event, count in page.items() if count} == happened
    for former, later in pairwise(told):
        assert all(former[event] <= later[event] for event in former)
