"""
Take the screenshots of the documentation anew, of the demo as it is now.

    python docs/build_pictures.py [NAME ...]

It seeds and serves a demo of its own, and takes each picture (or those named) into
``docs/images`` with the browser that the tests use. ``tests/test_docs.py`` holds that it knows
every picture there.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from urllib.parse import urlencode

from playwright.sync_api import Page, sync_playwright

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tests.journeys.holder import Holder  # noqa: E402 - found by the line above
from tests.journeys.visitor import Visitor  # noqa: E402
from tests.support.demo import PASSWORD, Demo  # noqa: E402
from tests.support.services.chromium import ARGUMENTS, find_chromium  # noqa: E402
from tests.support.services.process import new_directory  # noqa: E402

IMAGES = ROOT / "docs" / "images"
FIREFOX = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10.15; rv:139.0) Gecko/20100101 Firefox/139.0"


def devices(page: Page) -> None:
    """Maya's devices, one of them a stranger's."""
    page.set_viewport_size({"width": 940, "height": 800})
    sign_in(page, "maya", "/account/devices/")
    page.get_by_role("heading", name="Devices").first.wait_for()


def second_factor(page: Page) -> None:
    """Jonas sets up an app, whose key is thrown away with this demo."""
    page.set_viewport_size({"width": 1280, "height": 900})
    sign_in(page, "jonas", "/account/security/")
    page.get_by_role("button", name="Set up").click()
    page.locator(".secret").wait_for()


def passkey_login(page: Page) -> None:
    page.set_viewport_size({"width": 940, "height": 640})
    page.goto("/account/login/")
    page.get_by_role("button", name="Sign in with a passkey").wait_for()


def passkey_security(page: Page) -> None:
    """Lena adds a passkey, by an authenticator that the browser plays."""
    page.set_viewport_size({"width": 940, "height": 800})
    holder = Holder(Visitor(page, PASSWORD))
    sign_in(page, "lena", "/account/security/")
    holder.add("My laptop")
    holder.keep_codes()
    holder.expect_on_security_page()
    page.reload()  # what was said of it is said once
    page.get_by_text("My laptop").wait_for()


def sign_in(page: Page, name: str, path: str) -> None:
    page.goto(f"/account/login/?next={path}")
    page.get_by_label("Username").fill(name)
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("main").get_by_role("button", name="Sign in", exact=True).click()


def overview(page: Page) -> None:
    enter_admin(page, "olga", "/admin/sessions_plus/overview/?period=month")


def help_desk_user(page: Page) -> None:
    """The end of Maya's page: her live sessions."""
    enter_admin(page, "sam", "/admin/auth/user/?q=maya")
    page.get_by_role("link", name="maya", exact=True).click()
    page.locator("#live-sessions").wait_for()


def help_desk_reset(page: Page) -> None:
    enter_admin(page, "sam", "/admin/auth/user/")
    for name in ("noor", "ines"):
        row = page.locator("tr", has=page.get_by_role("link", name=name, exact=True))
        row.get_by_role("checkbox").check()
    page.locator("select[name=action]").select_option("remove_second_factor")
    page.locator("#changelist-form").get_by_role("button").first.click()
    page.get_by_role("link", name="Cancel").wait_for()


def help_desk_sessions(page: Page) -> None:
    enter_admin(page, "sam", "/admin/sessions_plus/session/?q=tom")


def help_desk_events(page: Page) -> None:
    enter_admin(page, "sam", "/admin/sessions_plus/sessionevent/?at=week&topic=wrong_password")


def enter_admin(page: Page, name: str, path: str) -> None:
    page.set_viewport_size({"width": 1180, "height": 620})
    page.goto(f"/admin/login/?{urlencode({'next': path})}")
    page.get_by_label("Username").fill(name)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    page.locator("#content h1").wait_for()
    if page.locator("#toggle-nav-sidebar").is_visible():
        page.locator("#toggle-nav-sidebar").click()


WINDOW = "the window"

# What is taken: the element, the whole page for "", or what is seen without scrolling.
PICTURES: Mapping[str, tuple[Callable[[Page], None], str]] = MappingProxyType(
    {
        "devices": (devices, ""),
        "second-factor": (second_factor, ""),
        "passkey-login": (passkey_login, ""),
        "passkey-security": (passkey_security, ""),
        "overview": (overview, "#content"),
        "help-desk-user": (help_desk_user, "#live-sessions"),
        "help-desk-reset": (help_desk_reset, "#content"),
        "help-desk-sessions": (help_desk_sessions, WINDOW),
        "help-desk-events": (help_desk_events, WINDOW),
    }
)


def main() -> None:
    wanted = sys.argv[1:] or list(PICTURES)
    directory = new_directory()
    demo = Demo(directory)
    demo.set_up()
    server = demo.serve(ROOT / "manage.py", "runserver", "--noreload")
    home = server.url.replace("127.0.0.1", "localhost")  # for numbers there are no passkeys
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=find_chromium(), args=ARGUMENTS)
            for name in wanted:
                context = browser.new_context(
                    base_url=home, device_scale_factor=1.5, user_agent=FIREFOX
                )
                take(context.new_page(), name)
                context.close()
    finally:
        server.stop()
        shutil.rmtree(directory)


def take(page: Page, name: str) -> None:
    go, part = PICTURES[name]
    go(page)
    path = IMAGES / f"{name}.png"
    if part == WINDOW:
        page.screenshot(path=path, animations="disabled")
    elif part:
        page.locator(part).screenshot(path=path, animations="disabled")
    else:
        page.screenshot(path=path, full_page=True, animations="disabled")
    sys.stdout.write(f"{path.relative_to(ROOT)}\n")


if __name__ == "__main__":
    main()
