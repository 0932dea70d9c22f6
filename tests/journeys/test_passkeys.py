"""Passkeys in Chromium, with an authenticator that the browser plays itself (WebAuthn §11)."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Literal

import pytest
from django.test import override_settings
from playwright.sync_api import Browser, Page, Request, Route, expect
from pytest_django.live_server_helper import LiveServer

from tests.journeys.holder import NO_AUTOFILL, Holder
from tests.journeys.test_two_factors import CODE, Walk
from tests.journeys.visitor import FIREFOX_ON_LINUX, SAFARI_ON_A_PHONE, Visitor, picture
from tests.support.services.process import Server

pytestmark = pytest.mark.browser

Visit = Callable[..., Visitor]

OWNER = "olga"  # of the demo's accounts, the one who may do everything

SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")


# Passkeys that sign only when the test says so: ``calls[0].sign()``.
BY_HAND = """
  window.calls = [];
  const ask = navigator.credentials.get.bind(navigator.credentials);
  navigator.credentials.get = ({ publicKey, mediation = "modal" }) =>
    new Promise((resolve, reject) => {
      const sign = () => ask({ publicKey }).then(resolve, reject);
      window.calls.push({ mediation, sign });
      document.documentElement.dataset.calls = window.calls.length;
    });
"""


@pytest.fixture
def holder(visit: Visit, shop: Server) -> Holder:
    # For numbers, such as 127.0.0.1, browsers make no passkeys.
    home = shop.url.replace("127.0.0.1", "localhost")
    return Holder(visit(user_agent=FIREFOX_ON_LINUX, base_url=home))


def test_a_life_with_a_passkey(holder: Holder, person: str) -> None:
    """Added, signed in with by name of nobody, confirmed with, renamed, removed and forgotten."""
    page, visitor = holder.page, holder.visitor
    visitor.sign_in(person)
    holder.add("My laptop")
    assert len(holder.keep_codes()) == 10
    expect(page.get_by_text("My laptop")).to_be_visible()
    assert len(holder.passkeys) == 1

    # Without a name, by the button: the browser offers nothing in the field.
    page.add_init_script(NO_AUTOFILL)
    visitor.sign_out()
    page.goto("/account/login/?next=/account/security/")
    visitor.button("Sign in with a passkey").click()
    holder.expect_on_security_page()

    # As the second factor.
    visitor.sign_out()
    page.goto("/account/login/?next=/account/security/")
    visitor.fill_in_sign_in(person)
    expect(visitor.heading("Confirm your sign-in")).to_be_visible()
    visitor.button("Use a passkey").click()
    holder.expect_on_security_page()

    # To prove oneself again.
    page.goto("/account/reauthenticate/?next=/account/security/&factors=passkey")
    visitor.button("Use a passkey").click()
    holder.expect_on_security_page()

    # Removed: the authenticator forgets it.
    page.get_by_role("link", name="Remove My laptop").click()
    visitor.button("Remove").click()
    holder.expect_on_security_page()
    expect(page.get_by_text("My laptop is removed.")).to_be_visible()
    page.wait_for_load_state("networkidle")
    assert holder.passkeys == []


def test_offered_where_the_name_is_typed(holder: Holder, person: str) -> None:
    """Where the browser offers passkeys in the field, choosing one signs in, without a button."""
    page, visitor = holder.page, holder.visitor
    visitor.sign_in(person)
    holder.add("")
    holder.keep_codes()
    visitor.sign_out()

    page.goto("/account/login/?next=/account/security/")

    holder.expect_on_security_page()


def test_a_late_answer_of_the_field_is_ignored(holder: Holder, person: str) -> None:
    """Of the field and the button, both answered, the button signs in, once."""
    page, visitor, sent = holder.page, holder.visitor, finished(holder)
    ready_to_sign_in(holder, person)
    expect_calls(page, 1)
    visitor.button("Sign in with a passkey").click()
    expect_calls(page, 2)
    asked = page.evaluate("window.calls.map((call) => call.mediation)")
    assert asked == ["conditional", "modal"]

    page.evaluate("window.calls[0].sign()")
    page.evaluate("window.calls[1].sign()")

    holder.expect_on_security_page()
    assert len(sent) == 1


def test_the_button_waits_for_the_field(holder: Holder, person: str) -> None:
    """Once the field was answered, the button begins nothing more."""
    page, visitor, sent = holder.page, holder.visitor, finished(holder)
    held: list[Route] = []
    page.route("**/login/passkey/finish/", lambda route, _request: held.append(route))
    ready_to_sign_in(holder, person)
    expect_calls(page, 1)
    with page.expect_request("**/login/passkey/finish/"):
        page.evaluate("void window.calls[0].sign()")

    visitor.button("Sign in with a passkey").click()
    assert visitor.button("Sign in with a passkey").is_enabled()
    held[0].continue_()

    holder.expect_on_security_page()
    assert len(sent) == 1


def test_what_has_to_be_signed_is_fetched_anew(holder: Holder, person: str) -> None:
    """It lasts five minutes; a page that waits longer for a passkey asks again after four."""
    page = holder.page
    page.clock.install()
    ready_to_sign_in(holder, person)
    expect_calls(page, 1)

    with page.expect_response("**/login/passkey/options/"):
        page.clock.fast_forward("04:00")
    expect_calls(page, 2)
    page.evaluate("window.calls[0].sign()")  # what it answers now comes too late
    page.evaluate("window.calls[1].sign()")

    holder.expect_on_security_page()


def test_by_keyboard(holder: Holder, person: str) -> None:
    """Added, used, and removed with Tab, Enter and the space bar alone."""
    page, visitor = holder.page, holder.visitor
    page.add_init_script(NO_AUTOFILL)
    visitor.sign_in(person)
    page.goto("/account/security/")
    go_to(page, "Add a passkey")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("/security/passkeys/"))
    go_to(page, "Add passkey")
    page.keyboard.press("Space")
    expect(visitor.heading("Keep your recovery codes")).to_be_visible()
    visitor.sign_out()

    page.goto("/account/login/?next=/account/security/")
    go_to(page, "Sign in with a passkey")
    page.keyboard.press("Enter")
    holder.expect_on_security_page()

    go_to(page, "Remove")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Remove Passkey?")).to_be_visible()
    go_to(page, "Remove")
    page.keyboard.press("Enter")
    expect(page.get_by_text("Passkey is removed.")).to_be_visible()


def go_to(page: Page, name: str) -> None:
    """Press Tab until what has that text is in focus."""
    focused = "document.activeElement.innerText.trim()"
    for _ in range(60):
        page.keyboard.press("Tab")
        if page.evaluate(focused) == name:
            return
    raise AssertionError(f"no Tab leads to {name!r}")


def test_the_authenticator_learns_a_new_name(holder: Holder, visit: Visit, person: str) -> None:
    """Who is called otherwise now is called so by their authenticator after the next sign-in."""
    page, visitor = holder.page, holder.visitor
    page.add_init_script(NO_AUTOFILL)
    visitor.sign_in(person)
    holder.add("")
    holder.keep_codes()
    visitor.sign_out()
    rename(visit(), person, first_name="Fig", last_name="Marlow")

    page.goto("/account/login/?next=/account/security/")
    visitor.button("Sign in with a passkey").click()
    holder.expect_on_security_page()

    page.wait_for_load_state("networkidle")
    (passkey,) = holder.passkeys
    assert (passkey["userName"], passkey["userDisplayName"]) == (person, "Fig Marlow")


def rename(owner: Visitor, person: str, *, first_name: str, last_name: str) -> None:
    page = owner.page
    page.goto(f"/admin/login/?next=/admin/auth/user/%3Fq={person}")
    page.get_by_label("Username").fill(OWNER)
    page.get_by_label("Password:").fill(owner.password)
    page.get_by_role("button", name="Log in").click()
    page.get_by_role("link", name=person, exact=True).click()
    page.get_by_label("First name").fill(first_name)
    page.get_by_label("Last name").fill(last_name)
    page.get_by_label("Last name").press("Enter")
    expect(page.get_by_text("was changed successfully")).to_be_visible()


# A password manager that filled in the password, as browsers tell of themselves.
MAKES_BY_ITSELF = """
  PublicKeyCredential.getClientCapabilities = async () => ({ conditionalCreate: true });
  const make = navigator.credentials.create.bind(navigator.credentials);
  navigator.credentials.create = ({ publicKey, mediation }) => {
    document.documentElement.dataset.mediation = mediation;
    return make({ publicKey });
  };
