"""Every account page held to WCAG 2.2 AA by axe, as far as a program can tell."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.journeys.test_two_factors import SCHEMES, Walk
from tests.journeys.visitor import FIREFOX_ON_LINUX, SAFARI_ON_A_PHONE, Visitor

axe = pytest.importorskip("axe_playwright_python.sync_playwright")

pytestmark = pytest.mark.browser

Visit = Callable[..., Visitor]

RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
OPEN = ["login/", "password/reset/", "password/reset/sent/", "password/reset/Mg/c1-abc/"]
PRIVATE = [
    *("devices/", "devices/revoke-others/", "activity/", "activity/?topic=failed"),
    *("security/", "security/password/", "security/totp/", "data/"),
]


def violations(page: Page) -> list[str]:
    found = axe.Axe().run(page, options={"runOnly": {"type": "tag", "values": RULES}})
    return [
        f"{page.url}: {rule['id']} at {node['html'][:120]}"
        for rule in found.response["violations"]
        for node in rule["nodes"]
    ]


def unfold(page: Page) -> None:
    page.evaluate("document.querySelectorAll('details').forEach((one) => (one.open = true))")


def sizes(scheme: str, width: int) -> dict[str, Any]:
    return {"color_scheme": scheme, "viewport": {"width": width, "height": 844}}


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("width", [390, 1280])
def test_pages_pass_axe(visit: Visit, person: str, scheme: str, width: int) -> None:
    """No page has a violation, on a phone or a desk, by day or by night, also with a factor on."""
    found: list[str] = []
    other = visit(user_agent=SAFARI_ON_A_PHONE)
    other.sign_in(person)
    visitor = visit(user_agent=FIREFOX_ON_LINUX, **sizes(scheme, width))
    page = visitor.page
    for path in OPEN:
        page.goto(f"/account/{path}")
        found += violations(page)
    visitor.sign_in(person)
    for path in PRIVATE:
        page.goto(f"/account/{path}")
        unfold(page)
        found += violations(page)
    page.goto("/account/devices/")
    page.get_by_role("link", name="Details of Safari on iOS").click()
    expect(visitor.heading("Safari on iOS")).to_be_visible()
    unfold(page)
    found += violations(page)
    walk = Walk(visitor)
    walk.set_up()
    found += violations(page)
    visitor.page.get_by_role("link", name="Done").click()
    found += violations(page)
    visitor.sign_out()
    walk.give_password(person)
    found += violations(page)

    assert found == []
    assert other.complaints == []


def test_seven_devices_fit_three_screens(visit: Visit, person: str) -> None:
    """Seven devices take at most three screens of a phone, 844 pixels high."""
    for _ in range(6):
        visit(user_agent=FIREFOX_ON_LINUX).sign_in(person)
    visitor = visit(user_agent=SAFARI_ON_A_PHONE, viewport={"width": 390, "height": 844})
    visitor.sign_in(person)
    visitor.open_devices()
    expect(visitor.devices).to_have_count(7)

    assert visitor.page.evaluate("document.documentElement.scrollHeight") <= 3 * 844


def test_focus_goes_to_what_is_told(visit: Visit, person: str, scripts: dict[str, Any]) -> None:
    """After a POST the focus is at the message: it is read, and the next Tab goes on from it."""
    phone = visit(user_agent=SAFARI_ON_A_PHONE)
    phone.sign_in(person)
    visitor = visit(user_agent=FIREFOX_ON_LINUX, **scripts)
    visitor.sign_in(person)
    visitor.open_devices()

    visitor.button("Sign out Safari on iOS").click()

    expect(visitor.page.get_by_role("status")).to_be_focused()


def test_typed_passwords_can_be_shown(visit: Visit, person: str) -> None:
    """A button shows what was typed, and it is hidden again when it is sent."""
    visitor = visit()
    page = visitor.page
    page.goto("/account/login/")
    field = page.get_by_label("Password", exact=True)
    field.fill("not my password")

    visitor.button("Show").click()
    expect(field).to_have_attribute("type", "text")
    visitor.button("Hide").click()
    expect(field).to_have_attribute("type", "password")
    visitor.button("Show").click()
    page.get_by_label("Username").fill(person)
    page.get_by_role("main").get_by_role("button", name="Sign in").click()

    expect(page.get_by_text("These details did not sign you in.")).to_be_visible()
    expect(field).to_have_attribute("type", "password")


def test_without_scripts_there_is_no_button_to_show(visit: Visit) -> None:
    page = visit(java_script_enabled=False).page
    page.goto("/account/login/")

    expect(page.get_by_role("button", name="Show")).to_have_count(0)
