"""
Old and new code as two processes, with one database and the same browsers, while a site moves in.

The old one has nothing of ours; the new one has the lines of ``docs/migrating.md``.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import httpx
import psycopg
import pytest

from tests.support.processes import ROOT, Site
from tests.support.services.process import HOST, PATIENCE_SECONDS, Server

pytestmark = pytest.mark.services

PEOPLE = [f"p{number}" for number in range(6)]
PASSWORD = "a good long phrase"
TOKEN = "a" * 32  # of CSRF: what a browser sends twice
AT_ONCE = 8

DJANGOS, OURS = "django.contrib.sessions.backends", "sessions_plus.backends"
MOVES = [
    (f"{DJANGOS}.db", f"{OURS}.cached_db"),
    (f"{DJANGOS}.cached_db", f"{OURS}.cached_db"),
    (f"{DJANGOS}.cache", f"{OURS}.db"),
    (f"{DJANGOS}.signed_cookies", f"{OURS}.db"),
]
MAKE_PEOPLE = f"""
from django.contrib.auth.models import User
for name in {PEOPLE!r}:
    User.objects.create_user(name, password={PASSWORD!r})
"""
COUNT = """
from sessions_plus.models import Device, Session
print(Session.objects.active().exclude(user=None).count(), Device.objects.count())
"""


class Shop:
    """The shop's database and cache, and the processes of its old and its new code."""

    def __init__(self, environment: dict[str, str]) -> None:
        self.environment = environment
        self.started: list[Site] = []

    def of(self, code: str, **more: str) -> dict[str, str]:
        settings = {"DJANGO_SETTINGS_MODULE": f"tests.moving.shop.{code}"}
        return {**os.environ, **self.environment, **settings, **more}

    def manage(self, code: str, *words: str) -> str:
        command = [sys.executable, "-m", "django", *words]
        done = subprocess.run(
            command, cwd=ROOT, env=self.of(code), check=True, stdout=subprocess.PIPE, text=True
        )
        return done.stdout

    def serve(self, code: str, **more: str) -> Site:
        site = Site(self.of(code, **more), greeted_at="/who/")
        self.started.append(site)
        site.start("threads")
        return site

    def stop(self) -> None:
        for site in self.started:
            site.stop()


class Browser:
    """One person's browser: whichever process it meets, it shows all cookies it was given."""

    def __init__(self, name: str) -> None:
        self.name, self.cart = name, f"tea for {name}"
        self.client = httpx.Client(timeout=PATIENCE_SECONDS)
        self.client.cookies.set("csrftoken", TOKEN, domain=HOST)

    def post(self, site: Site, path: str, **fields: str) -> None:
        token = self.client.cookies["csrftoken"]
        address = f"{site.addresses[0]}/{path}/"
        response = self.client.post(address, data={**fields, "csrfmiddlewaretoken": token})
        assert response.status_code == 302, response.text

    def sign_in(self, site: Site) -> None:
        self.post(site, "login", username=self.name, password=PASSWORD)

    def sign_out(self, site: Site) -> None:
        self.post(site, "logout")

    def ask(self, site: Site) -> dict[str, Any]:
        return site.get(self.client, "who")

    def ask_at_once(self, sites: list[Site]) -> set[str]:
        """Ask from tabs of the same browser, all at once; return whom they showed."""

        def one(number: int) -> str:
            with httpx.Client(timeout=PATIENCE_SECONDS, cookies=self.client.cookies) as tab:
                return str(sites[number % len(sites)].get(tab, "who")["user"])

        with ThreadPoolExecutor(AT_ONCE) as pool:
            return set(pool.map(one, range(AT_ONCE)))


