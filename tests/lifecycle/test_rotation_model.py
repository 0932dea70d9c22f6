"""
A browser with parallel tabs, slow views, late and lost responses, and thieves, on a simulated
clock: rotation signs nobody out, and finds out whoever copied a key.

The real engine and middleware serve; only clock and network are made up. After the model of
refresh rotation that SuperTokens, Supabase and others were compared with.
"""

from __future__ import annotations

import heapq
import random
from collections import defaultdict
from collections.abc import Callable, Iterator
from datetime import timedelta
from itertools import count
from typing import Any

import pytest
import time_machine
from django.contrib.auth import login
from django.contrib.auth.models import User
from django.core.cache import caches
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory, override_settings

from sessions_plus.cache import copies
from sessions_plus.middleware import SessionMiddleware
from sessions_plus.models import Session, SessionEvent
from tests.support.moments import START

pytestmark = pytest.mark.django_db(transaction=True)

INTERVAL = 900.0
KEY = "sessionid"
BACKEND = "django.contrib.auth.backends.ModelBackend"

Cookies = dict[str, str]


class Site:
    """The middleware, asked in two steps, so that requests can overlap."""

    def __init__(self) -> None:
        self.middleware = SessionMiddleware(lambda request: HttpResponse())
        self.successors: dict[str, set[str]] = defaultdict(set)

    def begin(self, cookies: Cookies, *, writes: bool = False) -> tuple[HttpRequest, bool]:
        """Let a request in; return it and whether it is signed in."""
        request = RequestFactory().get("/")
        request.COOKIES = dict(cookies)
        self.middleware.process_request(request)
        is_signed_in = "_auth_user_id" in request.session
        if writes and is_signed_in:
            request.session["count"] = request.session.get("count", 0) + 1
        return request, is_signed_in

    def end(self, request: HttpRequest) -> Cookies:
        """Answer a request; return the cookies that it sets."""
        response = self.middleware.process_response(request, HttpResponse())
        told = {name: morsel.value for name, morsel in response.cookies.items()}
        old, new = request.COOKIES.get(KEY), told.get(KEY)
        if old and new and old != new:
            self.successors[old].add(new)
        return told

    def sign_in(self, user: User) -> Cookies:
        request, _ = self.begin({})
        login(request, user, backend=BACKEND)
        return self.end(request)


class World:
    """Events in the order of their time, with the clock set to each."""

    def __init__(self, clock: Any) -> None:
        self.clock = clock
        self.now = 0.0
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._order = count()

    def at(self, moment: float, act: Callable[[], None]) -> None:
        heapq.heappush(self._events, (moment, next(self._order), act))

    def run(self) -> None:
        while self._events:
            self.now, _, act = heapq.heappop(self._events)
            self.clock.move_to(START + timedelta(seconds=self.now))
            act()


class Person:
    """A browser with one jar of cookies and several tabs."""

    def __init__(self, world: World, site: Site, rng: random.Random, jar: Cookies) -> None:
        self.world, self.site, self.rng, self.jar = world, site, rng, jar
        self.requests = 0
        self.signed_out_at: float | None = None

    def send(self, *, loss: float = 0.0, slow: float = 0.0, late: float = 0.0) -> None:
        request, is_signed_in = self.site.begin(self.jar, writes=self.rng.random() < 0.3)
        self.requests += 1
        if not is_signed_in and self.signed_out_at is None:
            self.signed_out_at = self.world.now
        takes = self.rng.expovariate(1 / 0.1)
        if self.rng.random() < slow:
            takes = self.rng.uniform(20, 120)
        is_lost = self.rng.random() < loss

        def answer() -> None:
            told = self.site.end(request)
            if not is_lost:
                delay = self.rng.expovariate(1 / 0.3)
                if self.rng.random() < late:
                    delay = self.rng.uniform(5, 25)
                self.world.at(self.world.now + delay, lambda: self.take(told))

        self.world.at(self.world.now + takes, answer)

    def take(self, told: Cookies) -> None:
        for name, value in told.items():
            if value:
                self.jar[name] = value
            else:
                self.jar.pop(name, None)

    def live(self, hours: float, **troubles: float) -> None:
        """Plan bursts of requests from one to four tabs, with pauses short and long."""
        moment = 60.0
        while moment < hours * 3600:
            for _ in range(self.rng.randint(1, 4)):
                for _ in range(self.rng.randint(1, 3)):
                    when = moment + self.rng.uniform(0, 2.0)
                    self.world.at(when, lambda: self.send(**troubles))
            pause = self.rng.choice(
                [5, 20, 31, 60, 300, INTERVAL, INTERVAL, 2 * INTERVAL, 4 * 3600]
            )
            moment += pause * self.rng.uniform(0.9, 1.1)