"""


def test_a_password_manager_saves_one_by_itself(holder: Holder, person: str) -> None:
    """After a sign-in by password and code, unasked; the page says so, and it is a factor then."""
    page, visitor = holder.page, holder.visitor
    walk = Walk(visitor)
    visitor.sign_in(person)
    app, _ = walk.set_up()
    visitor.sign_out()
    page.add_init_script(MAKES_BY_ITSELF)
    walk.give_password(person)
    page.get_by_label(CODE).fill(walk.code(app))

    visitor.button("Sign in").click()

    expect(page.get_by_role("status").get_by_text("Passkey is set up.")).to_be_visible()
    expect(page.locator("html")).to_have_attribute("data-mediation", "conditional")
    assert len(holder.passkeys) == 1
    page.reload()
    expect(page.get_by_role("heading", name="Passkey Synced")).to_be_visible()


def expect_calls(page: Page, count: int) -> None:
    """So often a passkey was asked for. In the page's own tree: its policy forbids to poll."""
    expect(page.locator("html")).to_have_attribute("data-calls", str(count))


def finished(holder: Holder) -> list[str]:
    """The sign-ins that the page will have sent."""
    sent: list[str] = []

    def note(request: Request) -> None:
        if request.url.endswith("/login/passkey/finish/"):
            sent.append(request.url)

    holder.page.on("request", note)
    return sent


def ready_to_sign_in(holder: Holder, person: str) -> None:
    """Somebody with a passkey is at the sign-in page, and signs by hand."""
    holder.visitor.sign_in(person)
    holder.add("")
    holder.keep_codes()
    holder.page.add_init_script(BY_HAND)
    holder.visitor.sign_out()
    holder.page.goto("/account/login/?next=/account/security/")


