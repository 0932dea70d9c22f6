"""Every address of the pages, as the URLs name them: none is a dead end for who just goes there."""

from __future__ import annotations

from uuid import uuid4

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import URLPattern, reverse

from sessions_plus import urls
from tests.views.conftest import SignIn

# What scripts and browsers themselves send a POST to, and nobody ever sees in an address bar.
OF_PROGRAMS = {
    *("passkey_sign_in_options", "passkey_sign_in", "passkey_begin", "recover_passkey_begin"),
    *("passkey_challenge_options", "passkey_challenge"),
    *("passkey_reauthenticate_options", "passkey_reauthenticate"),
    *("session_remaining", "session_stay"),
    *("device_key_register", "device_key_refresh", "device_key_check"),
}
VALUES = {"public_id": uuid4(), "token": "x", "uidb64": "Mg"}


PATTERNS = [found for found in urls.urlpatterns if found.name not in OF_PROGRAMS]


@pytest.mark.parametrize("pattern", PATTERNS, ids=lambda pattern: pattern.name)
def test_going_there_leads_to_a_page(user: User, sign_in: SignIn, pattern: URLPattern) -> None:
    """Signed in or not: it is a page, leads to one, or says calmly that there is none."""
    values = {name: VALUES[name] for name in pattern.pattern.converters}
    address = reverse(f"sessions_plus:{pattern.name}", kwargs=values)

    for client in (Client(), sign_in(user)):
        response = client.get(address, follow=True)

        assert response.status_code in (200, 404, 410), response.status_code
        assert response["Content-Type"].startswith("text/html")


def test_the_list_of_programs_is_true() -> None:
    """None of them is missing from the URLs."""
    assert {pattern.name for pattern in urls.urlpatterns} >= OF_PROGRAMS
