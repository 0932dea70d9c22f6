"""
Refresh tokens under fire: many threads at once, and a thief beside the owner.

On SQLite writers wait for each other, which is a race all the same; PostgreSQL and MariaDB
let them meet.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier
from typing import Any, TypeVar

import pytest
import time_machine
from django.db import connections
from django.utils import timezone

from sessions_plus.client_info import ClientInfo
from sessions_plus.exceptions import InvalidToken, SessionNotStored
from sessions_plus.lifecycle import ending, revoke
from sessions_plus.models import Event, Reason, Session, SessionEvent, SigningKey
from sessions_plus.store.session_store import SessionStore
from sessions_plus.tokens import keys
from sessions_plus.tokens.refresh import Tokens, refresh
from tests.support.moments import START
from tests.support.pauses import Pause, stopped
from tests.tokens.factories import new_tokens

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("engine")]

THREADS = 10

T = TypeVar("T")


def at_once(act: Callable[[int], T], *, threads: int = THREADS) -> list[T]:
    """Do it in all threads at the same moment; return what each got."""
    barrier = Barrier(threads)

    def run(number: int) -> T:
        try:
            connections["default"].ensure_connection()
            barrier.wait(timeout=120)
            return act(number)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(run, range(threads)))


def renewed(token: str) -> Tokens:
    return refresh(token, client=ClientInfo.of(), now=timezone.now())


def test_parallel_refreshes_get_the_same_token(user: Any) -> None:
    """Ten tabs that refresh at once all go on, with one and the same next token."""
    token = new_tokens(user).refresh

    for _ in range(5):
        found = at_once(lambda _number, token=token: renewed(token).refresh)  # type: ignore[misc]
        assert len(set(found)) == 1
        assert found[0] != token
        token = found[0]

    assert Session.objects.get().revoked_at is None
    assert not SessionEvent.objects.filter(event=Event.KEY_REUSED).exists()


def test_refresh_beside_the_end(user: Any) -> None:
    """Whatever refreshes are under way, once the session was ended none of them goes on."""
    token = new_tokens(user).refresh
    session = Session.objects.get()

    def act(number: int) -> str | None:
        if number == 0:
            revoke(session)
            return None
        try:
            return renewed(token).refresh
        except (InvalidToken, SessionNotStored):
            return None

    got = [found for found in at_once(act) if found is not None]

    assert Session.objects.get().revoked_at is not None
    for one in {token, *got}:
        with pytest.raises(InvalidToken):
            renewed(one)


def test_refresh_that_others_always_come_before(user: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who loses each race may try again; not where the session has ended, and has a copy yet."""
    token = new_tokens(user).refresh
    session = Session.objects.get()
    monkeypatch.setattr(SessionStore, "rotate", lambda *_, **__: None)

    with pytest.raises(SessionNotStored):
        renewed(token)
    before_the_cache = Pause(ending, "site_copies", before=True)
    with stopped(lambda: revoke(session), at=before_the_cache), pytest.raises(InvalidToken):
        renewed(token)


def test_many_replays_end_one_session_once(user: Any) -> None:
    """Ten threads with a spent token: all refused, one session ended, one event."""
    oldest = new_tokens(user)
    bystander = new_tokens(user)
    renewed(renewed(oldest.refresh).refresh)

    def act(_number: int) -> bool:
        try:
            renewed(oldest.refresh)
        except InvalidToken:
            return False
        return True

    assert not any(at_once(act))
    assert SessionEvent.objects.filter(event=Event.KEY_REUSED).count() == 1
    assert renewed(bystander.refresh).refresh


def test_asvs_10_4_5_thief_and_owner(user: Any) -> None:
    """Whoever of thief and owner refreshes first and goes on, the other's use ends the session."""
    with time_machine.travel(START, tick=False) as clock:
        stolen = new_tokens(user).refresh
        lucky = renewed(renewed(stolen).refresh).refresh
        clock.shift(timedelta(minutes=5))

        with pytest.raises(InvalidToken):
            renewed(stolen)

        with pytest.raises(InvalidToken):
            renewed(lucky)
    assert Session.objects.get().revoked_reason == Reason.KEY_REUSED


def test_first_signing_key_is_one() -> None:
    """Ten threads that need the first key at once make one."""
    found = at_once(lambda _number: keys.get_signer(START).kid)

    assert len(set(found)) == 1
    assert SigningKey.objects.count() == 1


def test_next_signing_key_is_one(user: Any) -> None:
    """Ten threads that find the key too old at once make one next."""
    keys.get_signer(START)
    later = START + timedelta(days=91)

    at_once(lambda _number: keys.get_signer(later).kid)

    assert SigningKey.objects.count() == 2
    assert SessionEvent.objects.filter(event=Event.SIGNING_KEY_ROTATED).count() == 1


def test_stolen_key_ends_beside_a_rotation() -> None:
    """A rotation at once ends the stolen key, also where another rotation came first."""
    stolen = keys.get_signer(START).kid

    at_once(lambda number: keys.rotate(START, at_once=number == 0).kid, threads=4)

    later = START + timedelta(minutes=6)
    keys.forget_known_keys()
    assert keys.find_verifier(stolen, START) is None
    assert keys.get_signer(later).kid != stolen
