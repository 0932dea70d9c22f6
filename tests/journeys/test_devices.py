"""Two browsers of one person, in the shop as `make demo` serves it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.journeys.visitor import FIREFOX_ON_LINUX, SAFARI_ON_A_PHONE, Visitor

pytestmark = pytest.mark.browser

Visit = Callable[..., Visitor]


@pytest.fixture
def laptop(visit: Visit, scripts: dict[str, Any]) -> Visitor:
    return visit(user_agent=FIREFOX_ON_LINUX, **scripts)


@pytest.fixture
def phone(visit: Visit, scripts: dict[str, Any]) -> Visitor:
    return visit(user_agent=SAFARI_ON_A_PHONE, viewport={"width": 390, "height": 844}, **scripts)


def test_ended_session_is_signed_out_at_its_next_click(
    laptop: Visitor, phone: Visitor, person: str
) -> None:
    """A session ended on another device is at the sign-in page with its next click, for good."""
    laptop.sign_in(person)
    phone.sign_in(person)

    laptop.open_devices()
    expect(laptop.devices).to_have_count(2)
    expect(laptop.device("Firefox on Linux")).to_contain_text("This device")
    laptop.button("Sign out Safari on iOS").click()

    expect(laptop.page.get_by_text("Safari on iOS is signed out.")).to_be_visible()
    expect(laptop.devices).to_have_count(1)
    phone.link("Activity").click()
    phone.expect_signed_out()
    phone.page.goto("/account/devices/")
    phone.expect_signed_out()

    # Who signs in again comes to where they wanted to go, and reads what had happened.
    phone.fill_in_sign_in(person)
    expect(phone.heading("Devices")).to_be_visible()
    expect(phone.devices).to_have_count(2)
    phone.page.get_by_text("Recently ended").click()
    expect(phone.page.get_by_text("Ended by you from another device")).to_be_visible()


def edit(visitor: Visitor, name: str) -> None:
    """Open the page of a device's session, and there what can be changed of the device."""
    visitor.device(name).get_by_role("link", name=f"Details of {name}").click()
    expect(visitor.heading(name)).to_be_visible()
    visitor.page.get_by_text("Rename or remove").click()


def test_device_is_renamed(laptop: Visitor, phone: Visitor, person: str) -> None:
    """A name given to a device on one browser is what the other shows, and outlives sign-ins."""
    phone.sign_in(person)
    laptop.sign_in(person)
    laptop.open_devices()

    edit(laptop, "Safari on iOS")
    laptop.page.get_by_label("Name", exact=True).fill("Phone <b>& co</b>")
    laptop.button("Save").click()

    expect(laptop.device("Phone <b>& co</b>")).to_be_visible()
    phone.sign_out()
    phone.sign_in(person)
    phone.open_devices()
    expect(phone.device("Phone <b>& co</b>")).to_contain_text("This device")
    expect(phone.devices).to_have_count(2)


def test_removed_device_is_a_new_one(laptop: Visitor, phone: Visitor, person: str) -> None:
    """Removing a device signs it out, and it has lost its name when it signs in again."""
    phone.sign_in(person)
    laptop.sign_in(person)
    laptop.open_devices()
    edit(laptop, "Safari on iOS")
    laptop.page.get_by_label("Name", exact=True).fill("Lost phone")
    laptop.button("Save").click()

    edit(laptop, "Lost phone")
    laptop.button("Remove device").click()

    expect(laptop.devices).to_have_count(1)
    phone.link("Devices").click()
    phone.expect_signed_out()
    phone.fill_in_sign_in(person)
    expect(phone.device("Safari on iOS")).to_contain_text("This device")
    expect(phone.device("Lost phone")).to_have_count(0)


def test_everywhere_else(laptop: Visitor, phone: Visitor, person: str) -> None:
    """Signing out everywhere else ends every other browser's session and keeps one's own."""
    phone.sign_in(person)
    laptop.sign_in(person)
    laptop.open_devices()

    laptop.page.get_by_role("link", name="Sign out everywhere else").click()
    expect(laptop.heading("Sign out everywhere else?")).to_be_visible()
    laptop.button("Sign out everywhere else").click()

    expect(laptop.devices).to_have_count(1)
    phone.link("Devices").click()
    phone.expect_signed_out()
    laptop.link("Activity").click()
    expect(laptop.heading("Activity")).to_be_visible()


def test_staff_ends_a_session(laptop: Visitor, phone: Visitor, person: str) -> None:
    """Support finds a person's session in the admin and ends it; that person reads who did."""
    phone.sign_in(person)

    admin = laptop.page
    admin.goto("/admin/")
    admin.get_by_label("Username").fill("sam")
    admin.get_by_label("Password:").fill(laptop.password)
    admin.get_by_role("button", name="Log in").click()
    admin.get_by_role("link", name="Sessions", exact=True).last.click()
    admin.locator("#searchbar").fill(person)
    admin.get_by_role("button", name="Search").click()
    row = admin.locator("#result_list tbody tr")
    expect(row).to_have_count(1)
    expect(row).to_contain_text(person)
    row.locator("input[type=checkbox]").check()
    admin.locator("select[name=action]").select_option(label="End the selected sessions")
    admin.get_by_role("button", name="Go", exact=True).click()
    admin.get_by_role("button", name="End the selected sessions", exact=True).click()
    expect(admin.get_by_text("1 session was ended.")).to_be_visible()

    phone.link("Devices").click()
    phone.expect_signed_out()
    phone.fill_in_sign_in(person)
    phone.page.get_by_text("Recently ended").click()
    expect(phone.page.get_by_text("Ended by an administrator")).to_be_visible()


def test_revoking_by_keyboard(visit: Visit, person: str) -> None:
    """Signing in and ending another session needs no pointer, and the focus can be seen."""
    phone = visit(user_agent=SAFARI_ON_A_PHONE)
    phone.sign_in(person)
    laptop = visit(user_agent=FIREFOX_ON_LINUX)
    laptop.page.goto("/account/login/")
    for text in (person, laptop.password):
        tab_to(laptop, "Username" if text == person else "Password")
        laptop.page.keyboard.type(text)
    laptop.page.keyboard.press("Enter")
    expect(laptop.link("Devices")).to_be_visible()

    tab_to(laptop, "Devices")
    laptop.page.keyboard.press("Enter")
    expect(laptop.devices).to_have_count(2)
    tab_to(laptop, "Sign out Safari on iOS")
    laptop.page.keyboard.press("Enter")

    expect(laptop.devices).to_have_count(1)
    phone.link("Devices").click()
    phone.expect_signed_out()


# The name a screen reader says, near enough: label of a field, aria-label, or the text.
FOCUSED = """() => {
    const focused = document.activeElement;
    const style = getComputedStyle(focused);
    return {
        name: focused.labels?.[0]?.innerText || focused.ariaLabel || focused.innerText,
        isPage: focused === document.body,
        isVisible: style.outlineStyle !== "none" && parseFloat(style.outlineWidth) > 0,
    };
}"""


def tab_to(visitor: Visitor, name: str) -> None:
    """Press Tab until the focus is on what has this name, and see it at each step."""
    for _ in range(40):
        focused = visitor.page.evaluate(FOCUSED)
        assert focused["isVisible"] or focused["isPage"], f"no outline around {focused['name']!r}"
        if focused["name"].strip().rstrip(":") == name:
            return
        visitor.page.keyboard.press("Tab")
    pytest.fail(f"{name!r} cannot be reached by Tab")
