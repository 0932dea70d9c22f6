"""Two app processes, one PostgreSQL, one Redis, no stickiness; one of them dies under load."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from tests.support.processes import ROOT, SERVERS, Site
from tests.support.services.process import PATIENCE_SECONDS

pytestmark = pytest.mark.services


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
