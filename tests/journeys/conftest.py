"""The demo shop, served as a newcomer would, and people who visit it in real browsers."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from tests.journeys.visitor import Visitor
from tests.support.demo import PASSWORD, ROOT, Demo
from tests.support.services.process import Server, new_directory

# Not how long anything takes, but when to give up: the machine may have other work.
PATIENCE_MS = 20_000

expect.set_options(timeout=PATIENCE_MS)

MAKE_ACCOUNTS = """
from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import User
password = make_password("{password}")
User.objects.bulk_create(User(username=f"visitor{{n}}", password=password) for n in range(60))
"""


@pytest.fixture(scope="session")
def demo() -> Iterator[Demo]:
    """The demo with its people and their past, not served."""
    demo = Demo(new_directory())
    demo.set_up()
    yield demo
    shutil.rmtree(demo.directory)


@pytest.fixture(scope="session")
def shop(demo: Demo) -> Iterator[Server]:
    """The demo as ``manage.py runserver`` serves it; ``url`` is its address."""
    directory = new_directory()
    shutil.copytree(demo.directory, directory, dirs_exist_ok=True)
    demo = Demo(directory, settings="tests.journeys.settings")
    made = demo.manage("shell", "-c", MAKE_ACCOUNTS.format(password=PASSWORD))
    assert made.returncode == 0, made.stderr
    server = demo.serve(ROOT / "manage.py", "runserver", "--noreload")
    yield server
    server.stop()
    shutil.rmtree(directory)


@pytest.fixture(scope="session")
def accounts() -> Iterator[str]:
    """Names of accounts that nobody has used."""
    return (f"visitor{number}" for number in range(60))


@pytest.fixture
def person(accounts: Iterator[str]) -> str:
    """An account of the test's own."""
    return next(accounts)


@pytest.fixture
def visit(shop: Server, browser: Browser) -> Iterator[Callable[..., Visitor]]:
    """
    Open a browser with an empty profile, as on another device.

    Whatever it was told by the pages' own code or refused by their policy fails the test.
    """
    visitors: list[Visitor] = []

    def open_browser(**options: Any) -> Visitor:
        context = browser.new_context(**{"base_url": shop.url} | options)
        context.set_default_timeout(PATIENCE_MS)
        visitors.append(Visitor(context.new_page(), PASSWORD))
        return visitors[-1]

    yield open_browser
    for visitor in visitors:
        visitor.page.context.close()
    assert [complaint for visitor in visitors for complaint in visitor.complaints] == []


@pytest.fixture(params=[True, False], ids=["scripts", "no scripts"])
def scripts(request: pytest.FixtureRequest) -> dict[str, bool]:
    """Options of a browser that runs JavaScript, and of one that does not."""
    return {"java_script_enabled": request.param}
