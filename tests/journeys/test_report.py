"""From a mail to a session that is ended, in a real browser, which sends what browsers send."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Page, expect
from pytest_django.live_server_helper import LiveServer

from sessions_plus.models import Reason, Session
from tests.conftest import PASSWORD
from tests.notices.mails import link_in, only_mail
from tests.support.browsers import FIREFOX, SAFARI

pytestmark = [
    pytest.mark.browser,
    pytest.mark.urls("tests.notices.urls"),
    pytest.mark.django_db(transaction=True),
]


@pytest.fixture(autouse=True)
def _loop_in_this_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """Playwright runs a loop in the test's thread, where Django then refuses to ask a database."""
    monkeypatch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")


def sign_in(browser: Any, live_server: LiveServer, user_agent: str) -> Page:
    page: Page = browser.new_context(base_url=live_server.url, user_agent=user_agent).new_page()
    page.goto("/account/login/")
    page.get_by_label("Username").fill("ann")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()
    expect(page.get_by_role("heading", name="Devices", exact=True)).to_be_visible()
    return page


@pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "no scripts"])
def test_stranger_is_thrown_out(
    user: User, browser: Any, live_server: LiveServer, scripts: bool
) -> None:
    """A person follows the mail's link, confirms, and is asked for a new password."""
    ann = sign_in(browser, live_server, FIREFOX)
    stranger = sign_in(browser, live_server, SAFARI)
    link = link_in(only_mail())
    mail_program = browser.new_context(java_script_enabled=scripts)
    page = mail_program.new_page()

    page.goto(link)
    expect(page.get_by_role("heading", name="Was this not you?")).to_be_visible()
    page.get_by_label("Also sign out all my other devices").uncheck()
    page.get_by_role("button", name="It was not me: end it").click()

    expect(page).to_have_url(f"{live_server.url}/reset/")
    assert Session.objects.get(system="iOS").revoked_reason == Reason.REPORTED
    stranger.reload()
    expect(stranger.get_by_role("heading", name="Sign in", exact=True)).to_be_visible()
    ann.reload()
    expect(ann.get_by_role("heading", name="Devices", exact=True)).to_be_visible()
    page.goto(link)
    expect(page.get_by_role("heading", name="This link no longer works")).to_be_visible()
    for opened in (ann, stranger, page):
        opened.context.close()
