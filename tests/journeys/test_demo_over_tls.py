"""`make demo-tls`: a browser started as it is told binds its session to its device."""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from playwright.sync_api import BrowserType, expect

from tests.support.bound_browsers import PATIENCE, lose_proof, proof_of
from tests.support.demo import PASSWORD, Demo, told_by
from tests.support.services.process import free_port, wait_until

pytestmark = pytest.mark.browser


@dataclass
class Told:
    """What the command prints: the address, and the arguments of a browser."""

    address: str
    arguments: list[str]


@pytest.fixture
def told(demo: Demo) -> Iterator[Told]:
    environment = {**os.environ, **demo.environment}
    environment["DJANGO_SETTINGS_MODULE"] = "demo_project.settings_tls"
    port = str(free_port())
    with told_by(read, "demo_project.over_tls", port, environment=environment) as found:
        yield found


def read(running: subprocess.Popen[str]) -> Told:
    for line in running.stdout or ():
        words = shlex.split(line) if line.startswith("  chromium") else []
        if words:
            own_profile = [word for word in words if word.startswith("--user-data-dir=")]
            return Told(words[-1], [word for word in words[1:-1] if word not in own_profile])
    raise AssertionError("the shop did not open")


def test_a_browser_started_as_told(
    told: Told, browser_type: BrowserType, browser_type_launch_args: dict[str, Any]
) -> None:
    """It trusts the shop's certificate, binds, proves, and says so on the devices page."""
    options = {**browser_type_launch_args}
    options["args"] = [*options.get("args", []), *told.arguments]
    browser = browser_type.launch(**options)
    context = browser.new_context(base_url=told.address)
    context.set_default_timeout(PATIENCE)
    page = context.new_page()
    page.goto("/account/login/")
    page.get_by_label("Username").fill("maya")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()

    def is_bound() -> bool:
        page.wait_for_timeout(20)  # lets the browser's own messages in
        return proof_of(context) is not None

    wait_until(is_bound, what="the proof cookie")
    page.goto("/account/devices/")
    page.goto("/account/devices/")
    expect(page.get_by_text("Bound to this device")).to_be_visible()
    lose_proof(context)
    page.goto("/account/devices/")
    expect(page.get_by_text("Bound to this device")).to_be_visible()
    browser.close()
