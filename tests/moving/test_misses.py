"""Old keys that are none cost little, and never somebody else their cookie."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from sessions_plus.store import adoption
from sessions_plus.store.adoption import MISSES, Misses, misses, subject_of
from tests.conftest import World
from tests.moving.conftest import Arrive
from tests.support.browsers import Browser
from tests.support.old_engines import DJANGOS

pytestmark = [pytest.mark.urls("tests.support.sites"), pytest.mark.django_db(transaction=True)]

BOGUS = "0123456789abcdef0123456789abcde"


@pytest.mark.parametrize(
    "key",
    [
        pytest.param("short", id="short"),
        pytest.param("x" * 31, id="one sign less"),
        pytest.param("X" * 32, id="capitals"),
        pytest.param("x" * 31 + "é", id="another script"),
        pytest.param("x" * 4000, id="long"),
        pytest.param("a:b:c", id="a signature"),
    ],
)
def test_rubbish_costs_nothing(
    djangos: str,
    engine: str,
    world: World,
    django_assert_num_queries: Any,
    key: str,
) -> None:
    """What cannot be a key of the old engine is refused without any I/O."""
    browser = Browser(world)
    browser.key = key
    with django_assert_num_queries(0):
        browser.get("read")


def test_a_forged_signature_costs_nothing(
    moved_in: Any, engine: str, world: World, django_assert_num_queries: Any
) -> None:
    """Nor does a cookie that another site signed."""
    moved_in(f"{DJANGOS}signed_cookies")
    browser = Browser(world)
    browser.key = "eyJhIjoxfQ:1tMPNE:Zm9yZ2VkLXNpZ25hdHVyZQ"
    with django_assert_num_queries(0):
        browser.get("read")


def test_who_asks_too_often_is_not_looked_up(
    djangos: str,
    arrive: Arrive,
    world: World,
    user: User,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """From then on nothing is looked up for that address, and no cookie is touched there."""
    monkeypatch.setattr(adoption, "MISSES", 3)
    stranger, ann = Browser(world), arrive(user)
    for number in range(3):
        stranger.key = f"{BOGUS}{number}"
        stranger.get("read")
        assert not stranger.has_key

    old_key = ann.key
    assert ann.text("who") == "AnonymousUser"
    assert ann.get("write").cookies == {}
    assert ann.key == old_key
    misses.forget()
    assert ann.text("who") == "ann"


def test_who_came_along_before_is_followed(
    djangos: str, arrive: Arrive, world: World, user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A tab of a browser that was adopted goes on, whoever else is at that address."""
    ann = arrive(user)
    tab = ann.twin()
    ann.text("who")
    monkeypatch.setattr(adoption, "MISSES", 0)

    assert tab.text("who") == "ann"


def test_who_signs_in_meanwhile_is_signed_in(
    djangos: str, arrive: Arrive, user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sign-in sets a cookie, whatever came before it."""
    monkeypatch.setattr(adoption, "MISSES", 0)
    ann = arrive(user)
    ann.get("sign-in", name="ann")

    assert ann.text("who") == "ann"


def test_misses_are_forgotten() -> None:
    """They count for a minute, for each address."""
    counted, now = Misses(), timezone.now()
    for _ in range(MISSES):
        assert counted.may_look_up("192.0.2.1", now)
        counted.count("192.0.2.1", now)

    assert not counted.may_look_up("192.0.2.1", now)
    assert counted.may_look_up("192.0.2.2", now)
    later = now + timedelta(minutes=1)
    assert counted.may_look_up("192.0.2.1", later)
    counted.count("192.0.2.1", later)
    assert counted.may_look_up("192.0.2.1", later)


def test_few_addresses_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever has many addresses fills no memory."""
    monkeypatch.setattr(adoption, "ADDRESSES_KNOWN", 2)
    counted, now = Misses(), timezone.now()
    for number in range(5):
        counted.count(str(number), now)

    assert len(counted._counts) == 2


@pytest.mark.parametrize(
    ("address", "subject"),
    [
        pytest.param("192.0.2.7", "192.0.2.7", id="IPv4"),
        pytest.param("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64", id="IPv6"),
        pytest.param(None, "", id="none"),
        pytest.param("unknown", "", id="no address"),
    ],
)
def test_what_an_address_is_counted_by(address: str | None, subject: str) -> None:
    """A customer has all of a /64."""
    assert subject_of(address) == subject
