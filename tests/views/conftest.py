"""People who are signed in, each in browsers of their own."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from django.test import Client

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"
SAFARI = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 "
    "(KHTML, like Gecko) Version/17.5 Mobile/15E148 Safari/604.1"
)

SignIn = Callable[..., Client]


@pytest.fixture
def sign_in(password: str) -> SignIn:
    """Return a browser of its own in which a person has just signed in."""

    def signed_in(user: User, user_agent: str = FIREFOX, ip_address: str = "203.0.113.7") -> Client:
        client = Client(headers={"user-agent": user_agent}, REMOTE_ADDR=ip_address)
        response = client.post(
            "/account/login/", {"username": user.get_username(), "password": password}
        )
        assert response.status_code == 302
        return client

    return signed_in


def same_browser(client: Client, *, enforce_csrf_checks: bool = False) -> Client:
    """
    Return a client with the same cookies, whose middleware is loaded anew.

    A client keeps the middleware of its first request, whatever settings say later.
    """
    again = Client(enforce_csrf_checks=enforce_csrf_checks, **client.defaults)  # type: ignore[arg-type]
    again.cookies = client.cookies
    return again
