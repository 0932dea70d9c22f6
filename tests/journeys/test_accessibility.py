"""Every page of ours held to WCAG 2.2 AA by axe, as far as a program can tell."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, Literal

import pytest
from playwright.sync_api import Page, expect

from tests.journeys.test_two_factors import SCHEMES, Walk
from tests.journeys.visitor import FIREFOX_ON_LINUX, SAFARI_ON_A_PHONE, Visitor, picture
from tests.support.services.process import Server

axe = pytest.importorskip("axe_playwright_python.sync_playwright")

pytestmark = pytest.mark.browser

Visit = Callable[..., Visitor]

WCAG = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
RULES = [*WCAG, "best-practice"]
COLOURS = ["color-contrast", "link-in-text-block"]
WIDTHS = [390, 1280]
OPEN = ["login/", "password/reset/", "password/reset/sent/", "password/reset/Mg/c1-abc/"]
PRIVATE = [
    *("devices/", "devices/revoke-others/", "activity/", "activity/?topic=failed"),
    *("security/", "security/password/", "security/totp/", "data/"),
]


def violations(page: Page, rules: Sequence[str] = RULES, frame: Sequence[str] = ()) -> list[str]:
    """
    Return what axe finds wrong, but for what is in the ``frame`` of somebody else.

    By day all of it; by night what may be otherwise then, the colours.
    """
    found = []
    for scheme in SCHEMES:
        show(page, scheme)
        run = ("tag", rules) if scheme == "light" else ("rule", COLOURS)
        options = {"runOnly": {"type": run[0], "values": run[1]}, "preload": False}
        context = {"exclude": [[part] for part in frame]} if frame else None
        told = axe.Axe().run(page, context=context, options=options)
        found += [
            f"{page.url}, {scheme}: {rule['id']} at {node['html'][:120]}"
            for rule in told.response["violations"]
            for node in rule["nodes"]
        ]
    show(page, "light")
    return found


def show(page: Page, scheme: Literal["light", "dark"]) -> None:
    """Show the page by day or by night, once its colours have faded from one to the other."""
    page.emulate_media(color_scheme=scheme)
    page.evaluate("document.getAnimations().forEach((one) => one.finish())")


def pictures(page: Page, name: str) -> None:
    """Keep one by day and one by night. See ``picture``."""
    for scheme in SCHEMES:
        show(page, scheme)
        picture(page, f"{name}-{scheme}")
    show(page, "light")


def unfold(page: Page) -> None:
    page.evaluate("document.querySelectorAll('details').forEach((one) => (one.open = true))")


def size(width: int) -> dict[str, Any]:
    return {"viewport": {"width": width, "height": 844}}


@pytest.mark.parametrize("width", WIDTHS)
def test_pages_pass_axe(visit: Visit, person: str, width: int) -> None:
    """No page has a violation, on a phone or a desk, by day or by night, also with a factor on."""
    found: list[str] = []
    other = visit(user_agent=SAFARI_ON_A_PHONE)
    other.sign_in(person)
    visitor = visit(user_agent=FIREFOX_ON_LINUX, **size(width))
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
    page.goto("/account/security/")
    visitor.button("Set up").click()
    expect(page.locator(".secret")).to_be_visible()
    unfold(page)
    found += violations(page)
    walk.set_up()
    found += violations(page)
    visitor.page.get_by_role("link", name="Done").click()
    found += violations(page)
    page.goto("/account/reauthenticate/")
    found += violations(page)
    page.goto("/account/security/")
    page.get_by_role("link", name="Remove My phone").click()
    expect(visitor.heading("Remove My phone?")).to_be_visible()
    found += violations(page)
    visitor.sign_out()
    walk.give_password(person)
    found += violations(page)

    assert found == []
    assert other.complaints == []


@pytest.mark.parametrize("width", WIDTHS)
def test_the_warning_passes_axe(visit: Visit, person: str, width: int) -> None:
    """Nor has the dialog before a session ends, in any of its three states."""
    found: list[str] = []
    visitor = visit(**size(width))
    visitor.sign_in(person)
    page = visitor.page
    page.goto("/preferences/")

    for state in ("stay", "leave", "over"):
        page.evaluate(SHOW_WARNING, state)
        expect(page.get_by_role("dialog", name="Still there?")).to_be_visible()
        found += violations(page)

    assert found == []


SHOW_WARNING = """(state) => {
    const dialog = document.getElementById("session-warning");
    for (const one of dialog.querySelectorAll("[data-show]"))
        one.hidden = one.dataset.show !== state;
    dialog.querySelector("[data-countdown]").textContent = state === "over" ? "" : "1:57";
    if (!dialog.open) dialog.showModal();
}"""

# Django's, around every page of its admin and in its forms: not ours to mend.
DJANGOS = [".breadcrumbs", "#header", "#nav-sidebar", "#toolbar", "#user_form > div > .module"]
OF_STAFF = [
    *("session/", "session/?state=active&q=maya", "device/", "sessionevent/", "authenticator/"),
    *("overview/?period=day", "overview/?period=month", "overview/?period=year"),
]


@pytest.mark.parametrize("width", WIDTHS)
def test_pages_of_the_admin_pass_axe(visit: Visit, width: int) -> None:
    """Nor has what we add to the admin: lists, pages, questions and charts."""
    found: list[str] = []
    visitor = visit(**size(width))
    page = visitor.page
    page.goto("/admin/login/?next=/admin/")
    page.get_by_label("Username").fill("sam")
    page.get_by_label("Password:").fill(visitor.password)
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("heading", name="Site administration")).to_be_visible()

    for path in OF_STAFF:
        page.goto(f"/admin/sessions_plus/{path}")
        unfold(page)
        found += violations(page, WCAG, DJANGOS)
    for model in ("session", "device"):
        page.goto(f"/admin/sessions_plus/{model}/?q=maya")
        page.locator("#result_list tbody th a").first.click()
        expect(page.get_by_role("heading", name=f"View {model}")).to_be_visible()
        found += violations(page, WCAG, DJANGOS)
        page.locator(".object-tools a").first.click()
        expect(page.get_by_role("link", name="Cancel")).to_be_visible()
        found += violations(page, WCAG, DJANGOS)
    page.goto("/admin/auth/user/?q=noor")
    found += violations(page, WCAG, [*DJANGOS, "#changelist-filter"])
    page.get_by_role("link", name="noor", exact=True).click()
    page.get_by_role("link", name="Remove their second factor").click()
    expect(page.get_by_text("noor: 1 authenticator")).to_be_visible()
    found += violations(page, WCAG, DJANGOS)
    page.go_back()
    expect(page.locator("#live-sessions")).to_be_visible()
    found += violations(page, WCAG, DJANGOS)

    assert found == []


OF_LISTS = [
    ("session", "revoke_selected_sessions", "End the selected sessions"),
    ("session", "revoke_sessions_of_users", "End all their sessions"),
    ("device", "revoke_selected_devices", "Remove the selected devices"),
]


@pytest.mark.parametrize("width", WIDTHS)
def test_questions_about_many_pass_axe(visit: Visit, width: int) -> None:
    """Nor have they, they fit their window, and both ways on can be hit (WCAG 2.5.8)."""
    visitor = visit(**size(width))
    page = visitor.page
    page.goto("/admin/login/?next=/admin/sessions_plus/session/")
    page.get_by_label("Username").fill("sam")
    page.get_by_label("Password:").fill(visitor.password)
    page.get_by_role("button", name="Log in").click()
    expect(page.locator("#action-toggle")).to_be_visible()
    for model, action, button in OF_LISTS:
        page.goto(f"/admin/sessions_plus/{model}/")
        page.locator("#action-toggle").check()
        page.locator("select[name=action]").first.select_option(action)
        page.locator("#changelist-form").get_by_role("button").first.click()
        cancel = page.get_by_role("link", name="Cancel")
        expect(cancel).to_be_visible()
        pictures(page, f"ask-{action}-{width}")

        assert violations(page, WCAG, DJANGOS) == []
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
        for target in (cancel, page.get_by_role("button", name=button)):
            box = target.bounding_box()
            assert box is not None
            assert min(box["width"], box["height"]) >= 24


@pytest.mark.parametrize("width", WIDTHS)
def test_the_admins_sign_in_page_passes_axe(visit: Visit, shop: Server, width: int) -> None:
    """Nor has the admin's own sign-in page, with our button on it and what it says when refused."""
    home = shop.url.replace("127.0.0.1", "localhost")  # for numbers there are no passkeys
    page = visit(base_url=home, **size(width)).page
    page.add_init_script(NO_AUTHENTICATOR)
    page.goto("/admin/login/?next=/admin/")
    found = violations(page, WCAG)
    pictures(page, f"admin-login-{width}")

    page.get_by_role("button", name="Sign in with a passkey").click()
    expect(page.get_by_role("alert")).to_be_visible()
    found += violations(page, WCAG)
    pictures(page, f"admin-login-refused-{width}")

    assert found == []
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


