"""Sessions that are bound to their browser's device, with each kind of cache."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import time_machine
from django.contrib.auth.models import User
from django.db import connection
from django.test import override_settings
from django.test.utils import CaptureQueriesContext

from sessions_plus.cache import copies
from sessions_plus.cache.tier import Tier
from sessions_plus.lifecycle import revoke
from sessions_plus.models import Session
from tests.conftest import World
from tests.support.bound_sessions import HTTPS, MOMENT, OVER, START, UNDER_WAY, thief_of
from tests.support.device_keys import KeyBrowser

pytestmark = [
    pytest.mark.urls("tests.support.bound_sites"),
    pytest.mark.django_db(transaction=True),
]


@pytest.fixture
def clock(tier: Tier) -> Iterator[Any]:
    with time_machine.travel(START, tick=False) as traveller, override_settings(**HTTPS):
        yield traveller
    copies.reset()  # it noted when it began


def test_a_copy_of_a_bound_session(tier: Tier, world: World, user: User, clock: Any) -> None:
    """
    It serves whoever has a proof without asking the database, and nobody else.

    It knows of the binding at once, also where a copy of before was kept; and of the end.
    """
    browser = KeyBrowser(world)
    browser.sign_in("ann")
    assert browser.text("read") == "none"  # a copy is kept before it is bound
    assert browser.register().status_code == 200
    assert browser.text("who") == "ann"
    clock.shift(UNDER_WAY)
    assert browser.text("read") == "none"

    with CaptureQueriesContext(connection) as asked:
        assert browser.text("read") == "none"
    assert not asked
    assert thief_of(browser).text("who") == "AnonymousUser"
    assert browser.text("who") == "ann"

    clock.shift(OVER - UNDER_WAY)
    assert browser.text("who") == "AnonymousUser"
    browser.lose_proof()
    assert browser.refresh().status_code == 200
    clock.shift(MOMENT)
    assert browser.text("who") == "ann"
    revoke(Session.objects.get())
    assert browser.text("who") == "AnonymousUser"
