"""Applying a stricter privacy of addresses to what is stored already."""

from __future__ import annotations

import json
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.cache import caches
from django.core.management import call_command
from django.utils import timezone

from sessions_plus.cache import copies
from sessions_plus.models import Event, Session, SessionEvent
from sessions_plus.privacy import addresses
from sessions_plus.privacy.addresses import reduce_addresses
from tests.conftest import World
from tests.support.browsers import Browser

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.urls("tests.support.sites")]


@pytest.fixture(autouse=True)
def _small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a few rows are many parts."""
    monkeypatch.setattr(addresses, "ROWS_AT_ONCE", 2)
    caches["default"].clear()


def store(*stored: str | None) -> None:
    for address in stored:
        Session.objects.create(
            expire_date=timezone.now() + timedelta(days=1), ip_address=address, location="Bern"
        )
        SessionEvent.objects.create(event=Event.SESSION_STARTED, ip_address=address)


def stored_in(model: Any) -> list[str | None]:
    return list(model.objects.order_by("pk").values_list("ip_address", flat=True))


@pytest.mark.parametrize(
    ("privacy", "expected", "places"),
    [
        pytest.param(
            "full",
            ["203.0.113.24", "203.0.113.99", "2001:db8:40:12::7", None],
            ["Bern"] * 4,
            id="full",
        ),
        pytest.param(
            "truncated",
            ["203.0.113.0", "203.0.113.0", "2001:db8:40::", None],
            ["Bern"] * 4,
            id="truncated",
        ),
        pytest.param("none", [None] * 4, ["", "", "", "Bern"], id="none"),
    ],
)
def test_what_is_stored_obeys(
    settings: Any, privacy: str, expected: list[str | None], places: list[str]
) -> None:
    """Each address becomes what would be stored of it today; without any, its place goes."""
    store("203.0.113.24", "203.0.113.99", "2001:db8:40:12::7", None)
    settings.SESSIONS_PLUS_IP_ADDRESS_PRIVACY = privacy

    reduce_addresses()

    assert stored_in(Session) == stored_in(SessionEvent) == expected
    assert [s.location for s in Session.objects.order_by("pk")] == places


def test_running_it_again_changes_nothing(settings: Any) -> None:
    """What is reduced already is not counted again."""
    store("203.0.113.24", "203.0.113.99", "198.51.100.7")
    settings.SESSIONS_PLUS_IP_ADDRESS_PRIVACY = "truncated"

    assert reduce_addresses() == {"sessions": 3, "events": 3}
    assert reduce_addresses() == {"sessions": 0, "events": 0}


def test_dry_run_counts(settings: Any) -> None:
    """Nothing is changed, and the same is counted; as JSON where that is asked for."""
    store("203.0.113.24", None)
    settings.SESSIONS_PLUS_IP_ADDRESS_PRIVACY = "none"
    out = StringIO()

    call_command("reduce_addresses", "--dry-run", "--json", stdout=out)

    assert json.loads(out.getvalue()) == {"dry_run": True, "reduced": {"sessions": 1, "events": 1}}
    assert stored_in(Session) == ["203.0.113.24", None]


def test_it_says_what_it_did(settings: Any) -> None:
    """Off a terminal it prints one line."""
    store("203.0.113.24")
    settings.SESSIONS_PLUS_IP_ADDRESS_PRIVACY = "truncated"
    out = StringIO()

    call_command("reduce_addresses", stdout=out)

    assert out.getvalue() == "Addresses of 1 sessions, 1 events reduced.\n"


def test_people_stay_signed_in_and_no_copy_keeps_it(
    engine: str, world: World, user: User, settings: Any
) -> None:
    """A session goes on with its data, and what the cache holds of it is made anew."""
    browser = Browser(world)
    browser.get("sign-in", name="ann")
    browser.get("write", color="red")
    settings.SESSIONS_PLUS_IP_ADDRESS_PRIVACY = "none"

    reduce_addresses()

    assert browser.text("who") == "ann"
    assert browser.text("read") == "red"
    session = Session.objects.get()
    assert session.ip_address is None
    if engine.endswith("cached_db"):
        copy = copies.recall(session.public_id).copy
        assert copy is None or copy.row().ip_address is None
