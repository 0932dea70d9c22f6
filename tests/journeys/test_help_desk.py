"""The help desk helps somebody who called, and that person is told of each thing by mail."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core import mail
from playwright.sync_api import Page, expect
from pytest_django.live_server_helper import LiveServer

from sessions_plus.models import Event, Session, SessionEvent
from tests.admin.desk import make_support
from tests.conftest import PASSWORD
from tests.journeys.test_report import sign_in
from tests.support.authenticators import enrol
from tests.support.browsers import FIREFOX, SAFARI

pytestmark = [
    pytest.mark.browser,
    pytest.mark.urls("tests.urls"),
    pytest.mark.django_db(transaction=True),
]


@pytest.fixture(autouse=True)
def _loop_in_this_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """Playwright runs a loop in the test's thread, where Django then refuses to ask a database."""
    monkeypatch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")


@pytest.fixture
def support(browser: Any, live_server: LiveServer, transactional_db: None) -> Any:
    """Sam of the help desk, who has the documented permissions and no other, at the users."""
    make_support()
    context = browser.new_context(base_url=live_server.url)
    page: Page = context.new_page()
    page.goto("/account/login/?next=/admin/auth/user/")
    page.get_by_label("Username").fill("sam")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()
    expect(page.get_by_role("heading", name="Select user to view")).to_be_visible()
    yield page
    context.close()


def told(subject: str) -> bool:
    return subject in [message.subject for message in mail.outbox if "ann@" in message.to[0]]


def test_ends_sessions_and_resets_a_factor(
    user: User, browser: Any, live_server: LiveServer, support: Page
) -> None:
    """Support ends a person's sessions, resets the factor, and the person is told of both."""
    ann = sign_in(browser, live_server, FIREFOX)
    stranger = sign_in(browser, live_server, SAFARI)
    enrol(user)
    mail.outbox.clear()

    support.reload()
    row = support.locator("#result_list tbody tr", has=support.get_by_role("link", name="ann"))
    expect(row.locator(".field-has_second_factor")).to_have_text("Yes")
    row.get_by_role("link", name="ann").click()
    support.get_by_role("button", name="End all sessions").click()
    support.get_by_role("button", name="End all their sessions").click()
    expect(support.get_by_text("2 sessions were ended.")).to_be_visible()
    for page in (ann, stranger):
        page.reload()
        expect(page.get_by_role("heading", name="Sign in", exact=True)).to_be_visible()
    assert told("You were signed out by our staff")

    support.get_by_role("link", name="Remove their second factor").click()
    expect(support.get_by_text("ann: 1 authenticator")).to_be_visible()
    support.get_by_role("button", name="Remove their second factor").click()
    expect(support.get_by_text("The second factor of 1 person was removed.")).to_be_visible()
    assert told("Two-factor sign-in: an authenticator was removed")

    ann.get_by_label("Username").fill("ann")
    ann.get_by_label("Password", exact=True).fill(PASSWORD)
    ann.get_by_role("button", name="Sign in", exact=True).click()
    expect(ann.get_by_role("heading", name="Devices", exact=True)).to_be_visible()
    ann.goto("/account/activity/")
    expect(ann.get_by_text("administrator").first).to_be_visible()
    removed = SessionEvent.objects.get(event=Event.AUTHENTICATOR_REMOVED)
    assert str(removed.actor) == "sam"
    for page in (ann, stranger):
        page.context.close()


def test_many_at_once_after_a_proof(
    user: User, other_user: User, browser: Any, live_server: LiveServer, support: Page
) -> None:
    """Staff whose last proof is old prove themselves, come back to the question, and go on."""
    for person in (user, other_user):
        enrol(person)
    Session.objects.update(reauthenticated_at=None, authenticated_at=None)

    for name in ("ann", "ben"):
        link = support.get_by_role("link", name=name, exact=True)
        support.locator("#result_list tbody tr", has=link).get_by_role("checkbox").check()
    action = support.locator("select[name=action]")
    action.select_option(label="Remove the second factor of these people")
    support.locator("#changelist-form").get_by_role("button").first.click()
    expect(support).to_have_url(re.compile("/account/reauthenticate/"))
    support.get_by_label("Password", exact=True).fill(PASSWORD)
    support.get_by_role("main").get_by_role("button", name="Confirm").click()
    expect(support.get_by_text("ben: 1 authenticator")).to_be_visible()
    support.get_by_role("button", name="Remove their second factor").click()

    expect(support.get_by_text("The second factors of 2 people were removed.")).to_be_visible()
    expect(support).to_have_url(re.compile(r"/admin/auth/user/$"))
    assert SessionEvent.objects.filter(event=Event.AUTHENTICATOR_REMOVED).count() == 2