def test_staff_sign_in_to_the_admin(holder: Holder, visit: Visit) -> None:
    """The admin's own page has the button, and leads on to where they wanted to go."""
    page, visitor = holder.page, holder.visitor
    visitor.sign_in(OWNER)
    holder.add("Desk")
    holder.keep_codes()
    page.add_init_script(NO_AUTOFILL)
    visitor.sign_out()

    page.goto("/admin/login/?next=/admin/auth/user/")
    button = visitor.button("Sign in with a passkey")
    box = button.bounding_box()
    assert box is not None
    assert box["height"] >= 24  # WCAG 2.5.8
    button.click()

    expect(page.get_by_role("heading", name="Select user to change")).to_be_visible()
    page.goto("/account/security/")
    page.get_by_role("link", name="Remove Desk").click()
    visitor.button("Remove").click()
    holder.expect_on_security_page()


def test_without_a_password(holder: Holder, person: str) -> None:
    """The password is given up; who loses the passkey comes back by a recovery code."""
    page, visitor = holder.page, holder.visitor
    visitor.sign_in(person)
    holder.add("Old")
    codes = holder.keep_codes()
    page.get_by_role("link", name=re.compile("[Gg]ive up")).click()
    visitor.button("Give up my password").click()
    expect(page.get_by_text("You have no password any more.")).to_be_visible()
    visitor.sign_out()
    holder.lose()

    page.goto("/account/login/recover/")
    page.get_by_label("Username").fill(person)
    page.get_by_label("Recovery code").fill(codes[0])
    visitor.button("Continue").click()
    page.get_by_label("Name").fill("New")
    visitor.button("Add passkey").click()

    expect(page.get_by_text("New is set up.")).to_be_visible()
    holder.expect_on_security_page()
    assert len(holder.passkeys) == 1


@pytest.mark.parametrize("has_scripts", [False, True], ids=["no scripts", "no passkeys"])
def test_a_browser_that_cannot_is_told(
    visit: Visit, person: str, shop: Server, has_scripts: bool
) -> None:
    """Without JavaScript or WebAuthn the page says what to do instead, with no dead button."""
    home = shop.url.replace("127.0.0.1", "localhost")
    visitor = visit(java_script_enabled=has_scripts, base_url=home)
    visitor.page.add_init_script("delete window.PublicKeyCredential;")
    visitor.page.goto("/account/login/")
    expect(visitor.button("Sign in with a passkey")).to_be_hidden()
    visitor.sign_in(person)

    visitor.page.goto("/account/security/passkeys/")

    expect(
        visitor.page.get_by_text("This browser knows no passkeys, or runs no JavaScript.")
    ).to_be_visible()
    expect(visitor.button("Add passkey")).to_be_hidden()


@pytest.mark.urls("tests.urls")
@pytest.mark.django_db(transaction=True)
@override_settings(SESSIONS_PLUS_SITE_URL="https://shop.example")
def test_another_domain_is_told_in_the_console(live_server: LiveServer, browser: Browser) -> None:
    """Elsewhere than the setting says the browser refuses, and who builds the site reads why."""
    page = browser.new_page(base_url=live_server.url)
    page.add_init_script(NO_AUTOFILL)
    page.goto("/account/login/")

    with page.expect_console_message(lambda one: "SESSIONS_PLUS_SITE_URL" in one.text) as told:
        page.get_by_role("button", name="Sign in with a passkey").click()

    assert live_server.url in told.value.text
    page.close()


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize(
    ("agent", "width"),
    [(FIREFOX_ON_LINUX, 1100), (SAFARI_ON_A_PHONE, 390)],
    ids=["desktop", "phone"],
)
def test_looks(
    visit: Visit, person: str, shop: Server, scheme: Any, agent: str, width: int
) -> None:
    """No page of passkeys is wider than its window."""
    home = shop.url.replace("127.0.0.1", "localhost")
    size = {"width": width, "height": 900}
    visitor = visit(user_agent=agent, base_url=home, color_scheme=scheme, viewport=size)
    holder, page = Holder(visitor), visitor.page
    visitor.sign_in(person)

    def look(name: str) -> None:
        assert not visitor.page_is_too_wide, name
        picture(page, f"{name}-{width}-{scheme}")

    page.goto("/account/security/passkeys/")
    look("passkey-enrol")
    holder.add("My laptop")
    holder.keep_codes()
    look("passkey-security")
    page.goto("/account/security/password/give-up/")
    look("password-give-up")
    page.goto("/account/reauthenticate/")
    look("passkey-reauthenticate")
    holder.touches(at_once=False)
    visitor.sign_out()
    page.goto("/account/login/")
    look("passkey-login")
    page.goto("/account/login/recover/")
    look("passkey-recover")
    page.goto("/account/login/")
    visitor.fill_in_sign_in(person)
    expect(visitor.heading("Confirm your sign-in")).to_be_visible()
    look("passkey-challenge")
