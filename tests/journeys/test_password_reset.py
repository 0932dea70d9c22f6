"""From a mail to a new password, in a real browser."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core import mail
from playwright.sync_api import Page, expect
from pytest_django.live_server_helper import LiveServer

from sessions_plus.models import Reason, Session
from tests.conftest import PASSWORD
from tests.journeys.test_report import sign_in
from tests.notices.mails import link_in
from tests.support.authenticators import enrol
from tests.support.browsers import FIREFOX, SAFARI

pytestmark = [
    pytest.mark.browser,
    pytest.mark.urls("tests.urls"),
    pytest.mark.django_db(transaction=True),
]

NEW = "a quite different horse"
LINK = re.compile(r"https?://\S+/password/reset/\S+/")


@pytest.fixture(autouse=True)
def _loop_in_this_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """Playwright runs a loop in the test's thread, where Django then refuses to ask a database."""
    monkeypatch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")


def reset_link() -> str:
    found = LINK.search(str(mail.outbox[-1].body))
    assert found is not None
    return found[0]


def choose_new_password(page: Page) -> None:
    page.get_by_label("New password", exact=True).fill(NEW)
    page.get_by_label("New password confirmation").fill(NEW)
    page.get_by_role("button", name="Change password").click()
    expect(page.get_by_role("heading", name="Your password is changed")).to_be_visible()


@pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "no scripts"])
def test_forgotten_password_of_somebody_with_a_second_factor(
    user: User, browser: Any, live_server: LiveServer, scripts: bool
) -> None:
    """From the sign-in page through the mail to a new password, and in with it and a code."""
    app = enrol(user)
    context = browser.new_context(base_url=live_server.url, java_script_enabled=scripts)
    page = context.new_page()

    page.goto("/account/login/")
    page.get_by_role("link", name="Forgot your password?").click()
    page.get_by_label("Email").fill("ann@example.com")
    page.get_by_role("button", name="Send the link").click()
    expect(page.get_by_role("heading", name="Look into your mail")).to_be_visible()
    page.goto(reset_link())
    choose_new_password(page)
    page.get_by_role("link", name="Sign in", exact=True).click()
    page.get_by_label("Username").fill("ann")
    page.get_by_label("Password", exact=True).fill(NEW)
    page.get_by_role("button", name="Sign in", exact=True).click()
    page.get_by_label("Code from your authenticator app").fill(app.code())
    page.get_by_role("button", name="Sign in", exact=True).click()

    expect(page.get_by_role("heading", name="Devices", exact=True)).to_be_visible()
    context.close()


def test_a_stranger_is_out_in_under_five_clicks(
    user: User, browser: Any, live_server: LiveServer
) -> None:
    """Two links in mails and two buttons: the stranger is out, and knows no password any more."""
    ann = sign_in(browser, live_server, FIREFOX)
    stranger = sign_in(browser, live_server, SAFARI)
    page = browser.new_context(java_script_enabled=False).new_page()

    page.goto(link_in(mail.outbox[-1]))  # one
    page.get_by_role("button", name="It was not me: end it").click()  # two
    expect(page.get_by_text("We have sent you one more mail")).to_be_visible()
    expect(page.get_by_role("link", name="No mail? Send the link again")).to_be_visible()
    page.goto(reset_link())  # three
    choose_new_password(page)  # four

    assert Session.objects.get(system="iOS").revoked_reason == Reason.REPORTED
    stranger.reload()
    stranger.get_by_label("Username").fill("ann")
    stranger.get_by_label("Password", exact=True).fill(PASSWORD)
    stranger.get_by_role("button", name="Sign in", exact=True).click()
    expect(stranger.get_by_text("These details did not sign you in.")).to_be_visible()
    for opened in (ann, stranger, page):
        opened.context.close()
