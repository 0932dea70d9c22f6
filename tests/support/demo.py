"""The demo shop in a directory of its own: its commands, and its server as a real process."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import httpx

from tests.support.services import left_behind
from tests.support.services.process import (
    PATIENCE_SECONDS,
    Server,
    answers,
    free_port,
    new_directory,
)

T = TypeVar("T")

ROOT = Path(__file__).resolve().parents[2]

# Of each account that `seed_demo` makes.
PASSWORD = "figs-on-toast"


def program(url: str, **options: Any) -> httpx.Client:
    """Return a program that asks a server, and waits for its answer as long as that takes."""
    return httpx.Client(base_url=url, timeout=PATIENCE_SECONDS, **options)


@contextmanager
def told_by(
    read: Callable[[subprocess.Popen[str]], T],
    module: str,
    *arguments: str,
    environment: Mapping[str, str],
) -> Iterator[T]:
    """
    Run one of the demo's commands meanwhile; the value is what is read of what it says.

    It has to say that within the patience of tests, and then may take its time. Its children
    end with it.
    """
    running = subprocess.Popen(
        [sys.executable, "-m", module, *arguments],
        cwd=ROOT,
        env=dict(environment),
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    left_behind.remember(running.pid)
    stuck = threading.Timer(PATIENCE_SECONDS, running.kill)
    stuck.start()
    try:
        told = read(running)
        stuck.cancel()
        yield told
    finally:
        stuck.cancel()
        left_behind.kill(running.pid)  # its processes, too, which it cannot end any more
        running.communicate()
        left_behind.forget(running.pid)


@dataclass(frozen=True)
class Demo:
    """A directory with a database of the demo, and its commands."""

    directory: Path
    settings: str = "demo_project.settings"

    @property
    def environment(self) -> dict[str, str]:
        kept = {"PATH", "HOME", "LANG"}
        return {
            **{name: value for name, value in os.environ.items() if name in kept},
            "DJANGO_SETTINGS_MODULE": self.settings,
            "DATABASE_URL": f"sqlite:///{self.directory}/shop.sqlite3",
        }

    def manage(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run ``manage.py``; its exit code and what it said are in the result."""
        return subprocess.run(
            [sys.executable, str(ROOT / "manage.py"), *arguments],
            env={**self.environment, **environment},
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE_SECONDS,
        )

    def serve(self, *program: str | Path, port_option: str = "") -> Server:
        """Start a Python program that serves the demo at a free port, its last argument."""
        port = free_port()
        environment = [f"{name}={value}" for name, value in self.environment.items()]
        server = Server(
            name="the demo",
            command=[
                "/usr/bin/env",
                "-i",
                *environment,
                sys.executable,
                *program,
                f"{port_option}{port}",
            ],
            port=port,
            url=f"http://127.0.0.1:{port}",
            directory=new_directory(),
            is_ready=lambda: answers(port, b"GET /cart/ HTTP/1.0\r\n\r\n", b"HTTP/1."),
        )
        server.start()
        return server

    def set_up(self) -> str:
        """Make its database and its people; return what ``seed_demo`` said."""
        said = ""
        for command in ("migrate", "seed_demo"):
            done = self.manage(command)
            assert done.returncode == 0, done.stderr
            said = done.stdout
        return said
