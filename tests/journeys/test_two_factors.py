"""Two-factor sign-in in a real browser: set up, used, lost, renewed, removed."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Any, Literal

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from tests.journeys.visitor import FIREFOX_ON_LINUX, SAFARI_ON_A_PHONE, Visitor, picture
from tests.support.authenticators import App

pytestmark = pytest.mark.browser

Visit = Callable[..., Visitor]

SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")

CODE = "Code from your authenticator app"


class Walk:
    """What a person does with their second factor."""

    def __init__(self, visitor: Visitor) -> None:
        self.visitor = visitor
        self.page: Page = visitor.page
        self.last_step = -1

    def code(self, app: App) -> str:
        """
        A code that was not used yet: a person would wait half a minute for it.

        The one before is still taken, but not for long where this one soon ends, too: on a
        busy machine the browser may be slower than that.
        """
        moment = timezone.now()
        now, passed = divmod(moment.timestamp(), 30)
        self.last_step = max(int(now) - (passed < 15), self.last_step + 1)
        if self.last_step > now + 1:
            time.sleep(30 - passed)
        return app.code(moment, steps=self.last_step - int(now))

    def set_up(self) -> tuple[App, list[str]]:
        self.page.goto("/account/security/")
        self.visitor.button("Set up").click()
        app = App.typed(self.page.locator(".secret").inner_text())
        self.page.get_by_label(CODE).fill(self.code(app))
        self.page.get_by_label("Name of the app or phone").fill("My phone")
        self.visitor.button("Turn on").click()
        return app, self.new_codes()

    def new_codes(self) -> list[str]:
        expect(self.visitor.heading("Keep your recovery codes")).to_be_visible()
        codes = self.page.locator(".codes li").all_inner_texts()
        assert len(set(codes)) == 10
        return codes

    def give_password(self, person: str) -> None:
        self.page.goto("/account/login/?next=/account/security/")
        self.visitor.fill_in_sign_in(person)
        expect(self.visitor.heading("Confirm your sign-in")).to_be_visible()


@pytest.fixture
def laptop(visit: Visit, scripts: dict[str, Any]) -> Walk:
    return Walk(visit(user_agent=FIREFOX_ON_LINUX, **scripts))


def test_a_life_with_a_second_factor(laptop: Walk, person: str) -> None:
    """Set up, sign out, sign in with a code, with a recovery code, make new ones, remove."""
    page, visitor = laptop.page, laptop.visitor
    visitor.sign_in(person)
    app, codes = laptop.set_up()
    page.get_by_role("link", name="Done").click()
    expect(page.get_by_text("10 of 10 codes left")).to_be_visible()
    visitor.sign_out()

    # With a code, after a wrong one that says so where it was typed.
    laptop.give_password(person)
    expect(visitor.link("Sign in")).to_be_visible()
    field = page.get_by_label(CODE)
    expect(field).to_be_focused()
    field.fill(app.wrong_code())
    visitor.button("Sign in").click()
    expect(field).to_have_attribute("aria-invalid", "true")
    described = page.locator(f"#{(field.get_attribute('aria-describedby') or '').split()[-1]}")
    expect(described).to_contain_text("This code is not right")
    expect(field).to_be_focused()
    field.fill(laptop.code(app))
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Two-factor sign-in")).to_be_visible()
    visitor.sign_out()

    # With a recovery code, typed as a person would.
    laptop.give_password(person)
    page.get_by_role("link", name="Use a recovery code instead").click()
    page.get_by_label("Recovery code").fill(codes[0].lower().replace("-", " "))
    visitor.button("Sign in").click()
    expect(page.get_by_text("9 of 10 codes left")).to_be_visible()

    # New ones, with a download; the old ones are worth nothing then.
    visitor.button("Make new codes").click()
    fresh = laptop.new_codes()
    assert not set(fresh) & set(codes)
    with page.expect_download() as download:
        visitor.button("Download").click()
    assert all(code in download.value.path().read_text() for code in fresh)
    page.get_by_role("link", name="Done").click()
    visitor.sign_out()
    laptop.give_password(person)
    page.get_by_role("link", name="Use a recovery code instead").click()
    page.get_by_label("Recovery code").fill(codes[1])
    visitor.button("Sign in").click()
    expect(page.get_by_text("This code is not right")).to_be_visible()
    page.get_by_label("Recovery code").fill(fresh[0])
    visitor.button("Sign in").click()

    # Removed: the password is enough again.
    page.get_by_role("link", name="Remove My phone").click()
    expect(visitor.heading("Remove My phone?")).to_be_visible()
    visitor.button("Remove").click()
    expect(page.get_by_text("My phone is removed.")).to_be_visible()
    visitor.sign_out()
    visitor.sign_in(person)
    visitor.open_devices()
    assert visitor.complaints == []


def test_copying_and_printing(visit: Visit, person: str) -> None:
    """With scripts the codes can be copied; the buttons are not there without."""
    walk = Walk(visit(user_agent=FIREFOX_ON_LINUX))
    walk.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    walk.visitor.sign_in(person)
    _, codes = walk.set_up()

    walk.visitor.button("Copy").click()

    expect(walk.page.get_by_text("Copied")).to_be_visible()
    copied = walk.page.evaluate("navigator.clipboard.readText()")
    assert copied.split() == codes
    expect(walk.visitor.button("Print")).to_be_visible()
    assert walk.visitor.complaints == []


def test_somebody_with_the_password_only(laptop: Walk, visit: Visit, person: str) -> None:
    """A thief of the password sees the challenge and nothing of the account."""
    laptop.visitor.sign_in(person)
    laptop.set_up()
    thief = Walk(visit(user_agent=SAFARI_ON_A_PHONE))

    thief.give_password(person)

    for path in ("/account/devices/", "/account/security/", "/checkout/"):
        thief.page.goto(path)
        expect(thief.page).to_have_url(re.compile(r"/account/challenge/\?next="))
    thief.visitor.button("Cancel").click()
    thief.visitor.expect_signed_out()


@pytest.mark.parametrize("width", [320, 1280])
def test_the_pages_fit(visit: Visit, person: str, width: int) -> None:
    """No page of the second factor scrolls sideways, on a phone or in the dark."""
    walk = Walk(visit(viewport={"width": width, "height": 800}))
    page = walk.page
    wide = []

    def look(name: str) -> None:
        if walk.visitor.page_is_too_wide:
            wide.append(name)
        for scheme in SCHEMES:
            page.emulate_media(color_scheme=scheme)
            picture(page, f"{name}-{width}-{scheme}")

    walk.visitor.sign_in(person)
    page.goto("/account/security/")
    look("security-off")
    walk.visitor.button("Set up").click()
    expect(page.locator(".secret")).to_be_visible()
    look("enrol")
    colours = page.locator(".enrol-qr svg path").evaluate_all(
        "paths => paths.map(path => path.getAttribute('fill') || path.getAttribute('stroke'))"
    )
    assert colours == ["#fff", "#000"]
    app, _ = walk.set_up()
    look("codes")
    page.get_by_role("link", name="Done").click()
    expect(page.get_by_text("10 of 10 codes left")).to_be_visible()
    look("security-on")
    page.goto("/account/reauthenticate/")
    look("reauthenticate")
    page.goto("/account/security/")
    page.get_by_role("link", name="Remove My phone").click()
    expect(walk.visitor.heading("Remove My phone?")).to_be_visible()
    look("remove")
    walk.visitor.sign_out()
    walk.give_password(person)
    look("challenge")
    page.get_by_label(CODE).fill(app.wrong_code())
    walk.visitor.button("Sign in").click()
    expect(page.get_by_text("This code is not right")).to_be_visible()
    look("challenge-wrong")
    assert wide == []
    assert walk.visitor.complaints == []
