"""
One stack in a process of its own: answers orders, one JSON object a line.

``{"run": "read", "count": 200}`` is answered by ``{"seconds": …, "cpu": …}``; ``"count": 1`` with
``"counted": true`` by what one request takes: SQL statements, transactions that wrote, cache
commands, and calls of Python functions.
"""

from __future__ import annotations

import asyncio
import importlib.metadata
import io
import json
import sys
import threading
import time
import types
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from http.cookies import SimpleCookie
from typing import Any

import django
from django.conf import settings

from benchmarks.calls import counted_calls
from benchmarks.stacks import STACKS, settings_for

BOGUS = "A" * 76

# The other stacks had the machine meanwhile: its caches hold their code and data.
WARM_UP = 8


class Site:
    """The site of one stack, asked through its whole handler with one browser's cookies."""

    def __init__(self) -> None:
        from django.core.handlers.asgi import ASGIHandler
        from django.core.handlers.wsgi import WSGIHandler

        self.wsgi, self.asgi = WSGIHandler(), ASGIHandler()
        self.cookies: dict[str, str] = {}
        self.loop = asyncio.new_event_loop()

    def header(self) -> str:
        return "; ".join(f"{name}={value}" for name, value in self.cookies.items())

    def get(self, path: str, cookie: str | None = None) -> None:
        headers: list[tuple[str, str]] = []

        def start(status: str, found: list[tuple[str, str]], *_: object) -> None:
            if not status.startswith("200"):
                raise RuntimeError(f"{path} answered {status}")
            headers.extend(found)

        response = self.wsgi(self._environ(path, cookie), start)  # type: ignore[arg-type]
        b"".join(response)
        response.close()
        if cookie is None:
            self.take_cookies(value for name, value in headers if name == "Set-Cookie")

    def take_cookies(self, lines: Any) -> None:
        for line in lines:
            for name, morsel in SimpleCookie(line).items():
                self.cookies[name] = morsel.value

    def _environ(self, path: str, cookie: str | None) -> dict[str, Any]:
        return {
            "REQUEST_METHOD": "GET",
            "PATH_INFO": f"/{path}",
            "QUERY_STRING": "",
            "SERVER_NAME": "localhost",
            "SERVER_PORT": "80",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "REMOTE_ADDR": "192.0.2.1",
            "HTTP_USER_AGENT": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Firefox/140.0",
            "HTTP_COOKIE": self.header() if cookie is None else cookie,
            "wsgi.input": io.BytesIO(),
            "wsgi.errors": sys.stderr,
            "wsgi.url_scheme": "http",
            "wsgi.version": (1, 0),
            "wsgi.multithread": False,
            "wsgi.multiprocess": True,
            "wsgi.run_once": False,
        }

    async def aget(self, path: str) -> None:
        scope = {
            "type": "http",
            "http_version": "1.1",
            "method": "GET",
            "path": f"/{path}",
            "raw_path": f"/{path}".encode(),
            "query_string": b"",
            "headers": [
                (b"host", b"localhost"),
                (b"user-agent", b"Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Firefox/140.0"),
                (b"cookie", self.header().encode()),
            ],
            "client": ("192.0.2.1", 1234),
            "server": ("localhost", 80),
        }
        asked = False

        async def receive() -> dict[str, Any]:
            nonlocal asked
            if asked:
                await asyncio.sleep(3600)
            asked = True
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: dict[str, Any]) -> None:
            if message.get("status", 200) != 200:
                raise RuntimeError(f"{path} answered {message['status']}")

        await self.asgi(scope, receive, send)  # type: ignore[arg-type]


