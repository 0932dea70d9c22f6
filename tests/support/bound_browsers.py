"""A real Chromium that binds sessions to keys in software, and what people do in it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, BrowserType, Page, expect

from tests.support.services.process import wait_until
from tests.support.tls import FEATURES, Certificate

REGISTER = "/account/device-key/register/"
REFRESH = "/account/device-key/refresh/"
PATIENCE = 60_000


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return Certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="module")
def launch_options(
    browser_type_launch_args: dict[str, Any], certificate: Certificate
) -> dict[str, Any]:
    """How a Chromium is started that binds sessions, and trusts the site's certificate."""
    return {
        **browser_type_launch_args,
        "args": [
            *browser_type_launch_args.get("args", []),
            f"--enable-features={FEATURES}",
            f"--ignore-certificate-errors-spki-list={certificate.fingerprint}",
        ],
    }


@pytest.fixture(scope="module")
def chromium(browser_type: BrowserType, launch_options: dict[str, Any]) -> Iterator[Browser]:
    """A Chromium that binds sessions, to keys that are not of the device's own hardware."""
    browser = browser_type.launch(**launch_options)
    yield browser
    browser.close()


def proof_of(context: BrowserContext) -> str | None:
    """Return the name of the proof cookie that a browser has."""
    names = [cookie.get("name", "") for cookie in context.cookies()]
    return next((name for name in names if name.startswith("__Host-proof-")), None)


def sign_in(context: BrowserContext, name: str = "ann") -> Page:
    """Sign in, wait for the browser to bind the session, and show the proof once."""
    page = context.new_page()
    page.goto(f"/sync/sign-in/?name={name}")
    wait_until(lambda: bool(_waited(page) and proof_of(context)), what="the proof cookie")
    page.goto("/sync/who/")
    expect(page.locator("body")).to_have_text(name)
    return page


def _waited(page: Page) -> bool:
    page.wait_for_timeout(20)  # lets the browser's own messages in
    return True


def lose_proof(context: BrowserContext) -> None:
    """Let the age of the proof cookie end."""
    name = proof_of(context)
    assert name is not None
    context.clear_cookies(name=name)


def who(page: Page, path: str = "/sync/who/") -> str:
    page.goto(path)
    return page.locator("body").inner_text()