@pytest.fixture
def database(postgresql_server: Server) -> Iterator[str]:
    """A database of the test's own, on the server that all tests share."""
    name = f"shop_{uuid4().hex}"
    with psycopg.connect(postgresql_server.url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
        yield f"{postgresql_server.url.rpartition('/')[0]}/{name}"
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def move() -> tuple[str, str]:
    """From which engine to which."""
    return MOVES[0]


@pytest.fixture
def shop(move: tuple[str, str], database: str, redis_server: Server) -> Iterator[Shop]:
    old_engine, new_engine = move
    shop = Shop(
        {
            "SHOP_DATABASE": database,
            "SHOP_REDIS": redis_server.url,
            "SHOP_OLD_ENGINE": old_engine,
            "SHOP_NEW_ENGINE": new_engine,
        }
    )
    shop.manage("before", "migrate", "--verbosity", "0")
    shop.manage("before", "shell", "--verbosity", "0", "--command", MAKE_PEOPLE)
    try:
        yield shop
    finally:
        shop.stop()


@pytest.fixture
def browsers() -> Iterator[list[Browser]]:
    browsers = [Browser(name) for name in PEOPLE]
    yield browsers
    for browser in browsers:
        browser.client.close()


@pytest.mark.parametrize(
    "move", MOVES, ids=lambda move: " to ".join(path.rpartition(".")[2] for path in move)
)
def test_nobody_is_signed_out(shop: Shop, browsers: list[Browser]) -> None:
    """
    Before, during and after: every answer is of the same person.

    Some come to the old process first and some to the new one; some with all tabs at once;
    somebody signs in meanwhile. In the end there is one session and one device each.
    """
    *there, late = browsers
    old = shop.serve("before")
    for browser in there:
        browser.sign_in(old)
        old.get(browser.client, "fill", what=browser.cart)

    shop.manage("after", "migrate", "--verbosity", "0")
    new = shop.serve("after")
    for turn in range(6):
        for number, browser in enumerate(there):
            asked = (old, new)[(turn + number) % 2]
            assert browser.ask(asked) == {"user": browser.name, "cart": browser.cart}
    assert all(each.ask_at_once([old, new]) == {each.name} for each in there)
    late.sign_in(old)
    assert [late.ask(site)["user"] for site in (new, old, new)] == [late.name] * 3

    old.stop()
    assert all(each.ask_at_once([new]) == {each.name} for each in browsers)
    new.stop()
    alone = shop.serve("after", SHOP_IS_MOVED="1")
    for browser in there:
        assert browser.ask(alone) == {"user": browser.name, "cart": browser.cart}
        assert "sessionid" not in browser.client.cookies
    counted = shop.manage("after", "shell", "--verbosity", "0", "--command", COUNT)
    assert counted.split() == [str(len(PEOPLE))] * 2


def test_signing_in_and_out_meanwhile(shop: Shop, browsers: list[Browser]) -> None:
    """
    Whoever signs out by either code is signed out by both.

    Who signs in by the new one is known there alone, and known to both once they sign in by the
    old one.
    """
    ann, ben, cleo, *_ = browsers
    old = shop.serve("before")
    ann.sign_in(old)
    ben.sign_in(old)
    shop.manage("after", "migrate", "--verbosity", "0")
    new = shop.serve("after")
    assert (ann.ask(new)["user"], ben.ask(new)["user"]) == (ann.name, ben.name)

    ann.sign_out(new)
    ben.sign_out(old)

    for browser in (ann, ben):
        assert [browser.ask(site)["user"] for site in (new, old, new)] == [""] * 3

    cleo.sign_in(new)
    assert [cleo.ask(site)["user"] for site in (new, old, new)] == [cleo.name, "", cleo.name]
    cleo.sign_in(old)
    assert [cleo.ask(site)["user"] for site in (new, old)] == [cleo.name] * 2


def test_signing_in_by_the_old_one_meanwhile(shop: Shop, browsers: list[Browser]) -> None:
    """
    Whoever signs in there is that person here, too, whatever was taken over before.

    A visitor with a cart; the same person once more; and another one in the same browser.
    """
    visitor, ann, ben, *_ = browsers
    old = shop.serve("before")
    ann.sign_in(old)
    old.get(visitor.client, "fill", what=visitor.cart)
    shop.manage("after", "migrate", "--verbosity", "0")
    new = shop.serve("after")
    assert visitor.ask(new) == {"user": "", "cart": visitor.cart}
    assert ann.ask(new)["user"] == ann.name

    visitor.sign_in(old)
    ann.sign_in(old)
    for browser in (visitor, ann):
        assert [browser.ask(site)["user"] for site in (new, old, new)] == [browser.name] * 3
    assert visitor.ask(new)["cart"] == visitor.cart
    ann.name = ben.name
    ann.sign_in(old)
    assert [ann.ask(site)["user"] for site in (new, old, new)] == [ben.name] * 3
