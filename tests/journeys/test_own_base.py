"""Our pages inside a site's own page, by the recipe of the page on templates."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import override_settings
from playwright.sync_api import Browser, Page, expect
from pytest_django.live_server_helper import LiveServer

from sessions_plus.models import Device, Session
from tests.journeys.test_report import sign_in
from tests.settings import TEMPLATES
from tests.support.browsers import FIREFOX
from tests.support.fresh_projects import ROOT

pytestmark = [
    pytest.mark.browser,
    pytest.mark.urls("tests.urls"),
    pytest.mark.django_db(transaction=True),
]

RECIPE = re.compile(r"Write `templates/(?P<name>[\w/.]+)`.*?```django\n(?P<text>.*?)```", re.DOTALL)

# A page as any site has one: all of the window, with a style of its own.
SITE = """{% load static %}<!doctype html>
<html lang="en">
<head>
  <meta name="viewport" content="width=device-width, initial-scale=1">
  <link rel="stylesheet" href="{% static "sessions_plus/sessions_plus.css" %}">
  <title>{% block title %}{% endblock %}</title>{% block extra_head %}{% endblock %}
</head>
<body>{% for message in messages %}<p>{{ message }}</p>{% endfor %}
<main>{% block main %}{% endblock %}</main></body>
</html>
"""
PAGES = ["devices/", "activity/", "security/", "security/password/", "security/passkeys/"]


@pytest.fixture(autouse=True)
def _loop_in_this_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """Playwright runs a loop in the test's thread, where Django then refuses to ask a database."""
    monkeypatch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")


@pytest.fixture
def in_sites_page(tmp_path: Path) -> Callable[[], Any]:
    """Settings of a site that followed the recipe."""
    found = RECIPE.search((ROOT / "docs" / "templates.md").read_text(encoding="utf-8"))
    assert found is not None
    base = tmp_path / found["name"]
    base.parent.mkdir()
    base.write_text(found["text"])
    (tmp_path / "site.html").write_text(SITE)
    return lambda: override_settings(TEMPLATES=[{**TEMPLATES[0], "DIRS": [tmp_path]}])


@pytest.fixture
def ann(user: User, browser: Browser, live_server: LiveServer) -> Iterator[Page]:
    page = sign_in(browser, live_server, FIREFOX)
    yield page
    page.context.close()


WIDTH = """Math.round(document.querySelector("h1").parentElement.getBoundingClientRect().width)"""


def widths(page: Page, address: str) -> dict[str, int]:
    """How wide each page's own content is; none scrolls sideways."""
    found = {}
    for path in PAGES:
        page.goto(f"{address}/account/{path}")
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), path
        found[path] = page.evaluate(WIDTH)
    return found


def test_the_pages_keep_their_width(
    ann: Page, in_sites_page: Callable[[], Any], live_server: LiveServer
) -> None:
    """On a desk they are as wide as in our own base, on a phone no wider than the window."""
    ann.set_viewport_size({"width": 1280, "height": 844})
    ours = widths(ann, live_server.url)
    with in_sites_page():
        theirs = widths(ann, live_server.url)
        expect(ann.locator("main > div.sessions-plus")).to_be_visible()
        ann.set_viewport_size({"width": 390, "height": 844})
        widths(ann, live_server.url)

    assert theirs == ours
    assert max(ours.values()) < 1000


def test_names_without_a_space_break(ann: Page, live_server: LiveServer) -> None:
    """However long a device's or a person's name is, no page scrolls sideways for it."""
    User.objects.update(username="W" * 150)
    Device.objects.update(name="W" * 100)
    session = Session.objects.get()
    ann.set_viewport_size({"width": 390, "height": 844})

    for path in (
        "devices/",
        f"devices/sessions/{session.public_id}/",
        "activity/",
        "login/?next=/admin/",
    ):
        ann.goto(f"{live_server.url}/account/{path}")
        expect(ann.get_by_text("WWWW").first).to_be_visible()
        assert ann.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), path
