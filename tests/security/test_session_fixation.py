"""A key that somebody else knows never becomes a signed-in person's key."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.core.cache import caches

from sessions_plus.backends.keys import new_public_id, new_token
from sessions_plus.models import Session
from tests.browsers import Browser
from tests.conftest import World

pytestmark = [pytest.mark.urls("tests.sites"), pytest.mark.django_db(transaction=True)]


@pytest.fixture(autouse=True)
def _empty_cache() -> None:
    caches["default"].clear()


def test_planted_key_of_a_real_session_is_left_behind(
    engine: str, world: World, user: User
) -> None:
    """An attacker who planted their own anonymous key stays anonymous after the sign-in."""
    attacker, victim = Browser(world), Browser(world)
    attacker.get("write", color="planted")
    victim.key = attacker.key

    victim.get("sign-in", name="ann")

    assert victim.key != attacker.key
    assert attacker.text("who") == "AnonymousUser"
    assert attacker.text("read") == "none"
    assert victim.text("who") == "ann"


@pytest.mark.parametrize(
    "planted",
    [
        pytest.param("A" * 76, id="made up"),
        pytest.param("0123456789abcdefghijklmnopqrstuv", id="Django's format"),
        pytest.param(new_token(new_public_id()), id="ours, of no session"),
    ],
)
def test_planted_key_is_never_adopted(engine: str, world: World, user: User, planted: str) -> None:
    """No key that a browser brought becomes the name of a session, signed in or not."""
    victim = Browser(world)
    victim.key = planted
    victim.get("write")
    assert victim.key != planted

    victim.key = planted
    victim.get("sign-in", name="ann")

    assert victim.key != planted
    other = Browser(world)
    other.key = planted
    assert other.text("who") == "AnonymousUser"


def test_key_changes_when_the_same_person_signs_in_again(
    engine: str, world: World, user: User
) -> None:
    """Signing in again leaves a key that was copied before behind, though the user is the same."""
    browser = Browser(world)
    browser.get("sign-in", name="ann")
    copied = browser.key

    browser.get("sign-in", name="ann")

    thief = Browser(world)
    thief.key = copied
    assert thief.text("who") == "AnonymousUser"
    assert Session.objects.filter(revoked_at=None).count() == 1


def test_another_persons_data_is_left_behind(
    engine: str, world: World, user: User, other_user: User
) -> None:
    """Whoever signs in over somebody else's session gets nothing of it."""
    browser = Browser(world)
    browser.get("sign-in", name="ann")
    browser.get("write", color="secret")

    browser.get("sign-in", name="ben")

    assert browser.text("read") == "none"
    assert browser.text("who") == "ben"
