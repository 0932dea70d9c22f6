"""A key that somebody else knows never becomes a signed-in person's key."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.core.cache import caches

from sessions_plus.keys import new_public_id, new_token
from sessions_plus.models import Session
from tests.conftest import World
from tests.support.browsers import Browser
from tests.support.stores import enter, stored, under_way, user_id_under

pytestmark = [pytest.mark.urls("tests.support.sites"), pytest.mark.django_db(transaction=True)]


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


def test_request_under_way_does_not_take_a_sign_in_over(
    engine: str, world: World, user: User
) -> None:
    """A request that came with the planted key gets no new key to what was signed in meanwhile."""
    planted = stored(color="blue")
    attacker, victim = under_way(planted), under_way(planted)
    enter(victim, user, world)
    world(victim, "save")

    world(attacker, "cycle_key")
    world(attacker, "save")

    assert user_id_under(attacker.session_key) is None
    assert user_id_under(planted) is None
    assert user_id_under(victim.session_key) == str(user.pk)


def test_request_under_way_writes_nothing_into_a_sign_in(
    engine: str, world: World, user: User
) -> None:
    """What a request with the planted key stores stays out of what was signed in meanwhile."""
    planted = stored(color="blue")
    attacker, victim = under_way(planted), under_way(planted)
    attacker["color"] = "planted"
    enter(victim, user, world)
    world(victim, "save")

    world(attacker, "save")

    assert under_way(victim.session_key)["color"] == "blue"


def test_flush_under_way_ends_no_sign_in(engine: str, world: World, user: User) -> None:
    """Whoever flushes with the planted key ends an anonymous session at most."""
    planted = stored(color="blue")
    attacker, victim = under_way(planted), under_way(planted)
    enter(victim, user, world)
    world(victim, "save")

    world(attacker, "flush")

    assert user_id_under(victim.session_key) == str(user.pk)


def test_two_people_who_sign_in_with_one_key_share_nothing(
    engine: str, world: World, user: User, other_user: User
) -> None:
    """Of two people who sign in at once with the same anonymous key, each has a session alone."""
    planted = stored(color="blue")
    ann, ben = under_way(planted), under_way(planted)
    enter(ann, user, world)
    ann["secret"] = "Ann's"
    world(ann, "save")

    enter(ben, other_user, world)
    world(ben, "save")

    assert under_way(ben.session_key).get("secret") is None
    assert user_id_under(ben.session_key) == str(other_user.pk)
    assert user_id_under(ann.session_key) == str(user.pk)
