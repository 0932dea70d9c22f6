"""Passwords and tokens that a program sends stay out of error reports and logs."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from django.core.signals import got_request_exception
from django.views.debug import ExceptionReporter

from sessions_plus.tokens import access
from tests.api.conftest import Caller
from tests.tokens.factories import new_tokens

pytestmark = pytest.mark.django_db

NAME = "ann"


@pytest.fixture
def reports() -> Iterator[list[str]]:
    """What the site's administrators would be mailed of each error."""
    found: list[str] = []

    def report(request: Any, **_: Any) -> None:
        reporter = ExceptionReporter(request, *sys.exc_info())
        found.extend([reporter.get_traceback_text(), reporter.get_traceback_html()])

    got_request_exception.connect(report)
    yield found
    got_request_exception.disconnect(report)


@pytest.mark.parametrize("name", ["token_issue", "token_refresh", "session_list"])
def test_error_reports(
    user: Any,
    password: str,
    reports: list[str],
    monkeypatch: pytest.MonkeyPatch,
    name: str,
) -> None:
    """OWASP ASVS 13.4.2: whatever breaks, the report of it holds no password and no token."""
    tokens = new_tokens(user)
    body = {
        "token_issue": {"username": NAME, "password": password},
        "token_refresh": {"refresh": tokens.refresh},
    }

    def broken(*_: Any, **__: Any) -> None:
        raise RuntimeError("broken on purpose")

    monkeypatch.setattr(access, "_encode", broken)
    monkeypatch.setattr(access, "_check_times", broken)
    caller = Caller(tokens.access if name == "session_list" else None)
    caller.client.raise_request_exception = False

    method = "get" if name == "session_list" else "post"
    response = caller(method, name, body.get(name))

    assert response.status_code == 500
    assert len(reports) == 2
    assert "broken on purpose" in reports[0]
    for secret in (password, tokens.refresh, tokens.access.rpartition(".")[2]):
        assert not [report for report in reports if secret in report]


def test_logs(user: Any, password: str, caplog: pytest.LogCaptureFixture, stranger: Caller) -> None:
    """Nothing that signs anybody in reaches a log, at any level."""
    with caplog.at_level(logging.DEBUG):
        body = stranger("post", "token_issue", {"username": NAME, "password": password}).json()
        newer = stranger("post", "token_refresh", {"refresh": body["refresh"]}).json()
        Caller(newer["access"])("get", "session_list")
        Caller(newer["refresh"])("get", "session_list")
        stranger("post", "token_refresh", {"refresh": newer["access"]})

    said = caplog.text
    for secret in (password, body["refresh"], newer["refresh"], body["access"], newer["access"]):
        assert secret not in said


@pytest.fixture
def stranger() -> Caller:
    return Caller()
