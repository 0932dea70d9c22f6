"""A session bound to its device, in a real Chromium before two processes and a proxy with TLS."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, expect

from tests.support.bound_browsers import (
    PATIENCE,
    REFRESH,
    REGISTER,
    certificate,
    chromium,
    launch_options,
    lose_proof,
    sign_in,
    who,
)
from tests.support.gateway import Gateway, gateway
from tests.support.processes import ROOT, SERVERS, Site
from tests.support.tls import Certificate

__all__ = ["certificate", "chromium", "launch_options"]  # fixtures

pytestmark = [pytest.mark.browser, pytest.mark.services]

SET_UP = """
import django; django.setup()
from django.core.management import call_command
call_command("migrate", verbosity=0)
from django.contrib.auth.models import User
User.objects.create_user("ann", "ann@example.com", "secret")
User.objects.create_superuser("root", "root@example.com", "secret")
"""


@pytest.fixture
def processes(start_server: Callable[[str], Any]) -> Iterator[Site]:
    """Two processes, with a PostgreSQL and a Redis."""
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "tests.support.bound_served",
        "TEST_DATABASE_URL": start_server("postgresql").url,
        "TEST_REDIS_URL": start_server("redis").url,
    }
    subprocess.run([sys.executable, "-c", SET_UP], cwd=ROOT, env=environment, check=True)
    site = Site(environment, greeted_at="/sync/nothing/")
    try:
        for kind in SERVERS:
            site.start(kind)
        yield site
    finally:
        site.stop()


@pytest.fixture
def passing(processes: Site) -> Gateway:
    return Gateway(processes.ports)


@pytest.fixture
def open_browser(
    chromium: Browser, certificate: Certificate, passing: Gateway
) -> Iterator[Callable[[], BrowserContext]]:
    opened: list[BrowserContext] = []
    with gateway(certificate, passing) as address:

        def make() -> BrowserContext:
            context = chromium.new_context(base_url=address)
            context.set_default_timeout(PATIENCE)
            opened.append(context)
            return context

        yield make
        for context in opened:
            context.close()


def asked(passing: Gateway, path: str) -> list[tuple[int, int]]:
    """Return port and status of each request for a path."""
    return [(port, status) for _, found, port, status in passing.seen if found == path]


def test_bound_at_one_and_proved_at_the_other(
    open_browser: Callable[[], BrowserContext], passing: Gateway
) -> None:
    """Whichever process answers; and what is ended at one has ended at the other."""
    one, other = passing.ports
    passing.choose = lambda path: other if path == REFRESH else one
    context, elsewhere = open_browser(), open_browser()
    page = sign_in(context)
    assert asked(passing, REGISTER) == [(one, 200)]

    lose_proof(context)
    assert who(page) == "ann"
    assert [port for port, _ in asked(passing, REFRESH)] == [other]
    passing.choose = lambda path: other
    assert who(page) == "ann"

    passing.choose = lambda path: one
    second = sign_in(elsewhere)
    second.goto("/account/devices/revoke-others/")
    second.get_by_role("button", name="Sign out everywhere else").click()
    expect(second.get_by_role("heading", name="Devices")).to_be_visible()
    passing.choose = lambda path: other
    assert who(page) == "AnonymousUser"
    lose_proof(context)
    assert who(page) == "AnonymousUser"
    assert who(second) == "ann"


def test_a_thief_is_a_stranger_at_both(
    open_browser: Callable[[], BrowserContext], passing: Gateway
) -> None:
    """All cookies without the proof open nothing at either; the person goes on at both."""
    context, thief = open_browser(), open_browser()
    page = sign_in(context)
    thief.add_cookies(context.cookies())  # type: ignore[arg-type]  # the same facts
    lose_proof(thief)

    assert [who(thief.new_page()) for _ in range(4)] == ["AnonymousUser"] * 4
    assert [who(page) for _ in range(4)] == ["ann"] * 4


def test_a_proxy_that_replaces_and_drops(
    open_browser: Callable[[], BrowserContext], passing: Gateway
) -> None:
    """Pages of a 403 replaced, and the browser's name for its key lost: nobody is signed out."""
    passing.replaces, passing.drops_sent = {403: 403}, ["Sec-Secure-Session-Id"]
    context = open_browser()
    page = sign_in(context)

    for _ in range(3):
        lose_proof(context)
        assert who(page) == "ann"
    assert {status for _, status in asked(passing, REFRESH)} == {200}


def test_the_doctor_finds_both_well(
    processes: Site, certificate: Certificate, passing: Gateway
) -> None:
    """Another process of the site walks through what people's browsers go through."""
    with gateway(certificate, passing) as address:
        said = subprocess.run(
            [
                *(sys.executable, "-m", "django", "sessionsdoctor", "--url", address),
                *("--ca", str(certificate.certificate)),
            ],
            cwd=ROOT,
            env=processes.environment,
            capture_output=True,
            text=True,
            check=False,
        )

    assert (
        f"{address} with a session of root: check 200, registration 200, first refresh 403, "
        "refresh 200, end 200"
    ) in said.stdout
    assert "lost" not in said.stdout
