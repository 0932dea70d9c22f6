"""What a person does in one browser of theirs."""

from __future__ import annotations

import os
import re

from playwright.sync_api import ConsoleMessage, Locator, Page, expect

SAFARI_ON_A_PHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_4 like Mac OS X) AppleWebKit/605.1.15 "
    "(KHTML, like Gecko) Version/18.4 Mobile/15E148 Safari/604.1"
)
FIREFOX_ON_LINUX = "Mozilla/5.0 (X11; Linux x86_64; rv:139.0) Gecko/20100101 Firefox/139.0"


class Visitor:
    """
    One browser and the page it is on.

    After each click it waits for what the click leads to: the next step must not overtake it.

    ``complaints`` collects what the browser says of the pages: errors of scripts,
    files that are missing, and whatever their Content-Security-Policy forbids.
    """

    def __init__(self, page: Page, password: str) -> None:
        self.page = page
        self.password = password
        self.complaints: list[str] = []
        page.on("console", self._note)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def _note(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(message.text)

    # Ways through the site

    def sign_in(self, username: str) -> None:
        self.page.goto("/account/login/")
        self.fill_in_sign_in(username)
        expect(self.link("Devices")).to_be_visible()

    def fill_in_sign_in(self, username: str) -> None:
        self.page.get_by_label("Username").fill(username)
        self.page.get_by_label("Password", exact=True).fill(self.password)
        main = self.page.get_by_role("main")
        main.get_by_role("button", name="Sign in", exact=True).click()

    def sign_out(self) -> None:
        self.page.get_by_role("banner").get_by_role("button", name="Sign out").click()
        expect(self.link("Sign in")).to_be_visible()

    def open_devices(self) -> None:
        self.link("Devices").click()
        expect(self.heading("Devices")).to_be_visible()

    def add_to_cart(self, product: str) -> None:
        self.page.goto("/")
        self.button(f"Add {product} to the cart").click()
        expect(self.page.get_by_text(f"{product} is in your cart.")).to_be_visible()

    # What is there

    def link(self, name: str) -> Locator:
        return self.page.get_by_role("banner").get_by_role("link", name=name)

    def button(self, name: str) -> Locator:
        return self.page.get_by_role("button", name=name, exact=True)

    def heading(self, name: str) -> Locator:
        return self.page.get_by_role("heading", name=name, exact=True)

    @property
    def devices(self) -> Locator:
        """The devices that are signed in, on the devices page."""
        return self.page.get_by_role("list", name="Signed in").locator("> li")

    def device(self, name: str) -> Locator:
        return self.devices.filter(has=self.page.get_by_role("heading", name=name))

    @property
    def page_is_too_wide(self) -> bool:
        """Whether one has to scroll sideways, once the page is there in full."""
        self.page.wait_for_load_state()
        wide: bool = self.page.evaluate("document.documentElement.scrollWidth > window.innerWidth")
        return wide

    # What must hold

    def expect_cart(self, number: int) -> None:
        expect(self.link("Cart").locator(".count")).to_have_text(str(number))

    def expect_signed_out(self) -> None:
        """They are at the sign-in page, and the site's header knows nobody."""
        expect(self.page).to_have_url(re.compile(r"/account/login/"))
        expect(self.heading("Sign in")).to_be_visible()
        expect(self.link("Sign in")).to_be_visible()


def picture(page: Page, name: str) -> None:
    """Keep a picture where ``SESSIONS_PLUS_PICTURES`` names a directory."""
    directory = os.environ.get("SESSIONS_PLUS_PICTURES")
    if directory:
        page.screenshot(path=f"{directory}/{name}.png", full_page=True)
