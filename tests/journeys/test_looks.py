"""Every page, seeded with weeks of history: narrow, light and dark, and under its policy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page

from tests.journeys.visitor import Visitor
from tests.support.services.process import Server
from tests.support.translations import LANGUAGES

pytestmark = pytest.mark.browser

Visit = Callable[..., Visitor]

OPEN = [
    "/",
    "/cart/",
    "/preferences/",
    "/api/reference/",
    "/account/login/?next=/account/devices/",
    "/account/login/recover/",
]
PRIVATE = [
    *("/checkout/", "/account/devices/", "/account/activity/"),
    *("/account/security/", "/account/security/password/", "/account/security/passkeys/"),
]

# What a reader meets: each text with its colour, and the first background behind it.
CONTRASTS = """() => {
    const channels = (colour) => colour.match(/[\\d.]+/g).map(Number);
    const luminance = ([r, g, b]) => [r, g, b]
        .map((value) => value / 255)
        .map((value) => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4))
        .reduce((sum, value, index) => sum + value * [0.2126, 0.7152, 0.0722][index], 0);
    const ground = (element) => {
        for (let at = element; at; at = at.parentElement) {
            const colour = channels(getComputedStyle(at).backgroundColor);
            if (colour.length === 3 || colour[3] === 1) return colour;
        }
        return [255, 255, 255];
    };
    const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    const found = [];
    while (texts.nextNode()) {
        const text = texts.currentNode.textContent.trim();
        const element = texts.currentNode.parentElement;
        if (!text || !element.checkVisibility() || element.closest(".unseen, .skip")) continue;
        const [one, other] = [channels(getComputedStyle(element).color), ground(element)]
            .map(luminance)
            .sort((a, b) => b - a);
        found.push([text.slice(0, 40), (one + 0.05) / (other + 0.05)]);
    }
    return found;
}"""

# Facts whose end is cut off, and forms whose buttons stick out.
TOO_NARROW = """() => [...document.querySelectorAll("main .facts, main form")]
    .filter((part) => part.checkVisibility() && part.scrollWidth > part.clientWidth)
    .map((part) => part.textContent)"""


@pytest.fixture
def maya(visit: Visit) -> Callable[..., Page]:
    """A page of somebody with a history, a full cart, and devices whose forms are open."""

    def open_page(**options: Any) -> Page:
        visitor = visit(**options)
        visitor.sign_in("maya")
        visitor.add_to_cart("Gooseneck kettle")
        return visitor.page

    return open_page


def unfold(page: Page) -> None:
    page.evaluate("document.querySelectorAll('details').forEach((one) => (one.open = true))")


@pytest.mark.parametrize("language", ["en", *LANGUAGES])
@pytest.mark.parametrize("width", [320, 390, 1280])
def test_no_page_scrolls_sideways(
    maya: Callable[..., Page], shop: Server, width: int, language: str
) -> None:
    """Every page fits its window, down to the 320 pixels of WCAG 1.4.10, and its parts fit, too."""
    home = shop.url.replace("127.0.0.1", "localhost")  # no address has passkeys
    page = maya(viewport={"width": width, "height": 700}, base_url=home)
    page.set_extra_http_headers({"Accept-Language": language})

    too_wide, too_narrow = [], []
    for path in OPEN + PRIVATE:
        page.goto(path)
        unfold(page)
        content = page.evaluate("document.documentElement.scrollWidth")
        if content > width:
            too_wide.append((path, content))
        too_narrow += [(path, part) for part in page.evaluate(TOO_NARROW)]
    assert too_wide == []
    assert too_narrow == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_can_be_read(maya: Callable[..., Page], scheme: str) -> None:
    """Every text stands out 4.5 to 1 from what is behind it (WCAG 1.4.3), by day and by night."""
    page = maya(color_scheme=scheme)

    faint = []
    for path in OPEN + PRIVATE:
        page.goto(path)
        unfold(page)
        contrasts = page.evaluate(CONTRASTS)
        assert len(contrasts) > 5, path
        faint += [(path, text, ratio) for text, ratio in contrasts if ratio < 4.5]
    assert faint == []


@pytest.mark.parametrize(("scheme", "is_dark"), [("light", False), ("dark", True)])
def test_pages_follow_the_device(visit: Visit, scheme: str, is_dark: bool) -> None:
    """Where no theme was chosen the pages are as dark as the device."""
    page = visit(color_scheme=scheme).page
    page.goto("/account/login/")

    for element in ("body", ".card"):
        colour = page.locator(element).evaluate("one => getComputedStyle(one).backgroundColor")
        channels = [int(part) for part in colour.removeprefix("rgb(").removesuffix(")").split(",")]
        assert (max(channels) < 64) is is_dark, element


def test_every_page_has_the_policy(maya: Callable[..., Page]) -> None:
    """Every page of the shop, the account and the admin forbids whatever is inline or foreign."""
    page = maya()

    for path in [*OPEN, *PRIVATE, "/admin/login/"]:
        response = page.goto(path)
        assert response is not None
        policy = response.headers["content-security-policy"]
        assert "default-src 'self'" in policy, path
        assert "unsafe" not in policy, path


def test_policy_is_enforced_and_noticed(visit: Visit) -> None:
    """A style that gets into a page is refused, and these tests would see it."""
    visitor = visit()
    visitor.page.goto("/")

    with visitor.page.expect_console_message():
        visitor.page.evaluate("""() => {
            const style = document.createElement("style");
            style.textContent = "body { display: none }";
            document.head.append(style);
        }""")

    assert visitor.page.locator("h1").is_visible()
    assert "Content Security Policy" in visitor.complaints.pop()
