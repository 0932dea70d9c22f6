"""
What one GET costs an event loop: by redis-py's asyncio client, and on our pipelined connection.

``python -m benchmarks.async_reads [--turns N] [--count N]``. A Redis is thrown away afterwards.
Both ways take turns in one process, one GET after the other and many at once; the calls of
Python functions are exact.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable

from benchmarks.calls import counted_calls
from sessions_plus.cache.drivers.redis_clients import Configuration
from sessions_plus.cache.drivers.redis_loops import LoopClient, PipelinedClient, PooledClient
from tests.support.services.caches import start_redis
from tests.support.services.process import HOST

AT_ONCE = 50
NAME = "floor"


Act = Callable[["Way", int], Awaitable[None]]


class Way:
    """One way to ask, and what each turn of it took, in microseconds for a command."""

    def __init__(self, client: LoopClient) -> None:
        self.ask = client.ask
        self.wall: list[float] = []
        self.cpu: list[float] = []

    async def measure(self, act: Act, count: int) -> None:
        await act(self, count // 10)  # warm again, after the other's turn
        wall, cpu = time.perf_counter(), time.process_time()
        await act(self, count)
        self.wall.append((time.perf_counter() - wall) / count * 1e6)
        self.cpu.append((time.process_time() - cpu) / count * 1e6)


async def one_by_one(way: Way, count: int) -> None:
    for _ in range(count):
        await way.ask("GET", NAME)


async def many_at_once(way: Way, count: int) -> None:
    for _ in range(max(1, count // AT_ONCE)):
        await asyncio.gather(*(way.ask("GET", NAME) for _ in range(AT_ONCE)))


async def calls_of(way: Way, act: Act, count: int = 100) -> float:
    """Return how many Python functions one command calls, the loop's own among them."""
    with counted_calls() as calls:
        await act(way, count)
    return calls.count / count


async def report(port: int, turns: int, count: int) -> list[str]:
    configuration = Configuration("Redis", {"host": HOST, "port": port})
    clients: dict[str, LoopClient] = {
        "redis-py": PooledClient(configuration.async_client(), 5.0),
        "pipelined": PipelinedClient(configuration.async_client(), 5.0),
    }
    for client in clients.values():
        await client.open()
    await clients["redis-py"].ask("SET", NAME, b"x" * 900)
    columns = ("wall, median", "CPU, least", "CPU, median", "calls")
    lines = [" ".join(["µs of one GET".ljust(28), *(f"{column:>12s}" for column in columns)])]
    for act in (one_by_one, many_at_once):
        ways = {name: Way(client) for name, client in clients.items()}
        for _ in range(turns):
            for way in ways.values():
                await way.measure(act, count)
        for name, way in ways.items():
            title = f"{name}, {act.__name__.replace('_', ' ')}"
            wall, least, cpu = statistics.median(way.wall), min(way.cpu), statistics.median(way.cpu)
            calls = await calls_of(way, act)
            lines.append(f"{title:28s} {wall:12.1f} {least:12.1f} {cpu:12.1f} {calls:12.0f}")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--turns", type=int, default=40)
    parser.add_argument("--count", type=int, default=500, help="commands a turn")
    options = parser.parse_args()
    redis = start_redis()
    try:
        print(*asyncio.run(report(redis.port, options.turns, options.count)), sep="\n")
    finally:
        redis.stop()


if __name__ == "__main__":
    main()
