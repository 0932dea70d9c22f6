"""Whoever can write to the cache gains nothing: it is no authority (invariant 4)."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.contrib.auth.models import User
from django.db import connection
from django.utils import timezone

from sessions_plus.cache import slots
from sessions_plus.cache.tier import Tier
from sessions_plus.models import Session
from tests.conftest import World
from tests.support import caches
from tests.support.browsers import SAFARI, Browser

pytestmark = [pytest.mark.urls("tests.support.sites"), pytest.mark.django_db(transaction=True)]


class Trap:
    """Tells when it is unpickled."""

    sprung = False

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return spring, ()


def spring() -> str:
    Trap.sprung = True
    return "gotcha"


@pytest.fixture(params=["Redis", "Memcached"])
def tier(request: pytest.FixtureRequest) -> Any:
    kind = {
        "Redis": lambda: caches.django_redis(request.getfixturevalue("redis_server").url),
        "Memcached": lambda: caches.memcached(request.getfixturevalue("memcached_server").url),
    }[request.param]
    with caches.site_with(kind()) as found:
        yield found


class Attacker:
    """Reads and writes the cache as it is, past the app."""

    def __init__(self, tier: Tier) -> None:
        self.driver: Any = tier.driver

    def name(self, session: Session) -> str:
        return str(self.driver.name_of(session.public_id))

    def read(self, session: Session) -> bytes:
        raw = self._client(session).get(self.name(session))
        assert isinstance(raw, bytes)
        return raw

    def write(self, session: Session, value: bytes, *, flags: int = 0) -> None:
        client, name = self._client(session), self.name(session)
        if hasattr(self.driver, "_at"):
            client.set(name, value, flags=flags)
        else:
            client.set(name, value)

    def _client(self, session: Session) -> Any:
        at = getattr(self.driver, "_at", None)
        return at(self.name(session)) if at is not None else self.driver._client


@pytest.fixture
def attacker(tier: Tier) -> Attacker:
    return Attacker(tier)


@pytest.fixture
def victim(tier: Tier, world: World, user: User) -> Browser:
    victim = Browser(world)
    victim.get("sign-in", name="ann")
    assert victim.text("who") == "ann"
    return victim


@pytest.mark.parametrize(
    "forge",
    [
        pytest.param(lambda raw: raw[:-1], id="cut"),
        pytest.param(lambda raw: raw[:-1] + bytes([raw[-1] ^ 1]), id="changed"),
        pytest.param(lambda raw: raw[:20], id="stump"),
        pytest.param(lambda raw: b"", id="empty"),
        pytest.param(lambda raw: b"c" + b"9" * 16, id="a newer version of nothing"),
        pytest.param(lambda raw: b"cxxxxxxxxxxxxxxxx" + raw[17:], id="no version"),
        pytest.param(lambda raw: pickle.dumps(Trap()), id="pickled"),
        pytest.param(lambda raw: b"s", id="empty reservation"),
    ],
)
def test_forged_entry_is_a_miss(
    forge: Callable[[bytes], bytes], victim: Browser, attacker: Attacker
) -> None:
    """An entry that is none of ours is not served, never unpickled, and signs nobody out."""
    session = Session.objects.get()
    attacker.write(session, forge(attacker.read(session)), flags=1)

    assert victim.text("who") == "ann"
    victim.get("write", color="red")
    assert victim.text("read") == "red"
    assert not Trap.sprung


def test_copy_of_another_session_is_a_miss(
    victim: Browser, attacker: Attacker, world: World, other_user: User
) -> None:
    """A copy that was moved to another session's slot makes nobody somebody else."""
    mallory = Browser(world, user_agent=SAFARI)
    mallory.get("sign-in", name="ben")
    mallory.get("read")
    rich, poor = Session.objects.get(user__username="ann"), Session.objects.get(user=other_user)

    attacker.write(poor, attacker.read(rich))

    assert mallory.text("who") == "ben"


def test_replayed_copy_serves_for_one_interval_at_most(victim: Browser, attacker: Attacker) -> None:
    """The copy of a session that was ended past us lasts until the next touch: the lease."""
    session = Session.objects.get()
    copy = attacker.read(session)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE sessions_plus_session SET revoked_at = last_activity")

    attacker.write(session, copy)
    with time_machine.travel(timezone.now() + timedelta(seconds=61), tick=False):
        assert victim.text("who") == "AnonymousUser"


def test_touch_renews_no_outdated_copy(victim: Browser, attacker: Attacker) -> None:
    """A copy from before a write that the cache was not told of goes with the next touch."""
    session = Session.objects.get()
    victim.get("write", color="red")
    victim.get("read")
    copy = attacker.read(session)
    victim.get("write", color="blue")
    attacker.write(session, copy)

    with time_machine.travel(timezone.now() + timedelta(seconds=61), tick=False):
        assert victim.text("read") == "blue"


def test_nothing_secret_can_be_read(victim: Browser, attacker: Attacker) -> None:
    """Neither the key nor what is stored stands in the cache in clear."""
    victim.get("write", color="chartreuse")
    victim.get("read")

    raw = attacker.read(Session.objects.get())

    assert raw.startswith(slots.COPY)
    assert b"chartreuse" not in raw
    assert victim.key.encode() not in raw
    assert Session.objects.get().key_hash.encode() not in raw
