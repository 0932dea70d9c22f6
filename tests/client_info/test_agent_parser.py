"""The parser of user agents: one in a process, there before anybody signs in."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from threading import Event, Lock, Semaphore, Thread
from typing import Any

import pytest

from sessions_plus.client_info import agent_parser
from sessions_plus.client_info.agent_parser import AgentParser

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"


class Slow:
    """Stands in for the building of the tables: it stops until it is let go on."""

    def __init__(self) -> None:
        self.began, self.go_on, self.count = Event(), Event(), 0

    def __call__(self) -> Any:
        self.count += 1
        self.began.set()
        assert self.go_on.wait(120)
        return lambda text, domain: text


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> Iterator[Slow]:
    building = Slow()
    monkeypatch.setattr(agent_parser, "_build", building)
    yield building
    building.go_on.set()


class Queue:
    """A lock that says when so many have come to it."""

    def __init__(self, expected: int) -> None:
        self._lock, self._coming = Lock(), Semaphore(0)
        self._expected = expected

    def __enter__(self) -> None:
        self._coming.release()
        self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        self._lock.release()

    def wait(self) -> None:
        for _ in range(self._expected):
            assert self._coming.acquire(timeout=120), "not all came"


def test_many_threads_build_one(slow: Slow) -> None:
    """Whoever asks while it is being built waits for it, and builds none of their own."""
    parser, found = AgentParser(), list[Any]()
    queue: Any = Queue(8)
    parser._lock = queue

    threads = [Thread(target=lambda: found.append(parser.parse(FIREFOX))) for _ in range(8)]
    for thread in threads:
        thread.start()
    queue.wait()
    slow.go_on.set()
    for thread in threads:
        thread.join(120)

    assert found == [FIREFOX] * 8
    assert slow.count == 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")
def test_a_child_does_not_wait_for_its_parents_thread(slow: Slow) -> None:
    """A process that is forked while the parser is being built builds its own."""
    parser = AgentParser()
    building = Thread(target=parser.warm_up)
    building.start()
    assert slow.began.wait(120)

    child = os.fork()
    if child == 0:
        signal.alarm(20)
        slow.go_on.set()
        os._exit(0 if str(parser.parse(FIREFOX)) == FIREFOX else 1)
    slow.go_on.set()
    building.join(120)

    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


SITE = """
import sys, django
from django.conf import settings
settings.configure(
    SECRET_KEY="for this test", INSTALLED_APPS=["django.contrib.auth",
    "django.contrib.contenttypes", "sessions_plus"], ROOT_URLCONF="tests.urls",
    MIDDLEWARE=["sessions_plus.middleware.SessionMiddleware"],
    SESSION_ENGINE="sessions_plus.backends.db", DATABASES={},
)
django.setup()
print("ua_parser" in sys.modules)
from django.core.%s import get_%s_application
get_%s_application()
print("ua_parser" in sys.modules)
from sessions_plus.client_info import agent_parser
agent_parser._build = None  # nothing is left to build
print(agent_parser.agent_parser.parse("curl/8").user_agent.family)
"""


@pytest.mark.parametrize("kind", ["wsgi", "asgi"])
def test_a_server_has_it_when_it_starts(kind: str) -> None:
    """It is there when a server loads its middleware, and not before: a shell needs none."""
    done = subprocess.run(
        [sys.executable, "-c", SITE % (kind, kind, kind)],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )

    assert done.stdout.split() == ["False", "True", "curl"]