NO_AUTHENTICATOR = """
  PublicKeyCredential.isConditionalMediationAvailable = async () => false;
  navigator.credentials.get = async () => { throw new DOMException("", "NotAllowedError"); };
"""


def test_seven_devices_fit_three_screens(visit: Visit, person: str) -> None:
    """Seven devices take at most three screens of a phone, 844 pixels high."""
    for _ in range(6):
        visit(user_agent=FIREFOX_ON_LINUX).sign_in(person)
    visitor = visit(user_agent=SAFARI_ON_A_PHONE, viewport={"width": 390, "height": 844})
    visitor.sign_in(person)
    visitor.open_devices()
    expect(visitor.devices).to_have_count(7)
    for row in visitor.devices.all()[1:]:  # of this device the button says enough
        name = row.get_by_role("heading").inner_text().partition("\n")[0]
        way_out = row.get_by_role("button", name=re.compile("^Sign out"))
        expect(way_out).to_have_count(1)
        expect(way_out).to_have_accessible_name(re.compile(re.escape(name.split("  ")[0])))

    assert visitor.page.evaluate("document.documentElement.scrollHeight") <= 3 * 844


# What is pressed and smaller than 24 pixels either way. Links within a text need not be as high.
SMALL = """() => [...document.querySelectorAll("a, button, input, select, summary, textarea")]
    .filter((one) => one.checkVisibility() && one.type !== "hidden" && !one.closest(".skip"))
    .filter((one) => !(one.matches("a") && getComputedStyle(one).display === "inline"))
    .map((one) => [one, (one.closest("label") ?? one).getBoundingClientRect()])
    .filter(([one, box]) => Math.min(box.width, box.height) < 24)
    .map(([one, box]) => `${one.outerHTML.slice(0, 80)}: ${box.width} x ${box.height}`)"""


@pytest.mark.parametrize("width", WIDTHS)
def test_what_is_pressed_is_large_enough(visit: Visit, person: str, width: int) -> None:
    """Every target is 24 pixels wide and high at least (WCAG 2.5.8), also beside others."""
    visitor = visit(user_agent=FIREFOX_ON_LINUX, **size(width))
    page, small = visitor.page, []
    for path in OPEN:
        page.goto(f"/account/{path}")
        small += page.evaluate(SMALL)
    visitor.sign_in(person)
    walk = Walk(visitor)
    walk.set_up()
    small += page.evaluate(SMALL)
    for path in [*PRIVATE, "security/passkeys/"]:
        page.goto(f"/account/{path}")
        unfold(page)
        small += page.evaluate(SMALL)

    assert sorted({one.partition(": ")[0] for one in small}) == []


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
    page.get_by_role("main").get_by_role("button", name="Sign in", exact=True).click()

    expect(page.get_by_text("These details did not sign you in.")).to_be_visible()
    expect(field).to_have_attribute("type", "password")


def test_without_scripts_there_is_no_button_to_show(visit: Visit) -> None:
    page = visit(java_script_enabled=False).page
    page.goto("/account/login/")

    expect(page.get_by_role("button", name="Show")).to_have_count(0)