@pytest.fixture(autouse=True)
def _limits() -> Iterator[None]:
    caches["default"].clear()
    with override_settings(SESSIONS_PLUS_ROTATION_INTERVAL=timedelta(seconds=INTERVAL)):
        yield


@pytest.fixture
def world() -> Iterator[World]:
    with time_machine.travel(START, tick=False) as clock:
        yield World(clock)
    copies.reset()  # it noted when it began


@pytest.mark.parametrize(
    "troubles",
    [
        pytest.param({}, id="parallel tabs"),
        pytest.param({"loss": 0.1}, id="lost responses"),
        pytest.param({"slow": 0.1}, id="slow views"),
        pytest.param({"late": 0.2}, id="late responses"),
        pytest.param({"loss": 0.05, "slow": 0.05, "late": 0.1}, id="all at once"),
    ],
)
def test_nobody_is_signed_out(
    engine: str, user: User, world: World, troubles: dict[str, float]
) -> None:
    """In days of use, whatever is late or lost, a person stays in and a key has one successor."""
    site = Site()
    person = Person(world, site, random.Random(7), site.sign_in(user))

    person.live(hours=96, **troubles)
    world.run()

    assert person.signed_out_at is None
    assert Session.objects.get().revoked_at is None
    assert person.requests > 500
    assert len(site.successors) > 40
    assert {len(told) for told in site.successors.values()} == {1}
    assert not SessionEvent.objects.filter(event="key.reused").exists()


@pytest.mark.parametrize(
    ("has_device", "pace"),
    [
        pytest.param(False, 700.0, id="key alone"),
        pytest.param(True, 700.0, id="all cookies"),
        pytest.param(False, None, id="key alone, right behind its owner"),
    ],
)
@pytest.mark.parametrize("seed", range(5))
def test_thief_is_found_out(
    engine: str, user: User, world: World, has_device: bool, pace: float | None, seed: int
) -> None:
    """Whoever copied a key and goes on using it ends the session, within a few intervals."""
    site = Site()
    rng = random.Random(seed)
    person = Person(world, site, rng, site.sign_in(user))
    thief = Person(world, site, rng, {})
    stolen_at = rng.uniform(1, 5) * INTERVAL

    def steal() -> None:
        thief.jar = {
            name: value for name, value in person.jar.items() if has_device or name != "device"
        }

    def follow() -> None:
        if thief.jar:
            thief.send()

    moment = 60.0
    while moment < 24 * INTERVAL:
        world.at(moment, person.send)
        world.at(moment + 2, person.send)  # what the page loads
        if pace is None:
            world.at(moment + 5, follow)
        moment += INTERVAL * rng.uniform(0.4, 1.1)
    world.at(stolen_at, steal)
    if pace is not None:
        for step in range(1, 20):
            world.at(stolen_at + step * pace, follow)
    world.run()

    session = Session.objects.get()
    assert session.revoked_reason == "key_reused"
    assert session.revoked_at is not None
    ended = (session.revoked_at - START).total_seconds()
    assert ended - stolen_at < 5 * INTERVAL
