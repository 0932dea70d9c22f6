"""Somebody of the staff in the admin: ends sessions, downloads what happened, sees all columns."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Locator, expect

from tests.journeys.visitor import FIREFOX_ON_LINUX, SAFARI_ON_A_PHONE, Visitor

pytestmark = pytest.mark.browser

Visit = Callable[..., Visitor]

LISTS = [
    *("/admin/sessions_plus/session/", "/admin/sessions_plus/device/"),
    *("/admin/sessions_plus/sessionevent/", "/admin/sessions_plus/authenticator/"),
    "/admin/auth/user/",
]

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
    """One button, and one that says what it does, sign the person out everywhere."""
    open_page_of(owner, person).get_by_role("button", name="End all sessions").click()
    expect(owner.page.get_by_text(f"{person}: 2 sessions")).to_be_visible()
    owner.page.get_by_role("link", name="Cancel").click()
    phone.open_devices()

    open_page_of(owner, person).get_by_role("button", name="End all sessions").click()
    owner.page.get_by_role("button", name="End all their sessions").click()

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


def test_a_days_failures_are_downloaded(owner: Visitor, visit: Visit, person: str) -> None:
    """An administrator narrows events to a day and to failed sign-ins, and gets them as files."""
    guesser = visit(user_agent='=HYPERLINK("https://evil.example")')
    guesser.page.goto("/account/login/")
    guesser.password = "a guess"
    guesser.fill_in_sign_in(person)
    expect(guesser.page.get_by_text("These details did not sign you in.")).to_be_visible()
    page = owner.page
    page.goto("/admin/")
    page.get_by_role("link", name="Events", exact=True).first.click()
    page.get_by_role("link", name="Past 24 hours").click()
    page.get_by_role("link", name="Wrong name or password").click()
    shown = page.locator("#result_list tbody tr")
    expect(shown.filter(has_text=person)).to_have_count(1)
    expect(shown.filter(has_text="olga")).to_have_count(0)  # of four days ago

    with page.expect_download() as table:
        page.get_by_role("link", name="Download as CSV").click()
    with page.expect_download() as program:
        page.get_by_role("link", name="Download as JSON lines").click()

    rows = list(csv.DictReader(table.value.path().read_text().splitlines()))
    lines = [json.loads(line) for line in program.value.path().read_text().splitlines()]
    assert {row["event"] for row in rows} == {"sign_in.failed"}
    assert len(rows) == len(lines) == shown.count()
    (own,) = (row for row in rows if row["user"] == person)
    assert own["user_agent"].startswith("'=HYPERLINK")


def test_a_session_is_ended_on_its_own_page(
    owner: Visitor, phone: Visitor, laptop: Visitor, person: str
) -> None:
    """From the list to the session, to its device and back, and through the question to its end."""
    page = owner.page
    page.goto(f"/admin/sessions_plus/session/?q={person}&state=active")
    rows = page.locator("#result_list tbody tr")
    rows.filter(has_text="Safari on iOS").get_by_role("link", name="Active").click()
    page.get_by_role("link", name="Safari on iOS").click()
    page.get_by_role("link", name="Sessions on this device").click()
    page.get_by_role("link", name="Active").first.click()
    page.get_by_role("link", name="End this session").click()
    expect(page.get_by_text(f"{person} will be signed out of Safari on iOS")).to_be_visible()
    page.get_by_role("link", name="Cancel").click()
    phone.open_devices()

    page.get_by_role("link", name="End this session").click()
    page.get_by_role("button", name="End this session").click()

    expect(page.get_by_text("1 session was ended.")).to_be_visible()
    expect(page.get_by_text("Ended: Ended by an administrator")).to_be_visible()
    phone.link("Devices").click()
    phone.expect_signed_out()
    laptop.open_devices()


def tick(owner: Visitor, path: str, device: str, action: str) -> None:
    """Choose what there is of a device in a list, and an action, without a mouse."""
    page = owner.page
    page.goto(path)
    rows = page.locator("#result_list tbody tr").filter(has_text=device)
    rows.get_by_role("checkbox").focus()
    page.keyboard.press("Space")
    page.locator("select[name=action]").first.select_option(action)
    page.locator("#changelist-form").get_by_role("button").first.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("link", name="Cancel")).to_be_visible()


MANY = [
    ("session", "revoke_selected_sessions", "End the selected sessions", 1),
    ("session", "revoke_sessions_of_users", "End all their sessions", 2),
    ("device", "revoke_selected_devices", "Remove the selected devices", 1),
]


@pytest.mark.parametrize(("model", "action", "button", "ended"), MANY)
def test_lists_ask_first(
    owner: Visitor,
    phone: Visitor,
    laptop: Visitor,
    person: str,
    model: str,
    action: str,
    button: str,
    ended: int,
) -> None:
    """By keyboard alone: ticked, asked, back by Cancel with nothing ended; and then through."""
    page, path = owner.page, f"/admin/sessions_plus/{model}/?q={person}"
    tick(owner, path, "Safari on iOS", action)
    counted = "device" if model == "device" else "session"
    expect(page.get_by_text(re.compile(f"^{person}: {ended} {counted}"))).to_be_visible()
    page.get_by_role("link", name="Cancel").focus()
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(re.escape(path)))
    phone.open_devices()

    tick(owner, path, "Safari on iOS", action)
    page.get_by_role("button", name=button).focus()
    page.keyboard.press("Enter")

    words = f"{ended} session{'s' * (ended > 1)}"
    expect(page.get_by_text(re.compile(f"{words} (was|were) ended"))).to_be_visible()
    expect(page).to_have_url(re.compile(re.escape(path)))
    phone.link("Devices").click()
    phone.expect_signed_out()
    laptop.link("Devices").click()
    if ended == 2:
        laptop.expect_signed_out()
    else:
        expect(laptop.heading("Devices")).to_be_visible()


@pytest.mark.parametrize("path", LISTS)
def test_no_column_is_cut_off(visit: Visit, path: str) -> None:
    """At 1280 pixels, with the menu and the filters open, every column of ours is seen whole."""
    visitor = visit(viewport={"width": 1280, "height": 844})
    page = visitor.page
    page.goto(f"/admin/login/?next={path}")
    page.get_by_label("Username").fill("sam")
    page.get_by_label("Password:").fill(visitor.password)
    page.get_by_role("button", name="Log in").click()
    expect(page.locator("#result_list tbody tr").first).to_be_visible()
    expect(page.locator("#nav-sidebar")).to_be_visible()

    room = page.locator(".results").bounding_box()
    columns = page.locator("#result_list thead th")
    if path == LISTS[-1]:  # the site's own, of which ours is one
        columns = columns.filter(has_text="second factor")
    ends = [box["x"] + box["width"] for box in map(Locator.bounding_box, columns.all()) if box]

    assert room is not None
    assert ends
    assert max(ends) <= room["x"] + room["width"] + 1
