"""The database, the pooler and the cache of the servers under test."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path

from tests.servers.kinds import POOL, POOLER
from tests.support.services.caches import start_redis
from tests.support.services.databases import start_pgbouncer, start_postgresql
from tests.support.services.process import Server

ROOT = Path(__file__).resolve().parents[2]
SET_UP = """
import django; django.setup()
from django.contrib.auth.models import User
from django.core.management import call_command
call_command("migrate", verbosity=0)
User.objects.create_user("ann")
"""


class Surroundings:
    """They are started when a server needs them first, and end together."""

    def __init__(self) -> None:
        self._stack = ExitStack()

    def close(self) -> None:
        self._stack.close()

    def environment(self, between: str) -> dict[str, str]:
        """Return what a server's processes are told: where the database and the cache are."""
        if between == POOLER:
            return {**self._told(self._pgbouncer.url), "TEST_POOLER": "1"}
        told = self._told(self._postgresql.url)
        return {**told, "TEST_POOL": "1"} if between == POOL else told

    def _told(self, url: str) -> dict[str, str]:
        return {
            "DJANGO_SETTINGS_MODULE": "tests.servers.settings",
            "PYTHONPATH": str(ROOT),
            "TEST_DATABASE_URL": url,
            "TEST_REDIS_URL": self._redis.url,
        }

    @cached_property
    def _postgresql(self) -> Server:
        server = self._kept(start_postgresql())
        command = [sys.executable, "-c", SET_UP]
        told = {**os.environ, **self._told(server.url)}
        subprocess.run(command, cwd=ROOT, env=told, check=True)
        return server

    @cached_property
    def _pgbouncer(self) -> Server:
        return self._kept(start_pgbouncer(self._postgresql))

    @cached_property
    def _redis(self) -> Server:
        return self._kept(start_redis())

    def _kept(self, server: Server) -> Server:
        self._stack.callback(server.stop)
        return server
