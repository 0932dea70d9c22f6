"""
Invariants 1 and 3 under random schedules: sessions, nodes, and a cache that comes and goes.

A failure names its seed; ``SESSIONS_PLUS_SEED=…`` runs that one again, and
``SESSIONS_PLUS_SCHEDULES=…`` says how many seeds are tried.
"""

from __future__ import annotations

import os
import random
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import pytest
from django.contrib.auth import get_user_model
from django.contrib.sessions.backends.base import UpdateError
from django.core.cache import caches as django_caches
from django.db import transaction
from redis.exceptions import ConnectionError as RedisConnectionError

from sessions_plus.backends.cached_db import SessionStore
from sessions_plus.cache import copies
from sessions_plus.cache import tier as tiers
from sessions_plus.cache.drivers.choosing import driver_for
from sessions_plus.cache.tier import Tier
from sessions_plus.keys import read_token
from sessions_plus.lifecycle import revoke, revoke_all
from sessions_plus.models import Session
from sessions_plus.rows import session_row, touches
from sessions_plus.store import ahead
from sessions_plus.store.ahead import Touch
from tests.support import schedules
from tests.support.schedules import Actor

pytestmark = pytest.mark.django_db(transaction=True)

SCHEDULES = int(os.environ.get("SESSIONS_PLUS_SCHEDULES", "25"))
SEEDS = [int(os.environ["SESSIONS_PLUS_SEED"])] if "SESSIONS_PLUS_SEED" in os.environ else None

NODES, PEOPLE, ACTORS, ACTS = 3, 3, 5, 6
COMMANDS = (
    *("read", "reserve", "fill", "replace", "occupy"),
    *("mark_ended", "mark_ended_many", "clear"),
)


class Unreliable:
    """A driver whose node may be cut off from the cache. Each command is a step."""

    def __init__(self, driver: Any) -> None:
        self._driver = driver
        self.is_cut_off = False

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._driver, name)
        if name not in COMMANDS:
            return found

        def command(*args: Any, **kwargs: Any) -> Any:
            schedules.step()
            if self.is_cut_off:
                raise RedisConnectionError("cut off")
            return found(*args, **kwargs)

        return command


@dataclass
class Known:
    """What must be true of one session, as far as its actors were told."""

    key: str
    user_id: int
    kept: set[str] = field(default_factory=set)
    ended_for: set[int] = field(default_factory=set)  # nodes on which it must be over
    may_end: bool = False

    @property
    def public_id(self) -> UUID:
        public_id = read_token(self.key)
        assert public_id is not None
        return public_id


