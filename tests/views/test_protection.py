"""What every page of ours answers with, and what it asks of a browser."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.test import Client, override_settings

from tests.views.conftest import SAFARI, SignIn, same_browser

PAGES = ["/account/login/?next=/x/", "/account/devices/", "/account/activity/"]
STRICT = "default-src 'self'; object-src 'none'; base-uri 'none'"


def csp_middleware(
    get_response: Callable[[HttpRequest], HttpResponseBase],
) -> Callable[[HttpRequest], HttpResponseBase]:
    """Set a strict policy where there is none, as Django's own middleware does."""

    def respond(request: HttpRequest) -> HttpResponseBase:
        response = get_response(request)
        response.headers.setdefault("Content-Security-Policy", STRICT)
        return response

    return respond


@pytest.mark.parametrize("path", PAGES)
def test_no_cache_and_no_frame(user: User, sign_in: SignIn, path: str) -> None:
    """No cache keeps a page of ours, and no other site frames or embeds it."""
    headers = sign_in(user).get(path).headers

    assert "no-store" in headers["Cache-Control"]
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["Content-Security-Policy"] == "frame-ancestors 'none'"
    assert headers["Cross-Origin-Resource-Policy"] == "same-origin"


def test_redirects_are_not_kept_either(db: None) -> None:
    """No cache keeps where a stranger was sent."""
    assert "no-store" in Client().get("/account/devices/").headers["Cache-Control"]


def test_the_sites_policy_is_left_to_the_site(user: User, sign_in: SignIn) -> None:
    """A policy of the site's is not replaced by ours, which forbids less."""
    client = sign_in(user)
    middleware = [f"{__name__}.csp_middleware", *settings.MIDDLEWARE]

    with override_settings(MIDDLEWARE=middleware):
        headers = same_browser(client).get("/account/devices/").headers

    assert headers["Content-Security-Policy"] == STRICT
    assert headers["X-Frame-Options"] == "DENY"


@pytest.mark.parametrize("path", PAGES)
def test_pages_hold_under_a_strict_policy(user: User, sign_in: SignIn, path: str) -> None:
    """No page has a script, a style or a handler in it but files of this site."""
    sign_in(user, SAFARI).post("/account/logout/")
    html = sign_in(user).get(path).content.decode()

    assert "sessions_plus.css" in html
    assert not re.search(
        r"<script(?! src=\"/static/sessions_plus/[\w-]+\.js\" defer></script>)|<style|\sstyle=|\son\w+=|javascript:|https?://",
        html,
    )
