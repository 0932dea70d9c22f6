"""What is true of the cache tier on every kind of cache, in both worlds."""

from __future__ import annotations

from typing import Any

import pytest
import redis
from django.contrib.auth.models import User
from django.core.cache import caches
from django.db import connection
from django.test.utils import CaptureQueriesContext

from sessions_plus.backends.cached_db import SessionStore
from sessions_plus.cache import slots
from sessions_plus.cache.slots import Reading
from sessions_plus.cache.tier import Tier
from sessions_plus.keys import new_public_id
from sessions_plus.lifecycle import revoke
from sessions_plus.models import Session
from tests.conftest import World
from tests.support.browsers import Browser

pytestmark = [pytest.mark.urls("tests.support.sites"), pytest.mark.django_db(transaction=True)]


@pytest.fixture
def visitor(tier: Tier, world: World, user: User) -> Browser:
    visitor = Browser(world)
    visitor.get("sign-in", name="ann")
    return visitor


def statements(act: Any) -> int:
    with CaptureQueriesContext(connection) as captured:
        act()
    return len(captured)


def test_second_read_asks_no_database(visitor: Browser, world: World) -> None:
    """Once it was read, a session is read again without any statement."""
    visitor.get("write", color="red")
    assert visitor.text("read") == "red"

    assert statements(lambda: visitor.get("read")) == 0


def test_a_write_is_seen_by_the_next_read(visitor: Browser) -> None:
    """No copy outlives the row that it is of."""
    visitor.get("read")
    for color in ("red", "green", "blue"):
        visitor.get("write", color=color)
        assert visitor.text("read") == color


def test_revoked_is_over(visitor: Browser, tier: Tier) -> None:
    """After a revocation no copy serves, and none is kept."""
    assert visitor.text("who") == "ann"

    assert revoke(Session.objects.get()).cache_reached

    assert visitor.text("who") == "AnonymousUser"
    assert tier.read(Session.objects.get().public_id).entry is None


def test_old_key_is_dead_at_once(visitor: Browser, world: World) -> None:
    """After a change of privilege the copy does not let the old key in."""
    visitor.get("read")
    thief = Browser(world)
    thief.key = visitor.key
    assert thief.text("who") == "ann"

    visitor.get("sign-in", name="ann")

    assert thief.text("who") == "AnonymousUser"


class Slot:
    """One slot of one cache, and what its driver does there."""

    def __init__(self, tier: Tier, *, is_one_of_many: bool) -> None:
        self.driver: Any = tier.driver
        self.is_one_of_many = is_one_of_many
        self.name = tier.driver.name_of(new_public_id())

    def read(self) -> Reading:
        reading: Reading = self.driver.read(self.name)
        return reading

    def reserve(self) -> bytes:
        value = slots.reservation()
        assert self.driver.reserve(self.name, value, seconds=60)
        return value

    def mark_ended(self) -> None:
        if self.is_one_of_many:
            others = [self.driver.name_of(new_public_id()) for _ in range(3)]
            self.driver.mark_ended_many([*others, self.name], seconds=60)
        else:
            self.driver.mark_ended(self.name, seconds=60)

    def __getattr__(self, method: str) -> Any:
        return lambda *args, **kwargs: getattr(self.driver, method)(
            self.name, *args, seconds=60, **kwargs
        )


@pytest.fixture(params=["alone", "one of many"])
def slot(request: pytest.FixtureRequest, tier: Tier) -> Slot:
    """A slot that is marked alone, or with others."""
    return Slot(tier, is_one_of_many=request.param == "one of many")


def test_only_one_reserves(slot: Slot) -> None:
    """A slot is reserved once; whoever comes later sees the reservation."""
    mine = slot.reserve()

    assert not slot.driver.reserve(slot.name, slots.reservation(), seconds=60)
    assert slot.read() == Reading(None, mine)


def test_a_copy_needs_its_reservation(slot: Slot) -> None:
    """A copy is there for all after its reservation, and not without one."""
    slot.fill(b"early", version=1, ticket=slots.reservation())
    assert slot.read().entry is None

    slot.fill(b"entry", version=1, ticket=slot.reserve())
    assert slot.read().entry == b"entry"


