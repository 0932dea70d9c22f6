"""A new password, chosen in one browser of two."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.journeys.test_two_factors import SCHEMES
from tests.journeys.visitor import FIREFOX_ON_LINUX, SAFARI_ON_A_PHONE, Visitor, picture

pytestmark = pytest.mark.browser

Visit = Callable[..., Visitor]

NEW = "olives-on-toast"
EVERYWHERE = "Sign out everywhere else"


@pytest.fixture
def laptop(visit: Visit, scripts: dict[str, Any]) -> Visitor:
    return visit(user_agent=FIREFOX_ON_LINUX, **scripts)


@pytest.fixture
def phone(visit: Visit, scripts: dict[str, Any]) -> Visitor:
    return visit(user_agent=SAFARI_ON_A_PHONE, viewport={"width": 390, "height": 844}, **scripts)


def fill_in(visitor: Visitor, old: str, new: str) -> None:
    """From the security page on, as a person would find it."""
    visitor.page.goto("/account/security/")
    visitor.page.get_by_role("link", name="Change password").click()
    expect(visitor.heading("Change your password")).to_be_visible()
    send(visitor, old, new)


def send(visitor: Visitor, old: str, new: str, *, ends_others: bool = True) -> None:
    page = visitor.page
    page.get_by_label("Old password").fill(old)
    page.get_by_label("New password", exact=True).fill(new)
    page.get_by_label("New password confirmation").fill(new)
    page.get_by_label(EVERYWHERE).set_checked(ends_others)
    visitor.button("Change password").click()


def test_a_new_password(laptop: Visitor, phone: Visitor, person: str) -> None:
    """A wrong old one is said where it was typed; then the others go on, and the next time end."""
    laptop.sign_in(person)
    phone.sign_in(person)

    fill_in(laptop, "no idea", NEW)
    field = laptop.page.get_by_label("Old password")
    expect(field).to_have_attribute("aria-invalid", "true")
    expect(laptop.page.get_by_text("Your old password was entered incorrectly")).to_be_visible()

    expect(laptop.page.get_by_label(EVERYWHERE)).to_be_checked()
    send(laptop, laptop.password, NEW, ends_others=False)
    expect(laptop.page.get_by_text("Your other devices stay signed in.")).to_be_visible()
    phone.open_devices()
    expect(phone.devices).to_have_count(2)

    fill_in(laptop, NEW, laptop.password)
    expect(laptop.page.get_by_text("You are signed out everywhere else.")).to_be_visible()
    phone.link("Activity").click()
    phone.expect_signed_out()
    laptop.open_devices()
    expect(laptop.devices).to_have_count(1)


@pytest.mark.parametrize("width", [320, 390, 1280])
def test_the_pages_fit(visit: Visit, person: str, width: int) -> None:
    """No page of the password scrolls sideways, on a phone or in the dark."""
    visitor = visit(viewport={"width": width, "height": 844})
    page = visitor.page
    wide = []

    def look(name: str) -> None:
        if visitor.page_is_too_wide:
            wide.append(name)
        for scheme in SCHEMES:
            page.emulate_media(color_scheme=scheme)
            picture(page, f"{name}-{width}-{scheme}")

    visitor.sign_in(person)
    page.goto("/account/security/password/")
    look("password")
    send(visitor, "no idea", "123")
    expect(page.get_by_label("Old password")).to_have_attribute("aria-invalid", "true")
    look("password-wrong")
    send(visitor, visitor.password, NEW)
    expect(page.get_by_text("Your password is changed.")).to_be_visible()
    look("password-changed")
    assert wide == []
