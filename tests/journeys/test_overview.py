"""The charts of the admin, in a browser: seen, read, followed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.journeys.test_looks import CONTRASTS
from tests.journeys.visitor import Visitor

pytestmark = pytest.mark.browser

Visit = Callable[..., Visitor]

OVERVIEW = "/admin/sessions_plus/overview/"
PERIODS = ("day", "month", "year")


@pytest.fixture
def owner(visit: Visit) -> Callable[..., Page]:
    """A page of somebody who may see everything in the admin."""

    def open_page(**options: Any) -> Page:
        visitor = visit(**options)
        page = visitor.page
        page.goto(f"/admin/login/?next={OVERVIEW}")
        page.get_by_label("Username").fill("olga")
        page.get_by_label("Password").fill(visitor.password)
        page.get_by_role("button", name="Log in").click()
        expect(page.get_by_role("heading", name="Overview")).to_be_visible()
        return page

    return open_page


def test_weeks_are_seen(owner: Callable[..., Page]) -> None:
    """The seeded weeks stand there as bars, under the strict policy of the shop."""
    page = owner()

    for name in ("sign_ins", "failures", "ended", "signed_in", "second_factor", "new_devices"):
        bars = page.locator(f"[aria-labelledby=chart-{name}] .overview-plot rect")
        assert bars.count() > 0, name
        box = bars.first.bounding_box()
        assert box is not None
        assert min(box["width"], box["height"]) > 1, name


def test_a_bar_leads_to_its_list(owner: Callable[..., Page]) -> None:
    """Whoever sees a bar that stands out clicks it, and reads what it was."""
    page = owner()

    page.locator("[aria-labelledby=chart-ended] .overview-plot rect.series-4").first.click()

    expect(page.get_by_role("cell", name="Ended by an administrator").first).to_be_visible()
    expect(page.get_by_role("link", name="Ended by staff")).to_be_visible()


def test_by_keyboard_without_scripts(owner: Callable[..., Page]) -> None:
    """The table opens by a key, and has the links that the bars have; no bar stops the way."""
    page = owner(java_script_enabled=False)
    chart = page.locator("[aria-labelledby=chart-sign_ins]")

    chart.get_by_text("As a table").press("Enter")
    expect(chart.get_by_role("table")).to_be_visible()
    chart.locator("td a").first.press("Enter")

    expect(page.get_by_role("heading", name="Select event to view")).to_be_visible()


@pytest.mark.parametrize("width", [320, 390, 1280])
def test_it_fits(owner: Callable[..., Page], width: int) -> None:
    """No period scrolls sideways, nor when its tables are open."""
    page = owner(viewport={"width": width, "height": 844})

    for period in PERIODS:
        page.goto(f"{OVERVIEW}?period={period}")
        page.evaluate("document.querySelectorAll('details').forEach((one) => (one.open = true))")
        assert page.evaluate("document.documentElement.scrollWidth") <= width, period


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_can_be_read(owner: Callable[..., Page], scheme: str) -> None:
    """Texts stand out 4.5 to 1 and bars 3 to 1 from the page (WCAG 1.4.3, 1.4.11)."""
    page = owner(color_scheme=scheme)
    page.evaluate("document.querySelectorAll('details').forEach((one) => (one.open = true))")

    inside = page.evaluate(
        CONTRASTS.replace("document.body,", "document.querySelector('.overview'),")
    )
    bars = page.evaluate(BARS)

    assert len(inside) > 50
    assert [text for text in inside if text[1] < 4.5] == []
    assert len(bars) == 6
    assert [bar for bar in bars if bar[1] < 3] == []


# Each colour of a series beside the page's own.
BARS = """() => {
    const channels = (colour) => colour.match(/[\\d.]+/g).map(Number);
    const luminance = ([r, g, b]) => [r, g, b]
        .map((value) => value / 255)
        .map((value) => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4))
        .reduce((sum, value, index) => sum + value * [0.2126, 0.7152, 0.0722][index], 0);
    const ground = luminance(channels(getComputedStyle(document.body).backgroundColor));
    return [1, 2, 3, 4, 5, 6].map((number) => {
        const rect = document.querySelector(`.overview-legend rect.series-${number}`);
        const [one, other] = [luminance(channels(getComputedStyle(rect).fill)), ground]
            .sort((a, b) => b - a);
        return [number, (one + 0.05) / (other + 0.05)];
    });
}"""
