"""
One visit to a server of two processes: in by one, out by the other, and the lights off.

What is asked is asked of a process that the answer names, so that it is known which of them
served what. Connections are not kept, and several ask at once: so both get their share.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx

from tests.servers.kinds import Kind
from tests.support.services import left_behind
from tests.support.services.process import (
    HOST,
    PATIENCE_SECONDS,
    Server,
    answers,
    free_port,
    new_directory,
    wait_until,
)

ROOT = Path(__file__).resolve().parents[2]
AT_ONCE = 8
ROUNDS = 60
# Some end by the signal itself once their processes have ended.
ENDED = (0, -signal.SIGTERM, 128 + signal.SIGTERM)
FAULTS = ("Traceback", "Exception ignored", "CRITICAL")

Answer = dict[str, Any]


class Failed(Exception):
    """What a server did not do, and what it said meanwhile."""


class Visitor:
    """One browser, which asks all addresses of a site at once until the right process answers."""

    def __init__(self, addresses: list[str]) -> None:
        self.addresses = addresses
        self.cookies: dict[str, str] = {}

    def sign_in(self) -> int:
        """Sign in; return which process it was."""
        response = self._get(self.addresses[0], "sign-in/?name=ann")
        self.cookies = dict(response.cookies)
        return int(response.json()["process"])

    def ask(self, path: str, until: Callable[[Answer], bool]) -> Iterator[Answer]:
        """Yield the answers to one question, up to the first that will do."""
        with ThreadPoolExecutor(AT_ONCE) as pool:
            for _ in range(ROUNDS):
                asked = [self.addresses[n % len(self.addresses)] for n in range(AT_ONCE)]
                for response in pool.map(lambda address: self._get(address, path), asked):
                    yield response.json()
                    if until(response.json()):
                        return
        raise Failed(f"no process gave the answer that /{path} was asked for")

    def _get(self, address: str, path: str) -> httpx.Response:
        with httpx.Client(timeout=PATIENCE_SECONDS, cookies=self.cookies) as client:
            response = client.get(f"{address}/{path}")
        if response.status_code != 200:
            raise Failed(f"/{path} was answered with {response.status_code}: {response.text[:500]}")
        return response


def visit(kind: Kind, environment: Mapping[str, str]) -> None:
    """
    Start a server, and see that a session lives and ends in both of its processes.

    Raises:
        Failed: the rule that was broken.
        RuntimeError: it did not start.
    """
    with ExitStack() as stack:
        servers = [stack.enter_context(started(kind, environment)) for _ in range(kind.copies)]
        try:
            see_one_session(Visitor([server.url for server in servers]))
            for server in servers:
                end(server, kind)
        except Failed as failed:
            said = "\n".join(server.log[-3000:] for server in servers)
            raise Failed(f"{failed}\n{said}") from None


def see_one_session(ann: Visitor) -> None:
    first = ann.sign_in()

    def by_other(answer: Answer) -> bool:
        return bool(answer["process"] != first)

    *_, second = ann.ask("who/", by_other)
    if second["user"] != "ann":
        raise Failed("the other process does not know who signed in")
    for _ in ann.ask(f"end-all/?process={second['process']}", lambda answer: answer["ended"] == 1):
        pass
    # Whoever asks after that is nobody, in each process: there is no stretch in between.
    if any(answer["user"] for answer in ann.ask("who/", lambda answer: not by_other(answer))):
        raise Failed("a session lives on after its end")


@contextmanager
def started(kind: Kind, environment: Mapping[str, str]) -> Iterator[Server]:
    port = free_port()
    program, *words = kind.command.format(host=HOST, port=port).split()
    told = [f"{name}={value}" for name, value in environment.items()]
    request = b"GET /who/ HTTP/1.0\r\nHost: localhost\r\n\r\n"
    server = Server(
        name=kind.server,
        command=["env", *told, Path(sys.executable).parent / program, *words],
        port=port,
        url=f"http://{HOST}:{port}",
        directory=new_directory(),
        is_ready=lambda: answers(port, request, b"HTTP"),
    )
    server.start()
    try:
        yield server
    finally:
        server.stop()


def end(server: Server, kind: Kind) -> None:
    """Ask it to end, as a service manager does: it leaves nobody behind, nor complaints."""
    assert server.process is not None
    everybody = left_behind.family(server.process.pid)
    server.process.send_signal(signal.SIGTERM)
    wait_until(lambda: server.process is None or server.process.poll() is not None, what=str(kind))
    wait_until(lambda: not any(map(is_alive, everybody)), what=f"the processes of {kind}")
    if server.process.returncode not in ENDED:
        raise Failed(f"it ended with {server.process.returncode}")
    found = [word for word in FAULTS if word in server.log]
    if found:
        raise Failed(f"its log has {found[0]}")


def is_alive(pid: int) -> bool:
    """Say whether a process runs; one that has ended and was not waited for does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"
