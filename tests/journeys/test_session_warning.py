"""A person is warned before being signed out, and stays or leaves, under a strict policy."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.contrib.staticfiles.urls import staticfiles_urlpatterns
from django.http import HttpRequest, HttpResponse
from django.middleware.csrf import get_token
from django.template import RequestContext, Template
from django.test import override_settings
from django.urls import include, path
from playwright.sync_api import Page, expect

pytestmark = [
    pytest.mark.browser,
    pytest.mark.urls("tests.journeys.test_session_warning"),
    pytest.mark.django_db(transaction=True),
]

PAGE = (
    "<!doctype html><title>Work</title>{% load sessions_plus %}{% session_warning warn_seconds=6 %}"
)
POLICY = "default-src 'self'; object-src 'none'; base-uri 'none'"


def work(request: HttpRequest) -> HttpResponse:
    get_token(request)
    html = Template(PAGE).render(RequestContext(request))
    return HttpResponse(html, headers={"Content-Security-Policy": POLICY})


urlpatterns = [path("work/", work), path("account/", include("sessions_plus.urls"))]
urlpatterns += staticfiles_urlpatterns()


@pytest.fixture
def idle_seconds() -> int:
    return 9


@pytest.fixture
def impatient(idle_seconds: int) -> Iterator[None]:
    idle_timeout = timedelta(seconds=idle_seconds)
    with override_settings(DEBUG=True, SESSIONS_PLUS_IDLE_TIMEOUT=idle_timeout):
        yield


@pytest.fixture
def at_work(impatient: None, live_server: Any, page: Page, user: User, password: str) -> Page:
    page.goto(f"{live_server.url}/account/login/?next=/work/")
    page.get_by_label("Username").fill("ann")
    page.get_by_label("Password", exact=True).fill(password)
    page.get_by_role("button", name="Sign in", exact=True).click()
    page.wait_for_url("**/work/")
    return page


def test_staying_and_leaving(at_work: Page) -> None:
    """The dialog opens in time, closes for who stays, and says when it is over for who left."""
    problems: list[str] = []
    at_work.on("console", lambda message: problems.append(message.text))
    dialog = at_work.get_by_role("dialog", name="Still there?")

    expect(dialog).to_be_visible()
    expect(dialog.get_by_role("timer")).to_contain_text("0:0")
    dialog.get_by_role("button", name="Stay signed in").press("Enter")
    expect(dialog).to_be_hidden()

    expect(dialog).to_be_visible()
    expect(dialog.get_by_text("You are signed out.")).to_be_visible()
    expect(dialog.get_by_role("link", name="Sign in again")).to_be_visible()
    assert [text for text in problems if "401" not in text] == []


@pytest.mark.parametrize("idle_seconds", [18])  # one slow page must not look like an absence
def test_another_tab_keeps_it_closed(at_work: Page, idle_seconds: int) -> None:
    """Whoever is active in another tab is not disturbed in this one."""
    other = at_work.context.new_page()
    dialog = at_work.get_by_role("dialog", name="Still there?")

    began = time.monotonic()

    while time.monotonic() - began < idle_seconds:
        other.goto(at_work.url)
        at_work.wait_for_timeout(1_500)
        expect(dialog).to_be_hidden()
