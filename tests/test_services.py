"""The throwaway servers themselves."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.services import STARTERS
from tests.support.services.caches import ask_redis
from tests.support.services.process import Server, answers, wait_until

pytestmark = pytest.mark.services

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def redis(start_server: Callable[[str], Any]) -> Server:
    server: Server = start_server("redis")
    return server


def can_connect(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


@pytest.mark.parametrize("name", ["redis", "memcached", "postgresql", "mariadb"])
def test_a_killed_server_comes_back_on_its_port(
    start_server: Callable[[str], Any], name: str
) -> None:
    """A killed server refuses connections until it is started again, on the same port."""
    server: Server = start_server(name)

    server.kill()
    wait_until(lambda: not can_connect(server.port), what="the end of it")
    server.start()

    assert server.is_ready()


def test_a_paused_server_is_silent(redis: Server) -> None:
    """A paused server takes a connection, says nothing, and answers when it is resumed."""
    redis.pause()

    assert can_connect(redis.port)
    assert not answers(redis.port, b"PING\r\n", b"+PONG", seconds=1)

    redis.resume()
    assert answers(redis.port, b"PING\r\n", b"+PONG")


def test_a_stopped_server_leaves_nothing(redis: Server) -> None:
    """A stopped server has no process and no directory any more."""
    redis.stop()

    assert redis.process is not None
    assert redis.process.poll() is not None
    assert not redis.directory.exists()


def test_cluster_holds_every_slot(redis_cluster: Any) -> None:
    """The three nodes of a cluster share all 16,384 slots."""
    assert "cluster_slots_ok:16384" in ask_redis(redis_cluster.servers[0], "cluster", "info")


def test_sentinels_agree_on_a_new_primary(start_server: Callable[[str], Any]) -> None:
    """When the primary dies, the sentinels name the replica instead."""
    group = start_server("redis_sentinel")

    group.primary.kill()

    def names_the_replica() -> bool:
        question = ("sentinel", "get-master-addr-by-name", group.service_name)
        return str(group.replica.port) in ask_redis(group.sentinels[0], *question)

    wait_until(names_the_replica, what="the failover")


@pytest.mark.parametrize(
    ("required", "outcome"), [("0", "1 skipped"), ("1", "1 error")], ids=["optional", "required"]
)
def test_a_missing_binary_is_told(tmp_path: Path, required: str, outcome: str) -> None:
    """A missing server skips its test and is named at the end, or fails where it is required."""
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    (tmp_path / "test_it.py").write_text(
        "from tests.support.services.process import Missing\n"
        "from tests.support.services import STARTERS\n"
        "def gone(): raise Missing('redis-server is not installed')\n"
        "STARTERS['redis'] = gone\n"
        "def test_it(redis_server): pass\n"
    )
    command = [sys.executable, "-m", "pytest", "-p", "tests.support.services", "-p", "no:django"]
    root = Path(__file__).resolve().parent.parent

    done = subprocess.run(
        [*command, "--rootdir", tmp_path, tmp_path],
        env={**os.environ, "PYTHONPATH": str(root), "SESSIONS_PLUS_REQUIRE_SERVICES": required},
        capture_output=True,
        text=True,
        check=False,
    )

    assert outcome in done.stdout
    assert "not exercised here: redis-server is not installed" in done.stdout
    assert STARTERS["redis"].__name__ == "start_redis"


WAITS = "import sys, threading; threading.Event().wait()"
STARTS_AND_WAITS = """
import sys
from tests.support.services.caches import start_redis
server = start_redis()
print(server.port, server.directory, flush=True)
sys.stdin.read()
"""


def test_a_run_that_is_killed_leaves_no_server_behind() -> None:
    """Whoever started a server may be killed: the server ends all the same."""
    command = [sys.executable, "-c", STARTS_AND_WAITS]
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as run:
        assert run.stdout is not None
        port, directory = run.stdout.readline().split()
        try:
            assert can_connect(int(port))
        finally:
            run.kill()

    wait_until(lambda: not can_connect(int(port)), what="the end of it")
    shutil.rmtree(directory)


def test_a_start_that_is_given_up_leaves_no_server_behind(tmp_path: Path) -> None:
    """Whoever interrupts the wait for a server ends what was started."""

    def interrupted() -> bool:
        raise KeyboardInterrupt

    server = Server("python", [sys.executable, "-c", WAITS], 0, "", tmp_path, interrupted)

    with pytest.raises(KeyboardInterrupt):
        server.start()

    assert server.process is not None
    assert server.process.poll() is not None
