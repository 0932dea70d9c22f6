"""A cart and preferences on their way through sessions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Route, expect

from tests.journeys.visitor import FIREFOX_ON_LINUX, Visitor

pytestmark = pytest.mark.browser

Visit = Callable[..., Visitor]


def test_cart_is_kept_through_sign_in(visit: Visit, scripts: dict[str, Any], person: str) -> None:
    """What was put into the cart before signing in is what is ordered after it."""
    visitor = visit(**scripts)
    for product in ("Fig bowl", "Fig bowl", "Bud vase"):
        visitor.add_to_cart(product)
    visitor.expect_cart(3)
    visitor.link("Cart").click()
    visitor.page.get_by_role("link", name="Check out").click()
    visitor.expect_signed_out()

    visitor.fill_in_sign_in(person)

    expect(visitor.heading("Check out")).to_be_visible()
    expect(visitor.page.get_by_role("main")).to_contain_text("€102.00")
    visitor.button("Place the order").click()
    visitor.expect_cart(0)


def test_signing_out_empties_the_cart(visit: Visit, person: str) -> None:
    """Who signs out leaves nothing of theirs to the next person at this browser."""
    visitor = visit()
    visitor.sign_in(person)
    visitor.add_to_cart("Oak board")
    visitor.expect_cart(1)

    visitor.sign_out()

    visitor.expect_cart(0)


def test_revoked_browser_shops_on(visit: Visit, person: str) -> None:
    """A browser whose session was ended starts an anonymous cart, and it too is kept."""
    lost, here = visit(), visit(user_agent=FIREFOX_ON_LINUX)
    lost.sign_in(person)
    lost.add_to_cart("Oak board")
    here.sign_in(person)
    here.open_devices()
    here.page.get_by_role("link", name="Sign out everywhere else").click()
    here.button("Sign out everywhere else").click()
    expect(here.devices).to_have_count(1)

    lost.page.goto("/")
    lost.expect_cart(0)
    lost.add_to_cart("Linen cloth")
    lost.add_to_cart("Beeswax candle")

    lost.sign_in(person)
    lost.expect_cart(2)


def test_quantities_change(visit: Visit, scripts: dict[str, Any]) -> None:
    """A visitor without an account changes how many they want; none takes it out."""
    visitor = visit(**scripts)
    visitor.add_to_cart("Stoneware cup")
    visitor.link("Cart").click()

    visitor.page.get_by_label("Quantity of Stoneware cup").fill("6")
    visitor.button("Update Stoneware cup").click()
    visitor.expect_cart(6)
    expect(visitor.page.get_by_role("main")).to_contain_text("€108.00")
    visitor.page.get_by_label("Quantity of Stoneware cup").fill("0")
    visitor.button("Update Stoneware cup").click()

    expect(visitor.page.get_by_text("There is nothing in it yet.")).to_be_visible()


def test_preferences_are_kept_through_sign_in(
    visit: Visit, scripts: dict[str, Any], person: str
) -> None:
    """Theme, currency and language chosen before signing in hold after it, on every page."""
    visitor = visit(**scripts)
    visitor.page.goto("/preferences/")
    for choice in ("Dark", "Pound sterling"):
        visitor.page.get_by_label(choice).check()
    visitor.button("Keep these").click()
    expect(visitor.page.get_by_text("Your preferences are kept.")).to_be_visible()

    visitor.sign_in(person)

    visitor.page.goto("/")
    expect(visitor.page.get_by_role("main")).to_contain_text("£54.40")
    expect(visitor.page.locator("html")).to_have_attribute("data-theme", "dark")
    visitor.open_devices()
    expect(visitor.page.locator("body")).to_have_css("background-color", "rgb(24, 22, 19)")


def test_language_is_kept(visit: Visit) -> None:
    """A language chosen in the shop is spoken from then on, whatever the browser asks for."""
    visitor = visit(locale="en-GB")
    visitor.page.goto("/preferences/")
    visitor.page.get_by_label("German").check()
    visitor.button("Keep these").click()

    expect(visitor.page.get_by_text("Ihre Einstellungen sind gespeichert.")).to_be_visible()
    visitor.link("Korb").click()
    expect(visitor.heading("Ihr Korb")).to_be_visible()
    expect(visitor.page.locator("html")).to_have_attribute("lang", "de")


def test_visitor_who_only_looks_gets_no_session(visit: Visit) -> None:
    """Reading pages sets no session cookie."""
    visitor = visit()
    for path in ("/", "/cart/", "/account/login/"):
        visitor.page.goto(path)

    names = {cookie["name"] for cookie in visitor.page.context.cookies()}
    assert names == {"csrftoken"}


def test_the_warning_can_be_seen(visit: Visit, person: str) -> None:
    """A button lets the session end soon; a minute later it warns, and staying closes it."""
    visitor = visit()
    page = visitor.page
    page.clock.install()
    visitor.sign_in(person)
    page.goto("/preferences/")
    dialog = page.get_by_role("dialog", name="Still there?")
    visitor.button("End this session soon").click()
    expect(page.get_by_text("This session ends in three minutes.")).to_be_visible()
    expect(dialog).to_be_hidden()

    page.route("**/account/session/remaining/", a_minute_later)
    page.clock.fast_forward("01:05")

    expect(dialog).to_be_visible()
    dialog.get_by_role("button", name="Stay signed in").click()
    expect(dialog).to_be_hidden()


def a_minute_later(route: Route) -> None:
    """Answer what the server says of the session, as if it had seen the minute go by, too."""
    told = route.fetch()
    facts = told.json()
    route.fulfill(response=told, json=facts | {"seconds": facts["seconds"] - 65})