class World:
    """Several people, several nodes, one cache, one seed."""

    def __init__(self, seed: int, user_ids: list[int]) -> None:
        self.rng = random.Random(seed)
        self.nodes = [Tier("default", Unreliable(driver_for("default"))) for _ in range(NODES)]
        self.user_ids = user_ids
        self.known: list[Known] = []
        self.touches: list[Touch] = []
        self.counter = 0
        self.has_faults = self.rng.random() < 0.5
        self.ends_of_all, self.ends_under_way = Counter[int](), Counter[int]()

    def tier(self) -> Tier:
        """Stand in for ``copies.tier``: each actor is on a node of its own."""
        actor = threading.current_thread()
        node: int = actor.node if isinstance(actor, Actor) else 0
        return self.nodes[node]

    def sign_in(self, user_id: int) -> None:
        store = SessionStore()
        store["_auth_user_id"] = str(user_id)
        before = self.ends_of_all[user_id]
        store.save()
        # Whether "end all" met it is known only where none came near.
        met = self.ends_of_all[user_id] != before or self.ends_under_way[user_id] > 0
        self.known.append(Known(str(store.session_key), user_id, may_end=met))

    def read(self, actor: Actor, known: Known) -> None:
        must_be_over = actor.node in known.ended_for
        kept, may_have_ended = set(known.kept), known.may_end
        store = SessionStore(known.key)
        data = store.load()
        assert not (must_be_over and data), "a revoked session was let in"
        assert data or known.may_end or may_have_ended, "a session that lives was turned away"
        if data and not self.has_faults:
            assert kept <= set(data), "a stored change was not seen"

    def leave_touch(self, known: Known) -> None:
        """Read, and leave the activity to whoever makes what waits."""
        store = SessionStore(known.key)
        store.load()
        recalled = store._recalled
        if recalled.copy is not None:
            self.touches.append(Touch(recalled.copy, None, time.time(), recalled))

    def make_touches(self) -> None:
        """Record what waits, of sessions that may have changed or ended since."""
        count = self.rng.randrange(len(self.touches) + 1)
        waiting, self.touches = self.touches[:count], self.touches[count:]
        one_by_session = {touch.copy.public_id: touch for touch in waiting}
        ahead.make(list(one_by_session.values()))

    def write(self, actor: Actor, known: Known) -> None:
        self.counter += 1
        name = f"change {self.counter}"
        store = SessionStore(known.key)
        if not store.load():
            return
        store[name] = 1
        try:
            store.save()
        except UpdateError:
            assert known.may_end, "a save was turned away from a session that lives"
            return
        known.kept.add(name)

    def revoke(self, actor: Actor, known: Known) -> None:
        known.may_end = True
        session = Session.objects.get(public_id=known.public_id)
        in_transaction = self.rng.random() < 0.3
        if in_transaction:
            with transaction.atomic():
                result = revoke(session)
        else:
            result = revoke(session)
        self.note_end(actor, known, reached=result.cache_reached and not in_transaction)
        if in_transaction and not self.has_faults:
            self.note_end(actor, known, reached=True)

    def revoke_all(self, actor: Actor, user_id: int) -> None:
        # Of one that was ended before, that call told whether the cache was reached.
        before = [k for k in self.known if k.user_id == user_id and not k.may_end]
        for known in before:
            known.may_end = True
        self.ends_of_all[user_id] += 1
        self.ends_under_way[user_id] += 1
        result = revoke_all(get_user_model()(pk=user_id))
        self.ends_under_way[user_id] -= 1
        for known in before:
            self.note_end(actor, known, reached=result.cache_reached)

    def note_end(self, actor: Actor, known: Known, *, reached: bool) -> None:
        known.ended_for |= set(range(NODES)) if reached else {actor.node}

    def act(self, actor: Actor) -> None:
        for _ in range(ACTS):
            actor.node = self.rng.randrange(NODES)
            known = self.rng.choice(self.known)
            chance = self.rng.random()
            if chance < 0.3:
                self.read(actor, known)
            elif chance < 0.4:
                self.leave_touch(known)
            elif chance < 0.47:
                self.make_touches()
            elif chance < 0.75:
                self.write(actor, known)
            elif chance < 0.85:
                self.revoke(actor, known)
            elif chance < 0.9:
                self.revoke_all(actor, self.rng.choice(self.user_ids))
            else:
                self.sign_in(self.rng.choice(self.user_ids))

    def between(self) -> None:
        """What may happen between any two steps."""
        chance = self.rng.random()
        if chance < 0.02:
            django_caches["default"].clear()
        elif self.has_faults and chance < 0.06:
            node = self.rng.choice(self.nodes)
            node.driver.is_cut_off = not node.driver.is_cut_off  # type: ignore[attr-defined]
            if not node.driver.is_cut_off:  # type: ignore[attr-defined]
                node.breaker._retry_at = 0.0

    def check(self) -> None:
        """At the end: what lives has all that was stored, and what ended is over everywhere."""
        for known in self.known:
            row = session_row.fetch(known.public_id)
            assert row is not None
            if not known.may_end:
                assert row.revoked_at is None
            if row.revoked_at is None:
                data = Session.objects.get(public_id=row.public_id).get_decoded()
                assert known.kept <= set(data), "a stored change was lost"


def run_schedule(seed: int, monkeypatch: pytest.MonkeyPatch) -> World:
    django_caches["default"].clear()
    world = World(seed, list(range(1, PEOPLE + 1)))
    monkeypatch.setattr(copies, "tier", world.tier)
    for user_id in world.user_ids:
        world.sign_in(user_id)
    statements: list[tuple[Any, str]] = [
        (session_row, name) for name in ("fetch", "insert", "update", "end_many", "touch")
    ]
    statements += [(touches, name) for name in ("touch_many", "alive_of")]
    with schedules.stepping(*statements):
        actors = [Actor(f"actor {number}", world.act) for number in range(ACTORS)]
        schedules.run(actors, rng=world.rng, between=world.between)
    world.check()
    return world


def test_invariants_hold_in_any_order(
    redis_tier: Tier, monkeypatch: pytest.MonkeyPatch, django_user_model: Any
) -> None:
    """Whatever the order: what was revoked is over, what was stored is there."""
    # All nodes are on this machine; a second of distrust would leave little to test.
    monkeypatch.setattr(tiers, "CLOCK_DIFFERENCE_SECONDS", 0.0)
    for number in range(PEOPLE):
        django_user_model.objects.create_user(f"person {number}", pk=number + 1)
    for seed in SEEDS or [random.SystemRandom().randrange(10**9) for _ in range(SCHEDULES)]:
        try:
            run_schedule(seed, monkeypatch)
        except Exception as error:
            raise AssertionError(f"{error!r} under SESSIONS_PLUS_SEED={seed}") from error
