"""
The shop as two processes behind a balancer that knows no sessions: ``make demo-cluster``.

Each request goes to the other process than the one before. Kill either of them: nobody is
signed out, and nothing is lost. ``DATABASE_URL`` and ``REDIS_URL`` name the servers to use;
without them throwaway ones are started, with the demo's people in them.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from itertools import count
from pathlib import Path
from secrets import token_urlsafe
from typing import Any

from tests.support.services.caches import start_redis
from tests.support.services.databases import start_postgresql
from tests.support.services.process import HOST, answers, free_port, wait_until

ROOT = Path(__file__).resolve().parent.parent
PROCESSES = 2
CHUNK_BYTES = 65536
ASK = b"GET / HTTP/1.0\r\nHost: localhost\r\n\r\n"


def main(port: int) -> None:
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends what it started, too
    with ExitStack() as stack:
        environment = {
            "METRICS_TOKEN": token_urlsafe(32),
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "demo_project.settings",
            "DATABASE_URL": os.environ.get("DATABASE_URL")
            or stack.enter_context(running(start_postgresql())),
            "REDIS_URL": os.environ.get("REDIS_URL") or stack.enter_context(running(start_redis())),
        }
        manage(environment, "migrate", "--verbosity", "0")
        manage(environment, "seed_demo", "--address", f"{HOST}:{port}")
        ports = [free_port() for _ in range(PROCESSES)]
        for own in ports:
            process = stack.enter_context(shop(environment, own))
            print(f"A process of the shop, on port {own}: kill {process.pid}")
        for own in ports:
            wait_until(partial(answers, own, ASK, b"HTTP"), what="the shop")
        print_addresses(port, environment["METRICS_TOKEN"])
        with suppress(KeyboardInterrupt):
            asyncio.run(balance(port, ports))


def print_addresses(port: int, token: str) -> None:
    site = f"http://{HOST}:{port}"
    print(f"Health: {site}/-/health/live and {site}/-/health/ready")
    print(f"Metrics: curl -H 'Authorization: Bearer {token}' {site}/-/metrics")
    print(f"The shop: {site}/ (each request goes to another process)")


@contextmanager
def running(server: Any) -> Iterator[str]:
    try:
        yield server.url
    finally:
        server.stop()


def manage(environment: dict[str, str], *words: str) -> None:
    command = [sys.executable, "manage.py", *words]
    subprocess.run(command, cwd=ROOT, env=environment, check=True)


@contextmanager
def shop(environment: dict[str, str], port: int) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "manage.py", "runserver", "--noreload", f"{HOST}:{port}"]
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


async def balance(port: int, ports: list[int]) -> None:
    """Pass each request on to the next process; where that one is dead, to another."""
    turn = count()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError):
            head = closing_head(await reader.readuntil(b"\r\n\r\n"))
            number = next(turn)
            for offset in range(len(ports)):
                with suppress(ConnectionRefusedError):
                    address = HOST, ports[(number + offset) % len(ports)]
                    there, here = await asyncio.open_connection(*address)
                    here.write(head)
                    await asyncio.gather(copy(reader, here), answer(there, writer))
                    break
        writer.close()

    server = await asyncio.start_server(serve, HOST, port)
    async with server:
        await server.serve_forever()


async def answer(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    """Pass the response on, and that no other follows on this connection."""
    with suppress(OSError, asyncio.IncompleteReadError):
        target.write(closing_head(await source.readuntil(b"\r\n\r\n")))
    await copy(source, target)


def closing_head(head: bytes) -> bytes:
    """Ask for one response per connection, so that the next request takes its own turn."""
    first, *fields = head.removesuffix(b"\r\n\r\n").split(b"\r\n")
    kept = [line for line in fields if not line.lower().startswith(b"connection:")]
    return b"\r\n".join([first, *kept, b"Connection: close", b"", b""])


async def copy(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    with suppress(OSError):  # whoever sends may be killed
        while data := await source.read(CHUNK_BYTES):
            target.write(data)
            await target.drain()
    target.close()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 8000)
