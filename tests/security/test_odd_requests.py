"""Oversized and odd headers, and log lines that a client would like to write."""

from __future__ import annotations

import json
import logging

import pytest
from django.contrib.auth.models import User
from django.core.cache import caches

from sessions_plus.models import Device, Session, SessionEvent
from tests.conftest import World
from tests.support.browsers import Browser

pytestmark = [pytest.mark.urls("tests.support.sites"), pytest.mark.django_db(transaction=True)]

NASTY = [
    pytest.param('x\r\n{"event":"session.started","user":"1"}', id="a second line"),
    pytest.param("x\x1b[2J\x1b]0;owned\x07", id="escapes for terminals"),
    pytest.param("abc\u202egnp.exe", id="right to left"),
    pytest.param("%s%s%n {0} {__class__}", id="templates of formats"),
    pytest.param('"},{"event":"forged', id="quotes"),
    pytest.param("x" * 1_000_000, id="a megabyte"),
    pytest.param("\x00\x01\x7f\x85\u2028", id="controls"),
    pytest.param("é😀" * 300, id="beyond ASCII"),
]


@pytest.mark.parametrize("agent", NASTY)
def test_no_client_writes_its_own_log_line(
    engine: str, world: World, user: User, caplog: pytest.LogCaptureFixture, agent: str
) -> None:
    """Whatever a user agent holds, an event is one JSON object on one short line."""
    caches["default"].clear()
    browser = Browser(world, user_agent=agent.encode("utf-8").decode("latin-1"))

    with caplog.at_level(logging.INFO, logger="sessions_plus.security"):
        assert browser.get("sign-in", name="ann").status_code == 200

    lines = [r.getMessage() for r in caplog.records if r.name == "sessions_plus.security"]
    assert len(lines) == 2  # signed in, on a new device
    for line in lines:
        assert line.isascii()
        assert line.isprintable()
        assert len(line) < 8_000
        assert json.loads(line)["user"] == str(user.pk)
    for model in (Session, SessionEvent, Device):
        assert all(len(row.user_agent) <= 512 for row in model.objects.all())


@pytest.mark.parametrize(
    "cookie",
    [
        pytest.param("", id="empty"),
        pytest.param("x" * 100_000, id="huge"),
        pytest.param("A" * 75, id="one short"),
        pytest.param("A" * 77, id="one long"),
        pytest.param("é" * 76, id="not ASCII"),
        pytest.param("'; DROP TABLE sessions_plus_session; --".ljust(76), id="SQL"),
        pytest.param("../" * 26, id="a path"),
        pytest.param("=" * 76, id="padding"),
    ],
)
@pytest.mark.parametrize("name", ["sessionid", "device"])
def test_odd_cookies_are_no_cookies(
    engine: str, world: World, user: User, name: str, cookie: str
) -> None:
    """A cookie that we never gave out changes nothing: no error, and signing in works."""
    caches["default"].clear()
    browser = Browser(world)
    browser.cookies[name] = cookie
    assert browser.text("who") == "AnonymousUser"

    browser.cookies[name] = cookie
    browser.get("sign-in", name="ann")

    assert browser.text("who") == "ann"
    assert Session.objects.filter(revoked_at=None).count() == 1


@pytest.mark.parametrize("agent", ["", " ", "-"])
def test_no_user_agent_is_none(engine: str, world: World, user: User, agent: str) -> None:
    """A client that tells nothing of itself is let in like any other."""
    caches["default"].clear()
    browser = Browser(world, user_agent=agent)
    browser.get("sign-in", name="ann")

    assert browser.text("who") == "ann"
