"""Whoever reads the whole database and cache holds no session by it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.apps import apps
from django.contrib.auth.models import User
from django.core.cache import caches
from django.utils import timezone

from sessions_plus.models import Session
from tests.conftest import World
from tests.support.browsers import Browser

pytestmark = [pytest.mark.urls("tests.support.sites"), pytest.mark.django_db(transaction=True)]

CANARY = "canary-in-the-session"


def dumped() -> list[Any]:
    """Return every value of every row of ours."""
    return [
        value
        for model in apps.get_app_config("sessions_plus").get_models()
        for row in model._base_manager.values_list()
        for value in row
    ]


@pytest.fixture
def ann(engine: str, world: World, user: User) -> Browser:
    """Signed in, with data, and with a rotation behind her whose successor was not seen yet."""
    caches["default"].clear()
    browser = Browser(world)
    browser.get("sign-in", name="ann")
    browser.get("write", color=CANARY)
    due = timezone.now() - timedelta(hours=25)
    Session.objects.update(authenticated_at=due, rotated_at=due)
    browser.text("who")
    return browser


def test_no_value_of_a_dump_is_a_cookie(ann: Browser) -> None:
    """Neither digests nor public ids nor envelopes, in any spelling, open a session."""
    for value in dumped():
        spellings = [str(value)]
        if isinstance(value, (bytes, memoryview)):
            spellings = [bytes(value).hex(), bytes(value).decode("latin-1")]
        for spelling in spellings:
            thief = Browser(ann.world)
            thief.key = "".join(sign for sign in spelling if sign.isprintable())[:4000]
            assert thief.text("who") == "AnonymousUser"
    assert ann.text("who") == "ann"


def test_no_secret_is_readable_in_a_dump(ann: Browser) -> None:
    """The key, the device's token and the session's data stand nowhere in clear."""
    everything = b"".join(
        bytes(value) if isinstance(value, (bytes, memoryview)) else str(value).encode()
        for value in dumped()
    )

    for secret in (ann.key, ann.cookies["device"].value, CANARY):
        assert secret.encode() not in everything


def test_no_secret_is_readable_in_the_cache(ann: Browser) -> None:
    """Copies in the cache are sealed, and their names tell nothing."""
    cache: Any = caches["default"]
    held = repr(cache._cache)

    for secret in (ann.key, CANARY, str(Session.objects.get().public_id)):
        assert secret not in held
