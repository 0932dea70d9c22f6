"""
What a request costs on which a session's activity is near, beside one that merely reads it.

``python -m benchmarks.ahead [--turns N] [--count N]``. A PostgreSQL and a Redis are thrown away
afterwards. The middleware alone, on Redis; the touches wait for their thread, which is given none
of the time measured. The kinds of request take turns; the calls of Python functions are exact.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import django
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory

from benchmarks.calls import counted_calls
from benchmarks.stacks import STACKS, settings_for
from tests.support.databases import from_url
from tests.support.services.caches import start_redis
from tests.support.services.databases import start_postgresql

INTERVAL = timedelta(hours=2)
AGES = {"read": timedelta(0), "read, activity near": INTERVAL * 0.6}
AGENT = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"

Act = Callable[[], None]


def view(request: HttpRequest) -> HttpResponse:
    return HttpResponse(request.session["cart"][0])


def signed_in(age: timedelta) -> str:
    """Return the key of a session with a last activity that long ago, in whose cache it is."""
    from django.contrib.auth import get_user_model
    from django.utils import timezone

    from sessions_plus.backends.cached_db import SessionStore
    from sessions_plus.cache import copies
    from sessions_plus.client_info import ClientInfo
    from sessions_plus.models import Session

    user = get_user_model()._default_manager.create(username=str(age))
    store = SessionStore()
    store.client = ClientInfo.of(ip_address="127.0.0.1", user_agent=AGENT)
    store["_auth_user_id"], store["cart"] = str(user.pk), ["figs"] * 20
    store.save()
    assert store.row is not None
    rows = Session._base_manager.filter(public_id=store.row.public_id)
    rows.update(last_activity=timezone.now() - age)
    copies.outdate(store.row.public_id)
    return str(store.session_key)


def asking(key: str) -> Act:
    """Return one request with that session."""
    from sessions_plus.middleware import SessionMiddleware

    handle = SessionMiddleware(view)

    def act() -> None:
        request = request_with(key)
        response = handle(request)
        assert isinstance(response, HttpResponse)
        response.close()

    return act


def without_session() -> None:
    request_with("")
    HttpResponse("figs").close()


def request_with(key: str) -> HttpRequest:
    request: HttpRequest = RequestFactory().get("/", headers={"user-agent": AGENT})
    request.COOKIES["sessionid"] = key
    return request


def measure(kinds: dict[str, Act], *, turns: int, count: int) -> dict[str, dict[str, float]]:
    """
    Return for each kind: µs of CPU, the least and the median of all turns, and calls.

    What waits is forgotten after each request, else only the first of many would leave a touch.
    """
    from sessions_plus.store import ahead

    waiting = ahead.waiting._touches
    cpu: dict[str, list[float]] = {name: [] for name in kinds}
    for _ in range(turns):
        for name, act in kinds.items():
            act()
            began = time.thread_time()
            for _ in range(count):
                act()
                waiting.clear()
            cpu[name].append((time.thread_time() - began) / count * 1e6)
    return {
        name: {
            "least": min(cpu[name]),
            "median": statistics.median(cpu[name]),
            "calls": calls_of(act, waiting),
        }
        for name, act in kinds.items()
    }


def calls_of(act: Act, waiting: dict[Any, Any]) -> float:
    waiting.clear()
    with counted_calls() as calls:
        act()
    return calls.count


def report(found: dict[str, dict[str, Any]]) -> list[str]:
    """Return a table, with what each takes over a request without a session, to that of a read."""
    nothing, read = found["no session"], found["read"]
    lines = ["CPU of one request, µs    least   ratio  median   ratio   calls"]
    for name, figures in found.items():
        columns = [f"{name:24s}"]
        for key in ("least", "median"):
            ratio = (figures[key] - nothing[key]) / (read[key] - nothing[key])
            columns.append(f"{figures[key]:7.1f} {ratio:7.2f}")
        lines.append(" ".join([*columns, f"{figures['calls'] - nothing['calls']:7.0f}"]))
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--turns", type=int, default=40)
    parser.add_argument("--count", type=int, default=200, help="requests a turn")
    options = parser.parse_args()
    server, redis = start_postgresql(), start_redis()
    try:
        configured = settings_for(
            STACKS["ours cached_db"], database=from_url(server.url), redis_url=redis.url
        )
        settings.configure(**configured, SESSIONS_PLUS_ACTIVITY_INTERVAL=INTERVAL)
        django.setup()
        from django.core.management import call_command

        from sessions_plus.store import ahead

        call_command("migrate", verbosity=0)
        kinds: dict[str, Act] = {"no session": without_session}
        kinds |= {name: asking(signed_in(age)) for name, age in AGES.items()}
        ahead.GATHERING_SECONDS = 3600.0
        print(*report(measure(kinds, turns=options.turns, count=options.count)), sep="\n")
        assert len(ahead.waiting) == 1, "no touch was left to the thread"
        ahead.waiting.drain()
    finally:
        redis.stop()
        server.stop()


if __name__ == "__main__":
    main()