@pytest.mark.parametrize(
    "meanwhile", ["mark_ended", "occupy", "hold", "clear", "clear and reserve"]
)
def test_what_happens_meanwhile_voids_a_reservation(slot: Slot, meanwhile: str) -> None:
    """A reader that was slow keeps no copy once the slot was put to another use."""
    ticket = slot.reserve()
    if meanwhile == "mark_ended":
        slot.mark_ended()
    elif meanwhile in {"occupy", "hold"}:
        slot.occupy(slots.hold() if meanwhile == "hold" else slots.reservation())
    else:
        slot.driver.clear([slot.name])
        if meanwhile == "clear and reserve":
            slot.reserve()

    slot.fill(b"old", version=9, ticket=ticket)

    assert slot.read().entry is None


def test_a_write_voids_a_reservation(slot: Slot) -> None:
    """Who read the row before a write cannot put that copy after it."""
    ticket = slot.reserve()

    slot.replace(b"new", version=2, hold=b"")
    slot.fill(b"old", version=1, ticket=ticket)

    assert slot.read().entry in {None, b"new"}


def test_a_write_lets_no_older_copy_stand(slot: Slot) -> None:
    """After a write its own copy stands, or none; a late older write changes nothing."""
    slot.fill(b"one", version=1, ticket=slot.reserve())

    slot.replace(b"three", version=3, hold=b"")
    slot.replace(b"two", version=2, hold=b"")

    assert slot.read().entry in {None, b"three"}


@pytest.mark.parametrize("act", ["fill", "replace", "occupy"])
def test_ended_stays_ended(slot: Slot, act: str) -> None:
    """Nothing takes the slot of an end, nor may it be reserved."""
    ticket = slot.reserve()
    slot.mark_ended()
    if act == "fill":
        slot.fill(b"old", version=9, ticket=ticket)
    elif act == "replace":
        slot.replace(b"old", version=9, hold=b"")
    else:
        slot.occupy(slots.reservation())

    assert slot.read() == slots.BARRED


def test_a_hold_keeps_all_others_out(slot: Slot) -> None:
    """While a writer's transaction goes on, nobody keeps a copy; then the writer may."""
    hold = slots.hold()
    slot.fill(b"one", version=1, ticket=slot.reserve())

    slot.occupy(hold)
    assert slot.read() == slots.BARRED

    slot.replace(b"two", version=2, hold=hold)
    assert slot.read().entry in {None, b"two"}
    assert slot.read() != slots.BARRED


def test_a_foreign_value_is_a_miss(slot: Slot, tier: Tier) -> None:
    """What is none of ours is not served, and gives way to a copy or to an end."""
    caches["default"].set(slot.name, {"_auth_user_id": 1}, version=1)
    raw = getattr(tier.driver, "_client", None)
    if raw is not None:
        raw.set(slot.name, b"\x80\x05cos\nsystem\n")

    recalled = slot.read()
    assert recalled.entry is None

    slot.mark_ended()
    assert slot.read() == slots.BARRED


def test_many_are_marked_in_one_exchange(redis_tier: Tier, monkeypatch: pytest.MonkeyPatch) -> None:
    """A hundred sessions that end together cost Redis one message."""
    sent: list[int] = []
    original = redis.Connection.send_packed_command

    def send(connection: Any, command: Any, **kwargs: Any) -> None:
        sent.append(1)
        original(connection, command, **kwargs)

    public_ids = [new_public_id() for _ in range(100)]
    redis_tier.mark_ended_many(public_ids)  # connects
    monkeypatch.setattr(redis.Connection, "send_packed_command", send)

    assert redis_tier.mark_ended_many(public_ids)

    assert len(sent) == 1
    assert all(
        redis_tier.driver.read(redis_tier.driver.name_of(p)) == slots.BARRED for p in public_ids
    )


def test_a_new_session_has_its_copy(tier: Tier, world: World) -> None:
    """What was just stored is read back, whatever the cache can do."""
    store = SessionStore()
    store["color"] = "red"
    world(store, "save")

    again = SessionStore(store.session_key)

    assert world(again, "get", "color") == "red"
