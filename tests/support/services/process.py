"""One server process: started in a directory and on a port of its own, and gone afterwards."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.services import left_behind

HOST = "127.0.0.1"

# Not how long anything takes, but when to give up: the machine may have other work.
PATIENCE_SECONDS = 300


class Missing(Exception):
    """A program or an account of the system that a server needs is not there."""


def find_program(*names: str) -> str:
    """
    Return the path of the first of these programs that is installed.

    Raises:
        Missing: none of them is.
    """
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/usr/local/sbin"])
    for name in names:
        if program := shutil.which(name, path=path):
            return program
    raise Missing(f"{names[0]} is not installed")


def free_port() -> int:
    """Return a loopback port that nobody listens on at the moment."""
    with closing(socket.socket()) as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def wait_until(
    condition: Callable[[], bool], *, what: str, seconds: float = PATIENCE_SECONDS
) -> None:
    """
    Wait for a condition, looking every 20 ms.

    Raises:
        TimeoutError: it did not come true.
    """
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what}: waited {seconds} s")
        time.sleep(0.02)


def answers(
    port: int, question: bytes, answer: bytes, *, seconds: float = PATIENCE_SECONDS
) -> bool:
    """Say whether a server on this port answers a question in its line protocol."""
    with suppress(OSError), socket.create_connection((HOST, port), timeout=seconds) as connection:
        connection.sendall(question)
        return connection.recv(1024).startswith(answer)
    return False


def account(name: str) -> str | None:
    """
    Return the account that a server must run as: some refuse to run as root.

    None: as whoever runs the tests, who is not root.

    Raises:
        Missing: the tests run as root and there is no such account.
    """
    if os.geteuid() != 0:
        return None
    try:
        return pwd.getpwnam(name).pw_name
    except KeyError:
        raise Missing(f"the account {name!r} does not exist") from None


def new_directory(owner: str | None = None) -> Path:
    """Make a directory with a short path, as Unix sockets allow 107 characters."""
    directory = Path(tempfile.mkdtemp(prefix="sp-"))
    if owner is not None:
        shutil.chown(directory, owner)
    return directory


@dataclass
class Server:
    """
    A running server.

    ``kill`` and ``start`` together are a crash and a restart on the same port; ``pause`` makes a
    server that accepts connections and never answers.
    """

    name: str
    command: Sequence[str | Path]
    port: int
    url: str
    directory: Path
    is_ready: Callable[[], bool]
    user: str | None = None
    process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    @property
    def address(self) -> tuple[str, int]:
        return HOST, self.port

    @property
    def log(self) -> str:
        return (self.directory / "server.log").read_text(errors="replace")

    def start(self) -> None:
        """
        Start it, and return when it answers.

        Raises:
            RuntimeError: it did not come up; the message holds its log.
        """
        with (self.directory / "server.log").open("ab") as log:
            self.process = subprocess.Popen(
                [str(part) for part in self.command],
                cwd=self.directory,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                user=self.user,
                group=pwd.getpwnam(self.user).pw_gid if self.user else None,
                extra_groups=[] if self.user else None,
                start_new_session=True,  # and so a group, whose children can be told
            )
        left_behind.remember(self.process.pid)
        try:
            wait_until(lambda: self._has_ended() or self.is_ready(), what=self.name)
        except TimeoutError as error:
            self.stop()
            raise RuntimeError(f"{self.name} does not answer") from error
        except BaseException:  # whoever runs the tests does not want to wait any longer
            self.stop()
            raise
        if self._has_ended():
            raise RuntimeError(f"{self.name} ended at once:\n{self.log}")

    def kill(self) -> None:
        """End it as a power cut would. Its data stays for a next ``start``."""
        self._signal(signal.SIGKILL)
        if self.process is not None:
            self.process.wait()
            left_behind.forget(self.process.pid)

    def pause(self) -> None:
        """Let it answer nobody until ``resume``; its last thread has stopped on return."""
        self._signal(signal.SIGSTOP)
        wait_until(self._has_stopped, what=f"{self.name} to stop")

    def resume(self) -> None:
        self._signal(signal.SIGCONT)

    def stop(self) -> None:
        """End it for good and remove its data. May be called twice."""
        self.kill()
        shutil.rmtree(self.directory, ignore_errors=True)

    def _has_ended(self) -> bool:
        return self.process is None or self.process.poll() is not None

    def _has_stopped(self) -> bool:
        if self.process is None or self._has_ended():
            return True
        tasks = Path(f"/proc/{self.process.pid}/task")
        if not tasks.is_dir():  # another system than Linux
            return True
        states = [stat.read_text().rpartition(")")[2].split()[0] for stat in tasks.glob("*/stat")]
        return set(states) == {"T"}

    def _signal(self, number: signal.Signals) -> None:
        if self.process is not None and not self._has_ended():
            left_behind.kill(self.process.pid, number)
