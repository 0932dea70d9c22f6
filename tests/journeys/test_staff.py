"""Somebody of the staff ends a customer's sessions, from the customer's page in the admin."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Locator, expect

from tests.journeys.visitor import FIREFOX_ON_LINUX, SAFARI_ON_A_PHONE, Visitor

pytestmark = pytest.mark.browser

Visit = Callable[..., Visitor]

OWNER = "olga"  # of the demo's accounts, the one who may do everything


@pytest.fixture
def owner(visit: Visit, scripts: dict[str, Any]) -> Visitor:
    visitor = visit(**scripts)
    visitor.page.goto("/admin/login/?next=/admin/auth/user/")
    visitor.page.get_by_label("Username").fill(OWNER)
    visitor.page.get_by_label("Password:").fill(visitor.password)
    visitor.page.get_by_role("button", name="Log in").click()
    expect(visitor.page.get_by_role("heading", name="Select user to change")).to_be_visible()
    return visitor


@pytest.fixture
def phone(visit: Visit, person: str) -> Visitor:
    visitor = visit(user_agent=SAFARI_ON_A_PHONE)
    visitor.sign_in(person)
    return visitor


@pytest.fixture
def laptop(visit: Visit, person: str) -> Visitor:
    visitor = visit(user_agent=FIREFOX_ON_LINUX)
    visitor.sign_in(person)
    return visitor


def open_page_of(owner: Visitor, person: str) -> Locator:
    """Find a person as staff do, and return the part with their live sessions."""
    owner.page.goto(f"/admin/auth/user/?q={person}")
    owner.page.get_by_role("link", name=person, exact=True).click()
    return owner.page.get_by_role("group", name="Live sessions")


def test_ends_one_session(owner: Visitor, phone: Visitor, laptop: Visitor, person: str) -> None:
    """The ticked session ends with its next click, and the other goes on."""
    sessions = open_page_of(owner, person)

    sessions.get_by_label("Safari on iOS").check()
    sessions.get_by_role("button", name="End the ticked sessions").click()

    expect(owner.page.get_by_text("1 session was ended.")).to_be_visible()
    expect(owner.page).to_have_url(re.compile(r"/admin/auth/user/\d+/change/"))
    phone.link("Devices").click()
    phone.expect_signed_out()
    laptop.open_devices()


def test_ends_all_sessions(owner: Visitor, phone: Visitor, laptop: Visitor, person: str) -> None:
    """One button signs the person out everywhere."""
    open_page_of(owner, person).get_by_role("button", name="End all sessions").click()

    expect(owner.page.get_by_text("2 sessions were ended.")).to_be_visible()
    for visitor in (phone, laptop):
        visitor.link("Devices").click()
        visitor.expect_signed_out()


def test_the_enter_key_saves(owner: Visitor, phone: Visitor, person: str) -> None:
    """Enter in a field of the user's page saves the user and ends nothing."""
    open_page_of(owner, person)

    owner.page.get_by_label("First name").fill("Fig")
    owner.page.get_by_label("First name").press("Enter")

    expect(owner.page.get_by_text("was changed successfully")).to_be_visible()
    phone.open_devices()


def test_a_days_failures_are_downloaded(owner: Visitor) -> None:
    """An administrator narrows the events to failed sign-ins, and gets them as a file."""
    page = owner.page
    page.goto("/admin/sessions_plus/sessionevent/?event__exact=sign_in.failed")
    shown = page.locator("#result_list tbody tr")
    expect(shown.first).to_be_visible()

    with page.expect_download() as download:
        page.get_by_role("link", name="Download as CSV").click()

    rows = list(csv.DictReader(download.value.path().read_text().splitlines()))
    assert {row["event"] for row in rows} == {"sign_in.failed"}
    assert len(rows) == shown.count()