@dataclass(frozen=True)
class Scenario:
    """A request to measure, and what has to happen before each, unmeasured."""

    act: Callable[[], None]
    before: Callable[[], None] | None = None

    def measure(self, count: int) -> dict[str, float]:
        """Return what ``count`` requests took, once the caches are warm again, in seconds."""
        for _ in range(WARM_UP):
            if self.before is not None:
                self.before()
            self.act()
        total = cpu = 0.0
        # One clock for all of them where nothing is to be left out.
        at_once = count if self.before is None else 1
        for _ in range(count // at_once):
            if self.before is not None:
                self.before()
            start, cpu_start = time.perf_counter(), time.process_time()
            for _ in range(at_once):
                self.act()
            total += time.perf_counter() - start
            cpu += time.process_time() - cpu_start
        return {"seconds": total, "cpu": cpu}


def scenarios(site: Site) -> dict[str, Scenario]:
    """What can be measured."""
    name = settings.SESSION_COOKIE_NAME

    def sign_out() -> None:
        site.get("sign-out")
        site.cookies.pop(name, None)

    def lose_cookie() -> None:
        site.cookies.pop(name, None)

    def come_anew() -> None:
        site.cookies.clear()

    def sign_in() -> None:
        site.get("sign-in")

    return {
        "ignored": Scenario(lambda: site.get("nothing")),
        "read": Scenario(lambda: site.get("read")),
        "write": Scenario(lambda: site.get("write")),
        "find user": Scenario(lambda: site.get("find-user")),
        # A known browser after a sign-out, one that lost its session's cookie alone, and a new one.
        "sign-in": Scenario(sign_in, before=sign_out),
        "sign-in again": Scenario(sign_in, before=lose_cookie),
        "sign-in anew": Scenario(sign_in, before=come_anew),
        "bogus": Scenario(lambda: site.get("read", cookie=f"{name}={BOGUS}")),
    }


def async_scenarios(site: Site) -> dict[str, Callable[[], Coroutine[Any, Any, None]]]:
    return {
        "asgi ignored": lambda: site.aget("anothing"),
        "asgi read": lambda: site.aget("aread"),
    }


class Counter:
    """Counts what runs inside it: statements, transactions, cache commands, Python's calls."""

    def __init__(self) -> None:
        import redis

        self.redis = redis.Redis.from_url(settings.CACHES["default"]["LOCATION"])
        self.statements = 0

    def commands(self) -> int:
        stats: Any = self.redis.info("commandstats")
        ignored = ("cmdstat_info", "cmdstat_client", "cmdstat_select", "cmdstat_hello")
        return sum(value["calls"] for key, value in stats.items() if not key.startswith(ignored))

    def connections(self) -> int:
        stats: Any = self.redis.info("stats")
        return int(stats["total_connections_received"])

    def transactions(self) -> int:
        """Return how many have written so far: each waits once for the disk."""
        from django.db import connection

        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint")
            return int(cursor.fetchone()[0])

    def calls(self, act: Callable[[], object]) -> int:
        with counted_calls() as calls:
            act()
        return calls.count

    def count(self, act: Callable[[], object]) -> dict[str, int]:
        from django.db.backends.utils import CursorWrapper

        original = CursorWrapper.execute

        def counted(cursor: Any, sql: Any, params: Any = None) -> Any:
            self.statements += 1
            return original(cursor, sql, params)

        CursorWrapper.execute = counted  # type: ignore[method-assign,assignment]
        try:
            written = self.transactions()
            commands, connections, before = self.commands(), self.connections(), self.statements
            calls = self.calls(act)
            sql = self.statements - before
            return {
                "sql": sql,
                "flushes": self.transactions() - written,
                "calls": calls,
                "cache": self.commands() - commands,
                "connections": self.connections() - connections,
            }
        finally:
            CursorWrapper.execute = original  # type: ignore[method-assign]


def lost_updates(rounds: int) -> int:
    """Let two threads write different keys of one session at once; return how many were lost."""
    from importlib import import_module

    from django.db import connections

    store_class: Any = import_module(settings.SESSION_ENGINE).SessionStore
    lost = 0

    def write(key: str, name: str, barrier: threading.Barrier) -> None:
        store = store_class(session_key=key)
        store.get(name)
        barrier.wait()
        store[name] = 1
        store.save()
        connections.close_all()

    for _ in range(rounds):
        first = store_class()
        first["start"] = 1
        first.save()
        barrier = threading.Barrier(2)
        threads = [
            threading.Thread(target=write, args=(first.session_key, name, barrier))
            for name in ("one", "other")
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        after = store_class(session_key=first.session_key)
        lost += sum(after.get(name) != 1 for name in ("one", "other"))
    return lost


def revoke_races(rounds: int) -> int:
    """
    Read a session that is in no cache while it is ended; return how often it came back.

    The reader is held for some milliseconds between reading the row and storing its
    copy, as a busy machine would hold it.
    """
    from importlib import import_module

    from django.contrib.auth import get_user_model
    from django.core.cache import cache
    from django.db import connections

    store_class: Any = import_module(settings.SESSION_ENGINE).SessionStore
    user = get_user_model()._default_manager.get(username="ann")
    came_back = 0

    def read(key: str, seed: int) -> None:
        time.sleep(seed % 7 / 2000)
        store_class(session_key=key).get("start")
        connections.close_all()

    for number in range(rounds):
        store = store_class()
        store["start"] = 1
        store["_auth_user_id"] = str(user.pk)
        store.save()
        cache.clear()
        readers = [
            threading.Thread(target=read, args=(store.session_key, number + seed))
            for seed in range(4)
        ]
        for reader in readers:
            reader.start()
        time.sleep(0.001)
        store_class(session_key=store.session_key).delete(store.session_key)
        for reader in readers:
            reader.join()
        came_back += store_class(session_key=store.session_key).get("start") == 1
    return came_back


def stand_in_for_pkg_resources() -> None:
    """django-user-sessions asks it for its own version; setuptools no longer brings it."""
    module: Any = types.ModuleType("pkg_resources")
    module.DistributionNotFound = LookupError
    module.get_distribution = importlib.metadata.distribution
    sys.modules.setdefault("pkg_resources", module)


def prepare(stack_name: str, database: dict[str, Any], redis_url: str) -> Site:
    settings.configure(**settings_for(STACKS[stack_name], database=database, redis_url=redis_url))
    stand_in_for_pkg_resources()
    django.setup()
    from django.contrib.auth import get_user_model
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    users = get_user_model()._default_manager
    if not users.filter(username="ann").exists():
        # Without an address: of a new device nobody but us tells people by mail.
        users.create_user("ann", password="a password")
    site = Site()
    if STACKS[stack_name].keeps_sessions:
        site.get("sign-in")
    return site


def obey(site: Site, order: dict[str, Any]) -> dict[str, Any]:
    name, count = order["run"], order.get("count", 1)
    if name == "lost updates":
        return {"lost": lost_updates(count)}
    if name == "revoke races":
        return {"came_back": revoke_races(count)}
    if name.startswith("asgi"):
        ask = async_scenarios(site)[name]

        async def repeat() -> None:
            for _ in range(count):
                await ask()

        def act() -> None:
            site.loop.run_until_complete(repeat())

        return Counter().count(act) if order.get("counted") else Scenario(act).measure(1)
    scenario = scenarios(site)[name]
    if order.get("counted"):
        if scenario.before is not None:
            scenario.before()
        return Counter().count(scenario.act)
    return dict(scenario.measure(count))


def main() -> None:
    order = json.loads(sys.stdin.readline())
    site = prepare(order["stack"], order["database"], order["redis_url"])
    print(json.dumps({"ready": True}), flush=True)
    for line in sys.stdin:
        print(json.dumps(obey(site, json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
