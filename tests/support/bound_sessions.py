"""A site whose sessions are bound to their browser's device, and a person whose session is."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.contrib.auth.models import User

from sessions_plus.cache import copies
from tests.conftest import World
from tests.support.device_keys import KeyBrowser
from tests.support.moments import START

__all__ = ["HTTPS", "MOMENT", "OVER", "START", "UNDER_WAY", "ann", "clock", "thief_of"]

UNDER_WAY = timedelta(seconds=11)
MOMENT = timedelta(seconds=1)
OVER = timedelta(minutes=11, seconds=1)
HTTPS: dict[str, Any] = {
    "SESSION_COOKIE_SECURE": True,
    "SESSION_COOKIE_NAME": "__Host-sessionid",
    "SESSIONS_PLUS_DEVICE_BINDING": "enforce",
    "STATIC_URL": "/static/",
}


@pytest.fixture
def clock() -> Iterator[Any]:
    with time_machine.travel(START, tick=False) as traveller:
        yield traveller
    copies.reset()  # it noted when it began


@pytest.fixture
def ann(engine: str, world: World, user: User, clock: Any) -> KeyBrowser:
    """Ann's browser, whose session is bound; what it asked for before has arrived."""
    browser = KeyBrowser(world)
    browser.bind("ann")
    clock.shift(UNDER_WAY)
    return browser


def thief_of(browser: KeyBrowser) -> KeyBrowser:
    """Somebody with all its cookies but its proof, which has ended."""
    thief = KeyBrowser(browser.world)
    for name, morsel in browser.cookies.items():
        if name != browser.proof_cookie and morsel.value:
            thief.cookies[name] = morsel.value
    thief.identifier = browser.identifier
    return thief
